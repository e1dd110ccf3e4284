-- current_member_role: part of the context that every policy compares with.
--
-- A setting that was local to a finished transaction reads as '' and not as null: hence nullif.
-- No `set search_path`, so that the planner inlines the call and the comparison can use an index.
--
-- requires: 0004_families

create or replace function app.current_member_role()
    returns app.member_role
    language sql
    stable
    parallel safe
as $$ select nullif(pg_catalog.current_setting('app.member_role', true), '')::app.member_role $$;

comment on function app.current_member_role() is
    'The role that user acts in, in that family; null outside a context.';

revoke all on function app.current_member_role() from public;
grant execute on function app.current_member_role()
    to app_api, app_auth, app_audit, app_ops, app_reader;
