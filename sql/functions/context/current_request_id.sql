-- current_request_id: for the audit trail. No policy reads it.
--
-- A setting that was local to a finished transaction reads as '' and not as null: hence nullif.
-- No `set search_path`, so that the planner inlines the call and the comparison can use an index.
--
-- requires: 0002_schema

create or replace function app.current_request_id()
    returns uuid
    language sql
    stable
    parallel safe
as $$ select nullif(pg_catalog.current_setting('app.request_id', true), '')::uuid $$;

comment on function app.current_request_id() is
    'The request the transaction serves; null outside a context.';

revoke all on function app.current_request_id() from public;
grant execute on function app.current_request_id()
    to app_api, app_auth, app_audit, app_ops, app_reader;
