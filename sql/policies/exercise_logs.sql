-- exercise_logs: one's own, whatever the role: health is nobody else's business.
--
-- family_id, user_id and exercise_id cannot be updated: a log is of what was done, by whom it was.
-- app_ops reads what policies compare, for explain_access, and nothing of the content.
--
-- requires: 0012_exercises current_user_id current_family_id tg_touch tg_refuse_change
-- requires: tg_set_entered_on tg_score_exercise_log tg_record_audit

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

create or replace trigger _100_touch
    before update on app.exercise_logs
    for each row
    execute function app.tg_touch();

create or replace trigger _110_refuse_truncate
    before truncate on app.exercise_logs
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');

create or replace trigger _120_set_entered_on
    before insert or update on app.exercise_logs
    for each row
    execute function app.tg_set_entered_on();

create or replace trigger _500_score_insert
    after insert on app.exercise_logs
    for each row
    execute function app.tg_score_exercise_log();

create or replace trigger _510_score_update
    after update on app.exercise_logs
    for each row
    when (OLD.performed_on <> NEW.performed_on)
    execute function app.tg_score_exercise_log();

-- A log that is deleted was a mistake, and its points are reversed. One that goes in a cascade was
-- none, and they stay.
create or replace trigger _520_score_delete
    after delete on app.exercise_logs
    for each row
    when (pg_catalog.pg_trigger_depth() = 0)
    execute function app.tg_score_exercise_log();

create or replace trigger _900_audit
    after insert or update or delete on app.exercise_logs
    for each row
    execute function app.tg_record_audit('private');
