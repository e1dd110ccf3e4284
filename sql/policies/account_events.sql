-- account_events: written by the functions of app_auth, restore_account and purge_accounts, read by
-- app_ops.
--
-- Update, delete and truncate are granted to nobody.
--
-- requires: 0006_audit tg_refuse_change

revoke all on app.account_events from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.account_events to app_ops;
grant insert (user_id, event_type, metadata) on app.account_events to app_auth, app_ops;

drop policy if exists select_ops on app.account_events;
create policy select_ops
    on app.account_events
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.account_events is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_auth on app.account_events;
create policy insert_auth
    on app.account_events
    for insert
    to app_auth
    with check (true);
comment on policy insert_auth on app.account_events is
    'The functions of app_auth append.';

drop policy if exists insert_ops on app.account_events;
create policy insert_ops
    on app.account_events
    for insert
    to app_ops
    with check (event_type in ('account_restored', 'account_purged'));
comment on policy insert_ops on app.account_events is
    'Only the record of a restore or a purge.';

create or replace trigger _100_refuse_change
    before update or delete on app.account_events
    for each row
    execute function app.tg_refuse_change('account events are append-only');

create or replace trigger _100_refuse_truncate
    before truncate on app.account_events
    for each statement
    execute function app.tg_refuse_change('account events are append-only');
