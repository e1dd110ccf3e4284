-- tg_add_retired_days: the days on which a habit was retired, from that of deleted_at to today,
-- where the family lives. Before an update that restores it; statistics spare them.
--
-- deleted_at is the caller's to write: it counts as within the life of the habit, whatever it says.
--
-- Invoker: who may restore the habit sees its family. Nobody is granted the column.
--
-- requires: 0013_habits

create or replace function app.tg_add_retired_days()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_since timestamptz := least(greatest(OLD.deleted_at, OLD.created_at), now());
begin
    NEW.retired_days := OLD.retired_days + (
        select datemultirange(daterange(
            (v_since at time zone f.time_zone)::date,
            (now() at time zone f.time_zone)::date,
            '[]'
        ))
        from app.families as f
        where f.id = NEW.family_id
    );

    return NEW;
end
$$;

comment on function app.tg_add_retired_days() is
    'Trigger: adds the days on which a habit was retired when it is restored.';

revoke all on function app.tg_add_retired_days() from public;
