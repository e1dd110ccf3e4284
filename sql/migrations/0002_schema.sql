-- The schema, and the functions that table definitions lean on.
--
-- Functions live in sql/functions, one file each, and are applied after the structure. A column
-- default, a check and a trigger need theirs earlier, so it is created here: new_id and
-- is_time_zone as they work everywhere, the trigger functions as stubs that refuse to work. The
-- files replace them in the same transaction. Where only `yoyo apply` has run, the stubs keep
-- every table shut rather than let rows in unaudited.
--
-- depends: 0001_roles

create schema app authorization app_owner;

set local role app_owner;

comment on schema app is
    'Hearth: households and all that is theirs. Read sql/ from the migrations on.';

grant usage on schema app to app_api, app_auth, app_audit, app_ops, app_reader;

-- PostgreSQL lets everybody call a new function. Here nobody may until a file grants it.
alter default privileges revoke execute on functions from public;

create function app.new_id()
    returns uuid
    language sql
    volatile
as 'select pg_catalog.gen_random_uuid()';

create function app.is_time_zone(name text)
    returns boolean
    language plpgsql
    stable
as $$
begin
    return coalesce(
            name = 'UTC'
            or name ~ '^[A-Z][A-Za-z]*(/[A-Z][A-Za-z_]*(-[A-Za-z]+)*)+$'
            or name ~ '^Etc/GMT(\+(\d|1[0-2])|-(\d|1[0-4]))?$',
            false
        )
        and pg_catalog.timezone(name, timestamptz 'epoch') is not null;
exception
    when invalid_parameter_value then
        return false;
end
$$;

create function app.tg_touch()
    returns trigger
    language plpgsql
as $$
begin
    raise exception 'functions are not installed yet' using hint = 'Run: hearth migrate';
end
$$;

create function app.tg_refuse_change()
    returns trigger
    language plpgsql
as $$
begin
    raise exception 'functions are not installed yet' using hint = 'Run: hearth migrate';
end
$$;

-- The audit trail is written by a role that can do nothing else; its trigger function is that
-- role's.
grant create on schema app to app_audit;

set local role app_audit;

alter default privileges revoke execute on functions from public;

create function app.tg_record_audit()
    returns trigger
    language plpgsql
as $$
begin
    raise exception 'functions are not installed yet' using hint = 'Run: hearth migrate';
end
$$;

grant execute on function app.tg_record_audit() to app_owner;

set local role app_auth;

alter default privileges revoke execute on functions from public;

set local role app_owner;

revoke create on schema app from app_audit;
