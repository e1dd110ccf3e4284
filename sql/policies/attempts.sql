-- attempts: for count_attempt and forgive_attempts, and for nobody else.
--
-- No tenant floor: who is signing in stands in no family yet.
--
-- requires: 0010_attempts

revoke all on app.attempts from app_api, app_reader, app_auth, app_audit, app_ops;
grant select, delete on app.attempts to app_auth;
grant insert (attempt_type, subject_hash) on app.attempts to app_auth;

drop policy if exists select_auth on app.attempts;
create policy select_auth
    on app.attempts
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.attempts is
    'The functions of app_auth count.';

drop policy if exists insert_auth on app.attempts;
create policy insert_auth
    on app.attempts
    for insert
    to app_auth
    with check (true);
comment on policy insert_auth on app.attempts is
    'The functions of app_auth note attempts.';

drop policy if exists delete_auth on app.attempts;
create policy delete_auth
    on app.attempts
    for delete
    to app_auth
    using (true);
comment on policy delete_auth on app.attempts is
    'The functions of app_auth forget and forgive.';
