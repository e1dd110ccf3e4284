-- The schema, the base pattern of its tables, and the functions that table definitions lean on.
--
-- The base pattern is explained here, and in no table that has it:
--
--     family_id    the tenant; it leads every key and every index (0004_families)
--     id           made by app.new_id(): in the order of time (version 7) where the server can
--                  make such ids, else random
--     user_id      the owner; a row does not change hands
--     visibility   whether only the owner sees the row, or the family
--     created_at   when the row was made; never changes
--     updated_at   when the row last changed; strictly increasing
--     row_version  counts the changes of the row, from 1; the ETag is made of it
--     deleted_at   when the row was retired, to be purged later; null while it is active
--     is_active    true until the row is retired
--
--     _100_touch            keeps created_at, updated_at and row_version
--     _110_refuse_truncate  rows leave one by one, so that the audit trail sees them
--     _900_audit            writes the audit trail, after every other trigger
--
-- A column has a comment where that says more than its name. The comment on a constraint, or on a
-- unique index, is the sentence that the service answers with when somebody breaks it; a key of ids
-- that the server makes needs none. The line above any other index says what it serves.
--
-- Functions live in sql/functions, one file each, and are applied after the structure. A column
-- default and a check need theirs earlier, so these are created here as they work everywhere, and
-- their files replace them in the same transaction. Policies, grants and triggers stand in
-- sql/policies, one file for each table. Where only `yoyo apply` has run, a table has none of them:
-- row level security, which is forced, then keeps it shut.
--
-- depends: 0001_roles

create schema app authorization app_owner;

set local role app_owner;

comment on schema app is
    'Hearth: households and all that is theirs. What its tables have in common: family_id is the'
    ' tenant and leads every key; new_id() makes id; user_id is the owner, who never changes;'
    ' _100_touch freezes created_at, moves updated_at strictly forward and counts row_version from'
    ' 1; deleted_at says when a row was retired, null while it is_active; _110_refuse_truncate lets'
    ' rows leave only one by one, and _900_audit writes the audit trail of every change.';

grant usage on schema app to app_api, app_auth, app_audit, app_ops, app_reader;

-- PostgreSQL lets everybody call a new function. Here nobody may until a file grants it, whichever
-- role owns it.
alter default privileges revoke execute on functions from public;
set local role app_auth;
alter default privileges revoke execute on functions from public;
set local role app_audit;
alter default privileges revoke execute on functions from public;
set local role app_owner;

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

-- Stand-ins, for indexes and checks to name: no row is written before their files replace them.

create function app.visible(value text)
    returns text
    language sql
    immutable
    strict
    parallel safe
as 'select value';

create function app.is_line(value text)
    returns boolean
    language sql
    immutable
    parallel safe
as 'select true';

create function app.text_key(value text)
    returns text
    language sql
    immutable
    strict
    parallel safe
as 'select value';
