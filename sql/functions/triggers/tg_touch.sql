-- tg_touch: the base pattern's trigger, before update on every table whose rows change.
--
-- created_at is frozen. updated_at grows strictly, also when two updates fall on one tick or a
-- clock is set back. row_version counts up; it is what an ETag is made of.
--
-- requires: 0002_schema

create or replace function app.tg_touch()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    NEW.created_at := OLD.created_at;
    NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
    NEW.row_version := OLD.row_version + 1;

    return NEW;
end
$$;

comment on function app.tg_touch() is
    'Trigger: freezes created_at, moves updated_at strictly forward, counts row_version.';

revoke all on function app.tg_touch() from public;
