-- credentials: for the functions of app_auth and for nobody else, the service's login included.
--
-- Never deleted by hand: a credential goes with its user.
--
-- requires: 0003_users tg_touch

revoke all on app.credentials from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.credentials to app_auth;
grant insert (user_id, password_hash) on app.credentials to app_auth;
grant update (password_hash) on app.credentials to app_auth;

drop policy if exists select_auth on app.credentials;
create policy select_auth
    on app.credentials
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.credentials is
    'The functions of app_auth hand a hash to sign-in.';

drop policy if exists insert_auth on app.credentials;
create policy insert_auth
    on app.credentials
    for insert
    to app_auth
    with check (true);
comment on policy insert_auth on app.credentials is
    'The functions of app_auth make the rows.';

drop policy if exists update_auth on app.credentials;
create policy update_auth
    on app.credentials
    for update
    to app_auth
    using (true)
    with check (true);
comment on policy update_auth on app.credentials is
    'The functions of app_auth change the hash.';

create or replace trigger _100_touch
    before update on app.credentials
    for each row
    execute function app.tg_touch();
