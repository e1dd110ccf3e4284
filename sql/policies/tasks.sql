-- tasks: one's own, and those the family shares.
--
-- Whoever sees a shared task may work on it: anybody takes out the rubbish. To make it private
-- again is its owner's alone, for to the others it would be gone. family_id and user_id cannot be
-- updated: a task does not change hands. app_ops reads what policies compare, for explain_access,
-- and nothing of the content.
--
-- requires: 0015_scores current_user_id current_family_id current_member_role tg_touch
-- requires: tg_refuse_change tg_refuse_worth tg_refuse_taking_back tg_score_task tg_record_audit

revoke all on app.tasks from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.tasks to app_api, app_reader;
grant delete on app.tasks to app_api;
grant insert (family_id, user_id, title, description, due_on, visibility, points, completed_at)
    on app.tasks to app_api;
grant update (title, description, due_on, visibility, points, completed_at) on app.tasks to app_api;
grant select (family_id, id, user_id, visibility) on app.tasks to app_ops;

drop policy if exists tenant_floor on app.tasks;
create policy tenant_floor
    on app.tasks
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.tasks is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_own_or_shared on app.tasks;
create policy select_own_or_shared
    on app.tasks
    for select
    to app_api, app_reader
    using (
        family_id = app.current_family_id()
        and (visibility = 'family' or user_id = app.current_user_id())
    );
comment on policy select_own_or_shared on app.tasks is
    'Their own, and what the family shares.';

drop policy if exists select_ops on app.tasks;
create policy select_ops
    on app.tasks
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.tasks is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own on app.tasks;
create policy insert_own
    on app.tasks
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy insert_own on app.tasks is
    'Only in their own name and in the family they act in.';

drop policy if exists update_own_or_shared on app.tasks;
create policy update_own_or_shared
    on app.tasks
    for update
    to app_api
    using (
        family_id = app.current_family_id()
        and (visibility = 'family' or user_id = app.current_user_id())
    )
    with check (
        family_id = app.current_family_id()
        and (visibility = 'family' or user_id = app.current_user_id())
    );
comment on policy update_own_or_shared on app.tasks is
    'Their own and what the family shares; only the owner makes it private again.';

-- Shared tasks are deleted by their owner, or by who runs the family.
drop policy if exists delete_own_or_admin on app.tasks;
create policy delete_own_or_admin
    on app.tasks
    for delete
    to app_api
    using (
        family_id = app.current_family_id()
        and (
            user_id = app.current_user_id()
            or (visibility = 'family' and app.current_member_role() in ('owner', 'admin'))
        )
    );
comment on policy delete_own_or_admin on app.tasks is
    'Their own; what the family shares also by who runs the family.';

create or replace trigger _100_touch
    before update on app.tasks
    for each row
    execute function app.tg_touch();

create or replace trigger _110_refuse_truncate
    before truncate on app.tasks
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');

-- A policy cannot see which columns change; a trigger can.
create or replace trigger _200_refuse_worth
    before update on app.tasks
    for each row
    when (OLD.points <> NEW.points)
    execute function app.tg_refuse_worth();

create or replace trigger _210_refuse_taking_back
    before update on app.tasks
    for each row
    when (OLD.completed_at is not null and NEW.completed_at is null)
    execute function app.tg_refuse_taking_back();

-- A task that is deleted was done all the same: its points stay.
create or replace trigger _500_score_insert
    after insert on app.tasks
    for each row
    when (NEW.is_completed)
    execute function app.tg_score_task();

create or replace trigger _510_score_update
    after update on app.tasks
    for each row
    when (OLD.is_completed <> NEW.is_completed)
    execute function app.tg_score_task();

create or replace trigger _900_audit
    after insert or update or delete on app.tasks
    for each row
    execute function app.tg_record_audit();
