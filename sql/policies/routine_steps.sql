-- routine_steps: those of the versions that one sees; made by who may change the routine.
--
-- What a step may name, and that it comes with a version that its writer sees, the trigger decides
-- (tg_check_step).
-- Neither update nor delete is granted to anybody: steps are immutable and go with their routine.
-- app_ops reads what policies compare, for explain_access, and nothing of the content.
--
-- requires: 0014_routines current_user_id current_family_id current_member_role tg_refuse_change
-- requires: tg_check_step tg_record_audit

revoke all on app.routine_steps from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.routine_steps to app_api, app_reader;
grant insert (
    family_id, routine_id, version, position, user_id, visibility, title, minutes, habit_id,
    exercise_id
)
    on app.routine_steps to app_api;
grant select (family_id, routine_id, version, position, user_id, visibility)
    on app.routine_steps to app_ops;

drop policy if exists tenant_floor on app.routine_steps;
create policy tenant_floor
    on app.routine_steps
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.routine_steps is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_own_or_shared on app.routine_steps;
create policy select_own_or_shared
    on app.routine_steps
    for select
    to app_api, app_reader
    using (
        family_id = app.current_family_id()
        and (visibility = 'family' or user_id = app.current_user_id())
    );
comment on policy select_own_or_shared on app.routine_steps is
    'Their own, and what the family shares.';

drop policy if exists select_ops on app.routine_steps;
create policy select_ops
    on app.routine_steps
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.routine_steps is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own_or_admin on app.routine_steps;
create policy insert_own_or_admin
    on app.routine_steps
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and (
            user_id = app.current_user_id()
            or (visibility = 'family' and app.current_member_role() in ('owner', 'admin'))
        )
    );
comment on policy insert_own_or_admin on app.routine_steps is
    'Of their own routines; of shared ones also by who runs the family.';

-- The cascades pass: visibility follows the routine, and what was purged is named no more.
create or replace trigger _100_refuse_change
    before update on app.routine_steps
    for each row
    when (pg_catalog.pg_trigger_depth() = 0)
    execute function app.tg_refuse_change('steps are immutable');

create or replace trigger _110_refuse_delete
    before delete on app.routine_steps
    for each row
    when (pg_catalog.pg_trigger_depth() = 0)
    execute function app.tg_refuse_change('a step goes only with its routine');

create or replace trigger _120_refuse_truncate
    before truncate on app.routine_steps
    for each statement
    execute function app.tg_refuse_change('steps are immutable');

create or replace trigger _200_check_step
    before insert on app.routine_steps
    for each row
    execute function app.tg_check_step();

create or replace trigger _900_audit
    after insert or delete on app.routine_steps
    for each row
    execute function app.tg_record_audit();
