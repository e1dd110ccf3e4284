-- habits: one's own, and those the family shares.
--
-- A habit is its owner's: others look on. Who runs the family may also retire and restore a shared
-- one, which is an update of deleted_at; that they change nothing else is the trigger's business
-- (_200_refuse_others). family_id, user_id and type cannot be updated: a habit changes neither
-- hands nor its nature. retired_days is the database's to write. Nobody who signs in deletes one.
-- app_ops reads what policies compare, for explain_access, and nothing of the content, and purges
-- what has been retired.
--
-- requires: 0013_habits current_user_id current_family_id current_member_role tg_touch
-- requires: tg_refuse_change tg_add_retired_days
-- requires: tg_record_audit

revoke all on app.habits from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.habits to app_api, app_reader;
grant insert (
    family_id, user_id, name, description, type, target_value, unit, weekdays, times_per_week,
    points, visibility
) on app.habits to app_api;
grant update (
    name, description, target_value, unit, weekdays, times_per_week, points, visibility, deleted_at
) on app.habits to app_api;
grant select (family_id, id, points) on app.habits to app_auth;
grant select (family_id, id, user_id, visibility, deleted_at, is_active), delete
    on app.habits to app_ops;

drop policy if exists tenant_floor on app.habits;
create policy tenant_floor
    on app.habits
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.habits is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_own_or_shared on app.habits;
create policy select_own_or_shared
    on app.habits
    for select
    to app_api, app_reader
    using (
        family_id = app.current_family_id()
        and (visibility = 'family' or user_id = app.current_user_id())
    );
comment on policy select_own_or_shared on app.habits is
    'Their own, and what the family shares.';

drop policy if exists select_auth on app.habits;
create policy select_auth
    on app.habits
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.habits is
    'The trigger function of the ledger of points sees what doing it is worth.';

drop policy if exists select_ops on app.habits;
create policy select_ops
    on app.habits
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.habits is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own on app.habits;
create policy insert_own
    on app.habits
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy insert_own on app.habits is
    'Only in their own name and in the family they act in.';

drop policy if exists update_own_or_admin on app.habits;
create policy update_own_or_admin
    on app.habits
    for update
    to app_api
    using (
        family_id = app.current_family_id()
        and (
            user_id = app.current_user_id()
            or (visibility = 'family' and app.current_member_role() in ('owner', 'admin'))
        )
    )
    with check (
        family_id = app.current_family_id()
        and (
            user_id = app.current_user_id()
            or (visibility = 'family' and app.current_member_role() in ('owner', 'admin'))
        )
    );
comment on policy update_own_or_admin on app.habits is
    'Their own; what the family shares also by who runs the family.';

drop policy if exists delete_ops on app.habits;
create policy delete_ops
    on app.habits
    for delete
    to app_ops
    using (not is_active);
comment on policy delete_ops on app.habits is
    'Maintenance purges what was retired, and nothing else.';

create or replace trigger _100_touch
    before update on app.habits
    for each row
    execute function app.tg_touch();

create or replace trigger _110_refuse_truncate
    before truncate on app.habits
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');

create or replace trigger _120_add_retired_days
    before update on app.habits
    for each row
    when (OLD.deleted_at is not null and NEW.deleted_at is null)
    execute function app.tg_add_retired_days();

-- Whoever runs the family retires and restores a shared habit. A policy cannot see which columns
-- change; a trigger can.
create or replace trigger _200_refuse_others
    before update of
        name, description, target_value, unit, weekdays, times_per_week, points, visibility
    on app.habits
    for each row
    when (OLD.user_id <> app.current_user_id())
    execute function app.tg_refuse_change('a habit is changed by its owner');

create or replace trigger _900_audit
    after insert or update or delete on app.habits
    for each row
    execute function app.tg_record_audit();
