-- current_family_id: part of the context that every policy compares with.
--
-- A setting that was local to a finished transaction reads as '' and not as null: hence nullif.
-- No `set search_path`, so that the planner inlines the call and the comparison can use an index.
--
-- requires: 0002_schema

create or replace function app.current_family_id()
    returns uuid
    language sql
    stable
    parallel safe
as $$ select nullif(pg_catalog.current_setting('app.family_id', true), '')::uuid $$;

comment on function app.current_family_id() is
    'The family the transaction stands in; null outside a context.';

revoke all on function app.current_family_id() from public;
grant execute on function app.current_family_id()
    to app_api, app_auth, app_audit, app_ops, app_reader;
