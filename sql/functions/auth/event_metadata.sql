-- event_metadata: what an account event says beside its kind: by which login, session, request.
--
-- owner: app_auth
-- requires: 0002_schema

create or replace function app.event_metadata()
    returns jsonb
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select jsonb_strip_nulls(jsonb_build_object(
        'login', session_user,
        'database_role', coalesce(nullif(current_setting('role'), 'none'), session_user),
        'session_id', app.current_session_id(),
        'request_id', app.current_request_id()
    ))
$$;

comment on function app.event_metadata() is
    'Session and request of the context, for account events.';

revoke all on function app.event_metadata() from public;
grant execute on function app.event_metadata() to app_ops;
