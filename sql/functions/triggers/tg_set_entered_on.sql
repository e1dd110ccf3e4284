-- tg_set_entered_on: the day on which a row was written, where the family lives. Before insert, and
-- before an update of what the day is of; the checks hold other days against it.
--
-- Invoker: who may write the row sees its family; of one that is not seen, the policies refuse the
-- row. Nobody is granted the column.
--
-- requires: 0012_exercises

create or replace function app.tg_set_entered_on()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    NEW.entered_on := coalesce(
        (
            select (now() at time zone f.time_zone)::date
            from app.families as f
            where f.id = NEW.family_id
        ),
        NEW.entered_on
    );

    return NEW;
end
$$;

comment on function app.tg_set_entered_on() is
    'Trigger: sets the day on which a row is written, in the family''s time zone.';

revoke all on function app.tg_set_entered_on() from public;
