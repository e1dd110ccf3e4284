-- refresh_tokens: for the functions of app_auth and for nobody else. Insert-only: a link of the
-- chain never changes, and goes with its session.
--
-- requires: 0005_sessions

revoke all on app.refresh_tokens from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.refresh_tokens to app_auth;
grant insert (token_hash, session_id, replaces_hash) on app.refresh_tokens to app_auth;

drop policy if exists select_auth on app.refresh_tokens;
create policy select_auth
    on app.refresh_tokens
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.refresh_tokens is
    'The functions of app_auth follow the chain.';

drop policy if exists insert_auth on app.refresh_tokens;
create policy insert_auth
    on app.refresh_tokens
    for insert
    to app_auth
    with check (true);
comment on policy insert_auth on app.refresh_tokens is
    'The functions of app_auth append links.';
