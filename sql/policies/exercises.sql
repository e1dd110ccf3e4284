-- exercises: the family's catalogue, for every member to see and to add to.
--
-- Whoever wrote an exercise into it changes, retires and restores it, and so does who runs the
-- family; once the writer is purged, only the latter. No login may delete it: others have logs of
-- it. family_id and user_id cannot be updated: an exercise does not change hands. app_ops reads
-- what policies compare, for explain_access, and nothing of the content, and purges what has been
-- retired.
--
-- requires: 0012_exercises current_user_id current_family_id current_member_role tg_touch
-- requires: tg_refuse_change tg_record_audit

revoke all on app.exercises from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.exercises to app_api, app_reader;
grant insert (family_id, user_id, name, description, points) on app.exercises to app_api;
grant update (name, description, points, deleted_at) on app.exercises to app_api;
grant select (family_id, id, points) on app.exercises to app_auth;
grant select (family_id, id, user_id, deleted_at, is_active), delete on app.exercises to app_ops;

drop policy if exists tenant_floor on app.exercises;
create policy tenant_floor
    on app.exercises
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.exercises is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_family on app.exercises;
create policy select_family
    on app.exercises
    for select
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy select_family on app.exercises is
    'Every member sees it.';

drop policy if exists select_auth on app.exercises;
create policy select_auth
    on app.exercises
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.exercises is
    'The trigger function of the ledger of points sees what doing it is worth.';

drop policy if exists select_ops on app.exercises;
create policy select_ops
    on app.exercises
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.exercises is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own on app.exercises;
create policy insert_own
    on app.exercises
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy insert_own on app.exercises is
    'Only in their own name and in the family they act in.';

drop policy if exists update_own_or_admin on app.exercises;
create policy update_own_or_admin
    on app.exercises
    for update
    to app_api
    using (
        family_id = app.current_family_id()
        and (
            user_id = app.current_user_id()
            or app.current_member_role() in ('owner', 'admin')
        )
    )
    with check (
        family_id = app.current_family_id()
        and (
            user_id = app.current_user_id()
            or app.current_member_role() in ('owner', 'admin')
        )
    );
comment on policy update_own_or_admin on app.exercises is
    'Their own; every one by who runs the family.';

drop policy if exists delete_ops on app.exercises;
create policy delete_ops
    on app.exercises
    for delete
    to app_ops
    using (not is_active);
comment on policy delete_ops on app.exercises is
    'Maintenance purges what was retired, and nothing else.';

create or replace trigger _100_touch
    before update on app.exercises
    for each row
    execute function app.tg_touch();

create or replace trigger _110_refuse_truncate
    before truncate on app.exercises
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');

create or replace trigger _900_audit
    after insert or update or delete on app.exercises
    for each row
    execute function app.tg_record_audit();
