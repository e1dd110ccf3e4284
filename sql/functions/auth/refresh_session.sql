-- refresh_session: a new refresh token for one that has not been used.
--
-- A token that has a successor was used already: by its owner, or by a thief, and nobody can tell
-- which. The session ends for both. That must be committed, so it is told by null and not by an
-- exception, in the same way as an unknown or expired token.
--
-- Whoever is no member of the session's family any more continues in another one, or in none.
--
-- Definer, owned by app_auth: the token is the proof; there is no context yet.
--
-- owner: app_auth
-- requires: 0006_audit

create or replace function app.refresh_session(
    token_hash bytea,
    new_token_hash bytea,
    expires_at timestamptz
)
    returns json
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_session record;
    v_standing record;
begin
    -- The lock makes two uses of one token wait for each other.
    select s.id, s.user_id, s.family_id
    into v_session
    from app.refresh_tokens as t
    inner join app.sessions as s on s.id = t.session_id
    inner join app.users as u on u.id = s.user_id
    where
        t.token_hash = refresh_session.token_hash
        and s.revoked_at is null
        and s.expires_at > now()
        and u.is_active
    for no key update of s;
    if not found then
        return null;
    end if;

    if exists (
        select from app.refresh_tokens as t where t.replaces_hash = refresh_session.token_hash
    ) then
        update app.sessions set revoked_at = now() where id = v_session.id;

        insert into app.account_events (user_id, event_type, metadata)
        values (
            v_session.user_id,
            'token_reused',
            app.event_metadata() || jsonb_build_object('session_id', v_session.id)
        );

        return null;
    end if;

    insert into app.refresh_tokens (token_hash, session_id, replaces_hash)
    values (refresh_session.new_token_hash, v_session.id, refresh_session.token_hash);

    select s.family_id, s.role
    into v_standing
    from app.resolve_membership(v_session.user_id, v_session.family_id) as s;

    update app.sessions
    set family_id = v_standing.family_id, expires_at = refresh_session.expires_at
    where id = v_session.id;

    return json_build_object(
        'session_id', v_session.id,
        'user_id', v_session.user_id,
        'family_id', v_standing.family_id,
        'role', v_standing.role
    );
end
$$;

comment on function app.refresh_session(bytea, bytea, timestamptz) is
    'Appends a link to a session''s chain; null for a token unknown, expired or used already.';

revoke all on function app.refresh_session(bytea, bytea, timestamptz) from public;
grant execute on function app.refresh_session(bytea, bytea, timestamptz) to app_api;
