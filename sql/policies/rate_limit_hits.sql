-- attempts: for hit_rate_limit and reset_rate_limit, and for nobody else.
--
-- No tenant floor: who is signing in stands in no family yet.
--
-- requires: 0010_rate_limits tg_refuse_change

revoke all on app.rate_limit_hits from app_api, app_reader, app_auth, app_audit, app_ops;
grant select, delete on app.rate_limit_hits to app_auth;
grant insert (rate_limit, subject_hash) on app.rate_limit_hits to app_auth;

drop policy if exists select_auth on app.rate_limit_hits;
create policy select_auth
    on app.rate_limit_hits
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.rate_limit_hits is
    'The functions of app_auth count.';

drop policy if exists insert_auth on app.rate_limit_hits;
create policy insert_auth
    on app.rate_limit_hits
    for insert
    to app_auth
    with check (true);
comment on policy insert_auth on app.rate_limit_hits is
    'The functions of app_auth note attempts.';

drop policy if exists delete_auth on app.rate_limit_hits;
create policy delete_auth
    on app.rate_limit_hits
    for delete
    to app_auth
    using (true);
comment on policy delete_auth on app.rate_limit_hits is
    'The functions of app_auth forget and forgive.';

create or replace trigger _100_refuse_change
    before update on app.rate_limit_hits
    for each row
    execute function app.tg_refuse_change('an attempt was made or was not');
