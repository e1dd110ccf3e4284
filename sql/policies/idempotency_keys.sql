-- idempotency_keys: one's own, in the family they were given in.
--
-- Keys are never changed. delete_expired_idempotency_keys deletes them, a day later, and nobody
-- else.
--
-- requires: 0009_idempotency_keys current_user_id current_family_id tg_refuse_change tg_keep_quota

revoke all on app.idempotency_keys from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.idempotency_keys to app_api;
grant insert (
    family_id, user_id, idempotency_key, request_hash, status, body, etag_version
) on app.idempotency_keys to app_api;
grant select (family_id, user_id, idempotency_key, created_at), delete
    on app.idempotency_keys to app_auth;
grant select (family_id, user_id, idempotency_key) on app.idempotency_keys to app_ops;

drop policy if exists tenant_floor on app.idempotency_keys;
create policy tenant_floor
    on app.idempotency_keys
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.idempotency_keys is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_own on app.idempotency_keys;
create policy select_own
    on app.idempotency_keys
    for select
    to app_api
    using (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy select_own on app.idempotency_keys is
    'Their own responses.';

drop policy if exists select_auth on app.idempotency_keys;
create policy select_auth
    on app.idempotency_keys
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.idempotency_keys is
    'The functions of app_auth find what is old.';

drop policy if exists select_ops on app.idempotency_keys;
create policy select_ops
    on app.idempotency_keys
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.idempotency_keys is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own on app.idempotency_keys;
create policy insert_own
    on app.idempotency_keys
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy insert_own on app.idempotency_keys is
    'Only in their own name and in the family they act in.';

drop policy if exists delete_auth on app.idempotency_keys;
create policy delete_auth
    on app.idempotency_keys
    for delete
    to app_auth
    using (true);
comment on policy delete_auth on app.idempotency_keys is
    'The functions of app_auth forget what is old.';

create or replace trigger _100_refuse_change
    before update on app.idempotency_keys
    for each row
    execute function app.tg_refuse_change('a response was given and stays what it was');

create or replace trigger _110_keep_quota
    before insert on app.idempotency_keys
    for each row
    when (octet_length(NEW.body) > 8192)
    execute function app.tg_keep_quota();
