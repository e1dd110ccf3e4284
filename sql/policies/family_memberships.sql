-- family_memberships: members see one another; who may change whom depends on the role.
--
-- Members are not deleted but retired by deleted_at, which is an update, and so is the way back.
-- app_ops restores and purges, and only what has been retired.
-- Rows are made by the functions of app_auth. That a family keeps an owner, and that nobody comes
-- back whose account is retired, the triggers decide
-- (tg_keep_an_owner, tg_require_active_user).
--
-- requires: 0004_families current_user_id current_family_id current_member_role tg_touch
-- requires: tg_refuse_change
-- requires: tg_keep_an_owner tg_require_active_user tg_record_audit

revoke all on app.family_memberships from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.family_memberships to app_api, app_reader, app_auth;
grant update (role, display_name, deleted_at) on app.family_memberships to app_api;
grant insert (family_id, user_id, role, display_name) on app.family_memberships to app_auth;
grant update (role, deleted_at) on app.family_memberships to app_auth;
grant update (deleted_at) on app.family_memberships to app_ops;
grant select (family_id, user_id, role, deleted_at, is_active), delete
    on app.family_memberships to app_ops;

drop policy if exists tenant_floor on app.family_memberships;
create policy tenant_floor
    on app.family_memberships
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.family_memberships is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_family on app.family_memberships;
create policy select_family
    on app.family_memberships
    for select
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy select_family on app.family_memberships is
    'Every member sees it.';

drop policy if exists select_auth on app.family_memberships;
create policy select_auth
    on app.family_memberships
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.family_memberships is
    'The functions of app_auth look across families.';

drop policy if exists select_ops on app.family_memberships;
create policy select_ops
    on app.family_memberships
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.family_memberships is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_auth on app.family_memberships;
create policy insert_auth
    on app.family_memberships
    for insert
    to app_auth
    with check (is_active);
comment on policy insert_auth on app.family_memberships is
    'The functions of app_auth make the rows.';

-- Owners change everybody, admins all but owners, members themselves. No admin makes an owner, and
-- no member changes their own role: it has to stay the one they act in. Who has left or was removed
-- is taken back in by the same people and not by themselves: one's own row is one's own to change
-- while it is active, and who was an owner or admin acts as none any more (assert_membership).
drop policy if exists update_own_or_admin on app.family_memberships;
create policy update_own_or_admin
    on app.family_memberships
    for update
    to app_api
    using (
        family_id = app.current_family_id()
        and (
            (user_id = app.current_user_id() and is_active)
            or app.current_member_role() = 'owner'
            or (app.current_member_role() = 'admin' and role <> 'owner')
        )
    )
    with check (
        family_id = app.current_family_id()
        and (
            (user_id = app.current_user_id() and role = app.current_member_role())
            or app.current_member_role() = 'owner'
            or (app.current_member_role() = 'admin' and role <> 'owner')
        )
    );
comment on policy update_own_or_admin on app.family_memberships is
    'Owners change every member, admins all but owners, members themselves while they are active.';

-- accept_invitation takes the user of the context back in, and nobody else.
drop policy if exists update_auth on app.family_memberships;
create policy update_auth
    on app.family_memberships
    for update
    to app_auth
    using (is_active or user_id = app.current_user_id())
    with check (not is_active or user_id = app.current_user_id());
comment on policy update_auth on app.family_memberships is
    'The functions of app_auth retire what is still active, and take back in who asks for it.';

drop policy if exists update_ops on app.family_memberships;
create policy update_ops
    on app.family_memberships
    for update
    to app_ops
    using (not is_active)
    with check (is_active);
comment on policy update_ops on app.family_memberships is
    'Maintenance restores what was retired.';

drop policy if exists delete_ops on app.family_memberships;
create policy delete_ops
    on app.family_memberships
    for delete
    to app_ops
    using (not is_active);
comment on policy delete_ops on app.family_memberships is
    'Maintenance purges what was retired, and nothing else.';

create or replace trigger _100_touch
    before update on app.family_memberships
    for each row
    execute function app.tg_touch();

create or replace trigger _110_refuse_truncate
    before truncate on app.family_memberships
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');

create or replace trigger _200_keep_an_owner
    before update on app.family_memberships
    for each row
    execute function app.tg_keep_an_owner();

create or replace trigger _210_require_active_user
    before update on app.family_memberships
    for each row
    when (OLD.deleted_at is not null and NEW.deleted_at is null)
    execute function app.tg_require_active_user();

create or replace trigger _900_audit
    after insert or update or delete on app.family_memberships
    for each row
    execute function app.tg_record_audit();
