-- score_entries: the family sees everybody's points; an entry says how many, not what was done.
--
-- Only app_auth writes, through record_score. Neither update nor delete is granted to
-- anybody: entries are append-only and go with their member. app_ops reads what policies compare,
-- for explain_access.
--
-- requires: 0015_scores current_family_id tg_refuse_change tg_record_audit

revoke all on app.score_entries from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.score_entries to app_api, app_reader, app_auth;
grant insert (family_id, user_id, kind, source_id, scored_on, sequence, points)
    on app.score_entries to app_auth;
grant select (family_id, id, user_id) on app.score_entries to app_ops;

drop policy if exists tenant_floor on app.score_entries;
create policy tenant_floor
    on app.score_entries
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.score_entries is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_family on app.score_entries;
create policy select_family
    on app.score_entries
    for select
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy select_family on app.score_entries is
    'Every member sees it.';

drop policy if exists select_auth on app.score_entries;
create policy select_auth
    on app.score_entries
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.score_entries is
    'record_score finds what was awarded.';

drop policy if exists select_ops on app.score_entries;
create policy select_ops
    on app.score_entries
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.score_entries is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_auth on app.score_entries;
create policy insert_auth
    on app.score_entries
    for insert
    to app_auth
    with check (true);
comment on policy insert_auth on app.score_entries is
    'record_score appends.';

create or replace trigger _100_refuse_change
    before update on app.score_entries
    for each row
    execute function app.tg_refuse_change('the ledger of points is append-only');

-- The cascade from family_memberships passes.
create or replace trigger _110_refuse_delete
    before delete on app.score_entries
    for each row
    when (pg_catalog.pg_trigger_depth() = 0)
    execute function app.tg_refuse_change('points go only with their member');

create or replace trigger _120_refuse_truncate
    before truncate on app.score_entries
    for each statement
    execute function app.tg_refuse_change('the ledger of points is append-only');

create or replace trigger _900_audit
    after insert or delete on app.score_entries
    for each row
    execute function app.tg_record_audit();
