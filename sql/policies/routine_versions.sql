-- routine_versions: one's own, and of shared routines what was saved while they were shared; made
-- by who may change the routine.
--
-- user_id is the routine's owner, who need not be the author; the author is who acts. Neither
-- update nor delete is granted to anybody: versions are immutable and go with their routine.
-- app_ops reads what policies compare, for explain_access.
--
-- requires: 0014_routines current_user_id current_family_id current_member_role tg_refuse_change
-- requires: tg_require_visible_parent tg_record_audit

revoke all on app.routine_versions from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.routine_versions to app_api, app_reader;
grant insert (
    family_id, routine_id, version, user_id, routine_visibility, saved_visibility, author_id,
    restored_version
)
    on app.routine_versions to app_api;
grant select (
    family_id, routine_id, version, user_id, routine_visibility, saved_visibility, visibility,
    author_id
)
    on app.routine_versions to app_ops;

drop policy if exists tenant_floor on app.routine_versions;
create policy tenant_floor
    on app.routine_versions
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.routine_versions is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_own_or_shared on app.routine_versions;
create policy select_own_or_shared
    on app.routine_versions
    for select
    to app_api, app_reader
    using (
        family_id = app.current_family_id()
        and (visibility = 'family' or user_id = app.current_user_id())
    );
comment on policy select_own_or_shared on app.routine_versions is
    'Their own, and what the family shares.';

drop policy if exists select_ops on app.routine_versions;
create policy select_ops
    on app.routine_versions
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.routine_versions is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own_or_admin on app.routine_versions;
create policy insert_own_or_admin
    on app.routine_versions
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and author_id = app.current_user_id()
        and saved_visibility = routine_visibility
        and (
            user_id = app.current_user_id()
            or (visibility = 'family' and app.current_member_role() in ('owner', 'admin'))
        )
    );
comment on policy insert_own_or_admin on app.routine_versions is
    'In their own name, as visible as the routine: of their own, or shared and run by them.';

-- The cascades pass: visibility follows the routine, and a purged author is named no more.
create or replace trigger _100_refuse_change
    before update on app.routine_versions
    for each row
    when (pg_catalog.pg_trigger_depth() = 0)
    execute function app.tg_refuse_change('versions are immutable');

create or replace trigger _110_refuse_delete
    before delete on app.routine_versions
    for each row
    when (pg_catalog.pg_trigger_depth() = 0)
    execute function app.tg_refuse_change('a version goes only with its routine');

create or replace trigger _120_refuse_truncate
    before truncate on app.routine_versions
    for each statement
    execute function app.tg_refuse_change('versions are immutable');

create or replace trigger _150_require_visible_parent
    before insert on app.routine_versions
    for each row
    execute function app.tg_require_visible_parent('routines', 'routine_id');

create or replace trigger _900_audit
    after insert or delete on app.routine_versions
    for each row
    execute function app.tg_record_audit();
