-- current_session_id: for assert_membership, which refuses a revoked session. No policy reads it.
--
-- A setting that was local to a finished transaction reads as '' and not as null: hence nullif.
-- No `set search_path`, so that the planner inlines the call and the comparison can use an index.
--
-- requires: 0002_schema

create or replace function app.current_session_id()
    returns uuid
    language sql
    stable
    parallel safe
as $$ select nullif(pg_catalog.current_setting('app.session_id', true), '')::uuid $$;

comment on function app.current_session_id() is
    'The session that brought the request; null outside a context.';

revoke all on function app.current_session_id() from public;
grant execute on function app.current_session_id()
    to app_api, app_auth, app_audit, app_ops, app_reader;
