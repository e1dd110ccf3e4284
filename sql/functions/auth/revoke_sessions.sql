-- revoke_sessions: ends the sessions of a user, but for one if it is named.
--
-- For the account functions of app_auth; nobody else may call it.
--
-- owner: app_auth
-- requires: 0006_audit

create or replace function app.revoke_sessions(user_id uuid, kept_session_id uuid)
    returns void
    language sql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
    with revoked as (
        update app.sessions as s
        set revoked_at = now()
        where
            s.user_id = revoke_sessions.user_id
            and s.id is distinct from revoke_sessions.kept_session_id
            and s.revoked_at is null
        returning s.id
    )
    insert into app.account_events (user_id, event_type, metadata)
    select
        revoke_sessions.user_id,
        'session_revoked',
        app.event_metadata() || jsonb_build_object('session_id', r.id)
    from revoked as r
$$;

comment on function app.revoke_sessions(uuid, uuid) is
    'Ends the sessions of a user, but for the one named; for the account functions.';

revoke all on function app.revoke_sessions(uuid, uuid) from public;
