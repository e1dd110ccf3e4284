-- conversations: one's own, whatever the role: not even the family's owner reads along.
--
-- family_id and user_id cannot be updated: a conversation does not change hands. app_ops reads what
-- policies compare, for explain_access, and nothing of the content.
--
-- requires: 0008_conversations current_user_id current_family_id tg_touch tg_refuse_change
-- requires: tg_record_audit

revoke all on app.conversations from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.conversations to app_api, app_reader;
grant delete on app.conversations to app_api;
grant insert (family_id, user_id, title) on app.conversations to app_api;
grant update (title) on app.conversations to app_api;
grant select (family_id, id, user_id) on app.conversations to app_ops;

drop policy if exists tenant_floor on app.conversations;
create policy tenant_floor
    on app.conversations
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.conversations is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_own on app.conversations;
create policy select_own
    on app.conversations
    for select
    to app_api, app_reader
    using (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy select_own on app.conversations is
    'Their own rows.';

drop policy if exists select_ops on app.conversations;
create policy select_ops
    on app.conversations
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.conversations is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own on app.conversations;
create policy insert_own
    on app.conversations
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy insert_own on app.conversations is
    'Only in their own name and in the family they act in.';

drop policy if exists update_own on app.conversations;
create policy update_own
    on app.conversations
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
comment on policy update_own on app.conversations is
    'Their own rows, which stay their own.';

drop policy if exists delete_own on app.conversations;
create policy delete_own
    on app.conversations
    for delete
    to app_api
    using (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy delete_own on app.conversations is
    'Their own.';

create or replace trigger _100_touch
    before update on app.conversations
    for each row
    execute function app.tg_touch();

create or replace trigger _110_refuse_truncate
    before truncate on app.conversations
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');

create or replace trigger _900_audit
    after insert or update or delete on app.conversations
    for each row
    execute function app.tg_record_audit('private');
