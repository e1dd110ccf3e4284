-- kept_answers: one's own, in the family they were given in.
--
-- Answers are never changed. They are deleted by forget_answers, a day later, and by nobody else.
--
-- requires: 0009_kept_answers current_user_id current_family_id

revoke all on app.kept_answers from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.kept_answers to app_api;
grant insert (
    family_id, user_id, idempotency_key, request_hash, status, body, etag_version
) on app.kept_answers to app_api;
grant select (family_id, user_id, idempotency_key, created_at), delete
    on app.kept_answers to app_auth;
grant select (family_id, user_id, idempotency_key) on app.kept_answers to app_ops;

drop policy if exists tenant_floor on app.kept_answers;
create policy tenant_floor
    on app.kept_answers
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.kept_answers is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_own on app.kept_answers;
create policy select_own
    on app.kept_answers
    for select
    to app_api
    using (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy select_own on app.kept_answers is
    'Their own answers.';

drop policy if exists select_auth on app.kept_answers;
create policy select_auth
    on app.kept_answers
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.kept_answers is
    'The functions of app_auth find what is old.';

drop policy if exists select_ops on app.kept_answers;
create policy select_ops
    on app.kept_answers
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.kept_answers is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own on app.kept_answers;
create policy insert_own
    on app.kept_answers
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy insert_own on app.kept_answers is
    'Only in their own name and in the family they act in.';

drop policy if exists delete_auth on app.kept_answers;
create policy delete_auth
    on app.kept_answers
    for delete
    to app_auth
    using (true);
comment on policy delete_auth on app.kept_answers is
    'The functions of app_auth forget what is old.';
