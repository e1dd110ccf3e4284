-- begin_session: a session with the first link of its chain, in the first family the user has, and
-- the event that names it.
--
-- For sign_up and open_session, which have established who the user is; nobody else may call it.
-- Invoker, but only ever run by app_auth's definer functions.
--
-- owner: app_auth
-- requires: 0006_audit

create or replace function app.begin_session(
    event_type app.account_event,
    user_id uuid,
    token_hash bytea,
    expires_at timestamptz,
    network_hash bytea
)
    returns json
    language plpgsql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_standing record;
    v_session_id uuid;
begin
    select s.family_id, s.role
    into v_standing
    from app.resolve_membership(begin_session.user_id, null) as s;

    insert into app.sessions (user_id, family_id, expires_at, network_hash)
    values (
        begin_session.user_id,
        v_standing.family_id,
        begin_session.expires_at,
        begin_session.network_hash
    )
    returning id into v_session_id;

    insert into app.refresh_tokens (token_hash, session_id)
    values (begin_session.token_hash, v_session_id);

    insert into app.account_events (user_id, event_type, metadata)
    values (
        begin_session.user_id,
        begin_session.event_type,
        app.event_metadata() || jsonb_build_object('session_id', v_session_id)
    );

    return json_build_object(
        'session_id', v_session_id,
        'user_id', begin_session.user_id,
        'family_id', v_standing.family_id,
        'role', v_standing.role
    );
end
$$;

comment on function app.begin_session(app.account_event, uuid, bytea, timestamptz, bytea) is
    'Makes a session, its first refresh token and its event; for sign_up and open_session.';

revoke all on function app.begin_session(app.account_event, uuid, bytea, timestamptz, bytea)
    from public;
