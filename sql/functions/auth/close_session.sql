-- close_session: signs out. The session is the one the request came with.
--
-- Definer, owned by app_auth: sessions are written by its functions alone. The context names the
-- session, and assert_membership has held it against the user.
--
-- owner: app_auth
-- requires: 0006_audit

create or replace function app.close_session()
    returns boolean
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    update app.sessions as s
    set revoked_at = now()
    where
        s.id = app.current_session_id()
        and s.user_id = app.current_user_id()
        and s.revoked_at is null;
    if not found then
        return false;
    end if;

    insert into app.account_events (user_id, event_type, metadata)
    values (app.current_user_id(), 'signed_out', app.event_metadata());

    return true;
end
$$;

comment on function app.close_session() is
    'Ends the session of the context; false if there is none to end.';

revoke all on function app.close_session() from public;
grant execute on function app.close_session() to app_api;
