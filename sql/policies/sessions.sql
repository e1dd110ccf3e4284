-- sessions: for the functions of app_auth. Others see of their own what assert_membership asks.
--
-- No tenant floor: a session belongs to a user and moves from family to family. app_ops reads what
-- policies compare, for explain_access, and purges what has expired.
--
-- requires: 0005_sessions current_user_id tg_touch

revoke all on app.sessions from app_api, app_reader, app_auth, app_audit, app_ops;
grant select (id, user_id, expires_at, revoked_at) on app.sessions to app_api, app_reader;
grant select on app.sessions to app_auth;
grant insert (user_id, family_id, expires_at, network_hash) on app.sessions to app_auth;
grant update (family_id, expires_at, revoked_at) on app.sessions to app_auth;
grant select (id, user_id, expires_at), delete on app.sessions to app_ops;

drop policy if exists select_own on app.sessions;
create policy select_own
    on app.sessions
    for select
    to app_api, app_reader
    using (user_id = app.current_user_id());
comment on policy select_own on app.sessions is
    'Their own sessions.';

drop policy if exists select_auth on app.sessions;
create policy select_auth
    on app.sessions
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.sessions is
    'The functions of app_auth find sessions.';

drop policy if exists select_ops on app.sessions;
create policy select_ops
    on app.sessions
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.sessions is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_auth on app.sessions;
create policy insert_auth
    on app.sessions
    for insert
    to app_auth
    with check (revoked_at is null);
comment on policy insert_auth on app.sessions is
    'The functions of app_auth begin sessions, never an ended one.';

drop policy if exists update_auth on app.sessions;
create policy update_auth
    on app.sessions
    for update
    to app_auth
    using (revoked_at is null)
    with check (true);
comment on policy update_auth on app.sessions is
    'The functions of app_auth move and end what is not yet ended.';

drop policy if exists delete_ops on app.sessions;
create policy delete_ops
    on app.sessions
    for delete
    to app_ops
    using (expires_at < current_timestamp);
comment on policy delete_ops on app.sessions is
    'Maintenance purges what has expired, and nothing else.';

create or replace trigger _100_touch
    before update on app.sessions
    for each row
    execute function app.tg_touch();
