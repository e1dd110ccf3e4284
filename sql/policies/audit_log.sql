-- audit_log: owners and admins read their family's trail, but for what is private to somebody
-- else.
--
-- Only app_audit writes, through the trigger function tg_record_audit. Update, delete and truncate
-- are granted to nobody. The partitions are granted to nobody at all: the trail is reached through
-- here.
--
-- requires: 0006_audit current_user_id current_family_id current_member_role tg_refuse_change

revoke all on app.audit_log from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.audit_log to app_api, app_reader, app_ops;
grant insert (
    family_id, action_type, table_name, row_key, before, after,
    actor_id, actor_role, private_to, metadata
) on app.audit_log to app_audit;

drop policy if exists tenant_floor on app.audit_log;
create policy tenant_floor
    on app.audit_log
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.audit_log is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_admin on app.audit_log;
create policy select_admin
    on app.audit_log
    for select
    to app_api, app_reader
    using (
        family_id = app.current_family_id()
        and app.current_member_role() in ('owner', 'admin')
        and (private_to is null or private_to = app.current_user_id())
    );
comment on policy select_admin on app.audit_log is
    'Owners and admins, but for what is private to somebody else.';

drop policy if exists select_ops on app.audit_log;
create policy select_ops
    on app.audit_log
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.audit_log is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_audit on app.audit_log;
create policy insert_audit
    on app.audit_log
    for insert
    to app_audit
    with check (true);
comment on policy insert_audit on app.audit_log is
    'The trigger function appends.';

create or replace trigger _100_refuse_change
    before update or delete on app.audit_log
    for each row
    execute function app.tg_refuse_change('the audit trail is append-only');

create or replace trigger _100_refuse_truncate
    before truncate on app.audit_log
    for each statement
    execute function app.tg_refuse_change('the audit trail is append-only');

-- A partition inherits row triggers, and no statement trigger.
do $$
declare
    v_partition regclass;
begin
    for v_partition in
        select i.inhrelid from pg_catalog.pg_inherits as i
        where i.inhparent = 'app.audit_log'::regclass
    loop
        execute pg_catalog.format(
            'create or replace trigger _100_refuse_truncate before truncate on %s '
            'for each statement execute function app.tg_refuse_change(%L)',
            v_partition,
            'the audit trail is append-only'
        );
    end loop;
end
$$;
