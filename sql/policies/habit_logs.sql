-- habit_logs: those of one's own habits, and of those the family shares.
--
-- Only the owner writes them, whoever runs the family. What a log carries of its habit cannot be
-- updated: the foreign key moves the visibility. app_ops reads what policies compare, for
-- explain_access, and nothing of the content.
--
-- requires: 0013_habits current_user_id current_family_id tg_touch tg_refuse_change
-- requires: tg_set_entered_on tg_judge_habit_log tg_require_visible_parent tg_score_habit_log
-- requires: tg_record_audit

revoke all on app.habit_logs from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.habit_logs to app_api, app_reader;
grant delete on app.habit_logs to app_api;
grant insert (
    family_id, habit_id, logged_on, user_id, visibility, type, value, target_value, is_done, note
) on app.habit_logs to app_api;
grant update (value, is_done, note) on app.habit_logs to app_api;
grant select (family_id, habit_id, user_id, visibility) on app.habit_logs to app_ops;

drop policy if exists tenant_floor on app.habit_logs;
create policy tenant_floor
    on app.habit_logs
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.habit_logs is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_own_or_shared on app.habit_logs;
create policy select_own_or_shared
    on app.habit_logs
    for select
    to app_api, app_reader
    using (
        family_id = app.current_family_id()
        and (visibility = 'family' or user_id = app.current_user_id())
    );
comment on policy select_own_or_shared on app.habit_logs is
    'Their own, and what the family shares.';

drop policy if exists select_ops on app.habit_logs;
create policy select_ops
    on app.habit_logs
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.habit_logs is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own on app.habit_logs;
create policy insert_own
    on app.habit_logs
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy insert_own on app.habit_logs is
    'Only in their own name and in the family they act in.';

drop policy if exists update_own on app.habit_logs;
create policy update_own
    on app.habit_logs
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
comment on policy update_own on app.habit_logs is
    'Their own rows, which stay their own.';

drop policy if exists delete_own on app.habit_logs;
create policy delete_own
    on app.habit_logs
    for delete
    to app_api
    using (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy delete_own on app.habit_logs is
    'Their own.';

create or replace trigger _100_touch
    before update on app.habit_logs
    for each row
    execute function app.tg_touch();

create or replace trigger _110_refuse_truncate
    before truncate on app.habit_logs
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');

create or replace trigger _120_set_entered_on
    before insert or update of value, is_done, note on app.habit_logs
    for each row
    execute function app.tg_set_entered_on();

create or replace trigger _130_judge
    before insert or update of value, is_done, note on app.habit_logs
    for each row
    execute function app.tg_judge_habit_log();

create or replace trigger _150_require_visible_parent
    before insert on app.habit_logs
    for each row
    execute function app.tg_require_visible_parent('habits', 'habit_id');

create or replace trigger _500_score_insert
    after insert on app.habit_logs
    for each row
    when (NEW.is_done)
    execute function app.tg_score_habit_log();

create or replace trigger _510_score_update
    after update on app.habit_logs
    for each row
    when (OLD.is_done <> NEW.is_done)
    execute function app.tg_score_habit_log();

-- A log that is deleted was a mistake, and its points are reversed. One that goes in a cascade was
-- none, and they stay.
create or replace trigger _520_score_delete
    after delete on app.habit_logs
    for each row
    when (OLD.is_done and pg_catalog.pg_trigger_depth() = 0)
    execute function app.tg_score_habit_log();

create or replace trigger _900_audit
    after insert or update or delete on app.habit_logs
    for each row
    execute function app.tg_record_audit();
