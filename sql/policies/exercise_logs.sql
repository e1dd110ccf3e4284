-- exercise_logs: one's own, whatever the role: health is nobody else's business.
--
-- family_id, user_id and exercise_id cannot be updated: a log is of what was done, by whom it was.
-- app_ops reads what policies compare, for explain_access, and nothing of the content.
--
-- requires: 0012_exercises current_user_id current_family_id

revoke all on app.exercise_logs from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.exercise_logs to app_api, app_reader;
grant delete on app.exercise_logs to app_api;
grant insert (
    family_id, user_id, exercise_id, performed_on, sets, reps, weight_kg, duration_s, distance_m,
    note
) on app.exercise_logs to app_api;
grant update (performed_on, sets, reps, weight_kg, duration_s, distance_m, note)
    on app.exercise_logs to app_api;
grant select (family_id, id, user_id) on app.exercise_logs to app_ops;

drop policy if exists tenant_floor on app.exercise_logs;
create policy tenant_floor
    on app.exercise_logs
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.exercise_logs is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_own on app.exercise_logs;
create policy select_own
    on app.exercise_logs
    for select
    to app_api, app_reader
    using (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy select_own on app.exercise_logs is
    'Their own rows.';

drop policy if exists select_ops on app.exercise_logs;
create policy select_ops
    on app.exercise_logs
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.exercise_logs is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own on app.exercise_logs;
create policy insert_own
    on app.exercise_logs
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy insert_own on app.exercise_logs is
    'Only in their own name and in the family they act in.';

drop policy if exists update_own on app.exercise_logs;
create policy update_own
    on app.exercise_logs
    for update
    to app_api
    using (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    )
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy update_own on app.exercise_logs is
    'Their own rows, which stay their own.';

drop policy if exists delete_own on app.exercise_logs;
create policy delete_own
    on app.exercise_logs
    for delete
    to app_api
    using (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy delete_own on app.exercise_logs is
    'Their own.';
