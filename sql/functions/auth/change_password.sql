-- change_password: a new hash for an old one, and every other session of the user ended.
--
-- The caller names the hash that the old password was checked against; if it is not current any
-- more nothing happens and the answer is false.
--
-- Definer, owned by app_auth: the service's login cannot read or write credentials. Only the user
-- of the context is touched.
--
-- owner: app_auth
-- requires: 0006_audit

create or replace function app.change_password(old_hash text, new_hash text)
    returns boolean
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    update app.credentials as c
    set password_hash = change_password.new_hash
    where c.user_id = app.current_user_id() and c.password_hash = change_password.old_hash;
    if not found then
        return false;
    end if;

    insert into app.account_events (user_id, event_type, metadata)
    values (app.current_user_id(), 'password_changed', app.event_metadata());

    perform app.revoke_sessions(app.current_user_id(), app.current_session_id());

    return true;
end
$$;

comment on function app.change_password(text, text) is
    'Replaces the password hash of the user of the context and ends the other sessions.';

revoke all on function app.change_password(text, text) from public;
grant execute on function app.change_password(text, text) to app_api;
