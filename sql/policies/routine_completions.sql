-- routine_completions: one's own, and everybody's of the routines that the family shares.
--
-- Each marks done what they have done themselves, of their own routines and of shared ones, and
-- takes only that back. Marked again, a day is done in the version that the routine has by now:
-- nothing else can be updated. app_ops reads what policies compare, for explain_access.
--
-- requires: 0014_routines current_user_id current_family_id tg_touch tg_refuse_change
-- requires: tg_set_entered_on tg_score_routine_completion tg_record_audit

revoke all on app.routine_completions from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.routine_completions to app_api, app_reader;
grant delete on app.routine_completions to app_api;
grant insert (family_id, routine_id, user_id, completed_on, owner_id, visibility, version)
    on app.routine_completions to app_api;
grant update (version) on app.routine_completions to app_api;
grant select (family_id, routine_id, user_id, completed_on, owner_id, visibility)
    on app.routine_completions to app_ops;

drop policy if exists tenant_floor on app.routine_completions;
create policy tenant_floor
    on app.routine_completions
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.routine_completions is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_own_or_shared on app.routine_completions;
create policy select_own_or_shared
    on app.routine_completions
    for select
    to app_api, app_reader
    using (
        family_id = app.current_family_id()
        and (visibility = 'family' or user_id = app.current_user_id())
    );
comment on policy select_own_or_shared on app.routine_completions is
    'Their own, and what the family shares.';

drop policy if exists select_ops on app.routine_completions;
create policy select_ops
    on app.routine_completions
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.routine_completions is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own_or_shared on app.routine_completions;
create policy insert_own_or_shared
    on app.routine_completions
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
        and (visibility = 'family' or owner_id = app.current_user_id())
    );
comment on policy insert_own_or_shared on app.routine_completions is
    'Only in their own name: of their own routines, and of those the family shares.';

drop policy if exists update_own on app.routine_completions;
create policy update_own
    on app.routine_completions
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
comment on policy update_own on app.routine_completions is
    'Their own rows, which stay their own.';

drop policy if exists delete_own on app.routine_completions;
create policy delete_own
    on app.routine_completions
    for delete
    to app_api
    using (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy delete_own on app.routine_completions is
    'Their own.';

create or replace trigger _100_touch
    before update on app.routine_completions
    for each row
    execute function app.tg_touch();

create or replace trigger _110_refuse_truncate
    before truncate on app.routine_completions
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');

create or replace trigger _120_set_entered_on
    before insert or update of version on app.routine_completions
    for each row
    execute function app.tg_set_entered_on();

create or replace trigger _500_score_insert
    after insert on app.routine_completions
    for each row
    execute function app.tg_score_routine_completion();

-- A completion that is deleted was a mistake, and its points are reversed. One that goes in a
-- cascade was none, and they stay.
create or replace trigger _520_score_delete
    after delete on app.routine_completions
    for each row
    when (pg_catalog.pg_trigger_depth() = 0)
    execute function app.tg_score_routine_completion();

create or replace trigger _900_audit
    after insert or update or delete on app.routine_completions
    for each row
    execute function app.tg_record_audit();
