-- routines: one's own, and those the family shares.
--
-- A shared routine is everybody's to see and to do (routine_completions), but what it consists of
-- and what it is worth is said by its owner or by who runs the family. The same retire and restore
-- it, by deleted_at, so delete is not granted. To make it private again is its owner's alone, for
-- to the others it would be gone. family_id and user_id cannot be updated: a routine does not
-- change hands. app_ops reads what policies compare, for explain_access, and nothing of the
-- content, and purges what has been retired.
--
-- requires: 0014_routines current_user_id current_family_id current_member_role tg_touch
-- requires: tg_refuse_change
-- requires: tg_record_audit

revoke all on app.routines from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.routines to app_api, app_reader;
grant insert (family_id, user_id, name, description, visibility, points)
    on app.routines to app_api;
grant update (name, description, visibility, points, version, deleted_at)
    on app.routines to app_api;
grant select (family_id, id, points) on app.routines to app_auth;
grant select (family_id, id, user_id, visibility, deleted_at, is_active), delete
    on app.routines to app_ops;

drop policy if exists tenant_floor on app.routines;
create policy tenant_floor
    on app.routines
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.routines is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_own_or_shared on app.routines;
create policy select_own_or_shared
    on app.routines
    for select
    to app_api, app_reader
    using (
        family_id = app.current_family_id()
        and (visibility = 'family' or user_id = app.current_user_id())
    );
comment on policy select_own_or_shared on app.routines is
    'Their own, and what the family shares.';

drop policy if exists select_auth on app.routines;
create policy select_auth
    on app.routines
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.routines is
    'The trigger function of the ledger of points sees what doing it is worth.';

drop policy if exists select_ops on app.routines;
create policy select_ops
    on app.routines
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.routines is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own on app.routines;
create policy insert_own
    on app.routines
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy insert_own on app.routines is
    'Only in their own name and in the family they act in.';

drop policy if exists update_own_or_admin on app.routines;
create policy update_own_or_admin
    on app.routines
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
comment on policy update_own_or_admin on app.routines is
    'Their own; what the family shares also by who runs the family, and it stays shared.';

drop policy if exists delete_ops on app.routines;
create policy delete_ops
    on app.routines
    for delete
    to app_ops
    using (not is_active);
comment on policy delete_ops on app.routines is
    'Maintenance purges what was retired, and nothing else.';

create or replace trigger _100_touch
    before update on app.routines
    for each row
    execute function app.tg_touch();

create or replace trigger _110_refuse_truncate
    before truncate on app.routines
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');

create or replace trigger _900_audit
    after insert or update or delete on app.routines
    for each row
    execute function app.tg_record_audit();
