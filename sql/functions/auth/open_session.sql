-- open_session: signs a user in whose password has been checked.
--
-- The caller names the very hash the password was checked against. If it has changed meanwhile, the
-- check is void and the answer null: a password changed at this moment lets nobody in with the old.
--
-- Definer, owned by app_auth: before sign-in there is no context.
--
-- owner: app_auth
-- requires: 0006_audit

create or replace function app.open_session(
    user_id uuid,
    password_hash text,
    token_hash bytea,
    expires_at timestamptz,
    network_hash bytea
)
    returns json
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform from app.credentials as c
    inner join app.users as u on u.id = c.user_id
    where
        c.user_id = open_session.user_id
        and c.password_hash = open_session.password_hash
        and u.is_active
    for share of c, u;
    if not found then
        return null;
    end if;

    return app.begin_session(
        'signed_in',
        open_session.user_id,
        open_session.token_hash,
        open_session.expires_at,
        open_session.network_hash
    );
end
$$;

comment on function app.open_session(uuid, text, bytea, timestamptz, bytea) is
    'Signs in a user whose password was checked against this hash; null if it is not current.';

revoke all on function app.open_session(uuid, text, bytea, timestamptz, bytea) from public;
grant execute on function app.open_session(uuid, text, bytea, timestamptz, bytea) to app_api;
