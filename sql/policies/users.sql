-- users: everybody sees and edits their own row.
--
-- No tenant floor: a user is in no family. E-mail addresses cannot be updated here: a new one has
-- to be proven by mail first. Rows are made and retired by the functions of app_auth. app_ops
-- restores and purges, and only what has been retired.
--
-- requires: 0003_users current_user_id tg_touch

revoke all on app.users from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.users to app_api, app_reader, app_auth;
grant update (full_name, time_zone, is_notified) on app.users to app_api;
grant insert (id, email, full_name, time_zone) on app.users to app_auth;
grant update (deleted_at) on app.users to app_auth, app_ops;
grant select (id, email, deleted_at, is_active), delete on app.users to app_ops;

drop policy if exists select_own on app.users;
create policy select_own
    on app.users
    for select
    to app_api, app_reader
    using (id = app.current_user_id());
comment on policy select_own on app.users is
    'Everybody their own row.';

drop policy if exists select_auth on app.users;
create policy select_auth
    on app.users
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.users is
    'The functions of app_auth find accounts.';

drop policy if exists select_ops on app.users;
create policy select_ops
    on app.users
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.users is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_auth on app.users;
create policy insert_auth
    on app.users
    for insert
    to app_auth
    with check (is_active);
comment on policy insert_auth on app.users is
    'The functions of app_auth make the rows.';

drop policy if exists update_own on app.users;
create policy update_own
    on app.users
    for update
    to app_api
    using (id = app.current_user_id())
    with check (id = app.current_user_id());
comment on policy update_own on app.users is
    'Everybody their own row.';

drop policy if exists update_auth on app.users;
create policy update_auth
    on app.users
    for update
    to app_auth
    using (is_active)
    with check (not is_active);
comment on policy update_auth on app.users is
    'The functions of app_auth retire what is still active.';

drop policy if exists update_ops on app.users;
create policy update_ops
    on app.users
    for update
    to app_ops
    using (not is_active)
    with check (is_active);
comment on policy update_ops on app.users is
    'Maintenance restores what was retired.';

drop policy if exists delete_ops on app.users;
create policy delete_ops
    on app.users
    for delete
    to app_ops
    using (not is_active);
comment on policy delete_ops on app.users is
    'Maintenance purges what was retired, and nothing else.';

create or replace trigger _100_touch
    before update on app.users
    for each row
    execute function app.tg_touch();
