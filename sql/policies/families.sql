-- families: its members see a family, owners and admins edit it.
--
-- A family is its own tenant, so the floor compares id. Families are made and retired by the
-- functions of app_auth; app_ops restores and purges, and only what has been retired.
--
-- requires: 0004_families current_family_id current_member_role tg_touch tg_refuse_change
-- requires: tg_record_audit

revoke all on app.families from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.families to app_api, app_reader, app_auth;
grant update (name, time_zone) on app.families to app_api;
grant insert (id, name, time_zone) on app.families to app_auth;
grant update (deleted_at) on app.families to app_auth, app_ops;
grant select (id, name, deleted_at, is_active), delete on app.families to app_ops;

drop policy if exists tenant_floor on app.families;
create policy tenant_floor
    on app.families
    as restrictive
    for all
    to app_api, app_reader
    using (id = app.current_family_id());
comment on policy tenant_floor on app.families is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_family on app.families;
create policy select_family
    on app.families
    for select
    to app_api, app_reader
    using (id = app.current_family_id());
comment on policy select_family on app.families is
    'Every member sees it.';

drop policy if exists select_auth on app.families;
create policy select_auth
    on app.families
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.families is
    'The functions of app_auth look across families.';

drop policy if exists select_ops on app.families;
create policy select_ops
    on app.families
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.families is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_auth on app.families;
create policy insert_auth
    on app.families
    for insert
    to app_auth
    with check (is_active);
comment on policy insert_auth on app.families is
    'The functions of app_auth make the rows.';

drop policy if exists update_admin on app.families;
create policy update_admin
    on app.families
    for update
    to app_api
    using (
        id = app.current_family_id()
        and app.current_member_role() in ('owner', 'admin')
    )
    with check (
        id = app.current_family_id()
        and app.current_member_role() in ('owner', 'admin')
    );
comment on policy update_admin on app.families is
    'Owners and admins.';

drop policy if exists update_auth on app.families;
create policy update_auth
    on app.families
    for update
    to app_auth
    using (is_active)
    with check (not is_active);
comment on policy update_auth on app.families is
    'The functions of app_auth retire what is still active.';

drop policy if exists update_ops on app.families;
create policy update_ops
    on app.families
    for update
    to app_ops
    using (not is_active)
    with check (is_active);
comment on policy update_ops on app.families is
    'Maintenance restores what was retired.';

drop policy if exists delete_ops on app.families;
create policy delete_ops
    on app.families
    for delete
    to app_ops
    using (not is_active);
comment on policy delete_ops on app.families is
    'Maintenance purges what was retired, and nothing else.';

create or replace trigger _100_touch
    before update on app.families
    for each row
    execute function app.tg_touch();

create or replace trigger _110_refuse_truncate
    before truncate on app.families
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');

create or replace trigger _900_audit
    after insert or update or delete on app.families
    for each row
    execute function app.tg_record_audit();
