-- messages: those of one's own conversations.
--
-- Neither update nor delete is granted to anybody: messages are immutable and go with their
-- conversation. app_ops reads what policies compare, for explain_access, and nothing of the
-- content.
--
-- requires: 0008_conversations current_user_id current_family_id tg_refuse_change tg_record_audit

revoke all on app.messages from app_api, app_reader, app_auth, app_audit, app_ops;
grant select on app.messages to app_api, app_reader;
grant insert (family_id, user_id, conversation_id, role, content) on app.messages to app_api;
grant select (family_id, id, user_id) on app.messages to app_ops;

drop policy if exists tenant_floor on app.messages;
create policy tenant_floor
    on app.messages
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.messages is
    'Whatever the other policies allow, never a row of another family.';

drop policy if exists select_own on app.messages;
create policy select_own
    on app.messages
    for select
    to app_api, app_reader
    using (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy select_own on app.messages is
    'Their own rows.';

drop policy if exists select_ops on app.messages;
create policy select_ops
    on app.messages
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.messages is
    'Maintenance sees every row, in the columns it is granted.';

drop policy if exists insert_own on app.messages;
create policy insert_own
    on app.messages
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
    );
comment on policy insert_own on app.messages is
    'Only in their own name and in the family they act in.';

create or replace trigger _100_refuse_change
    before update on app.messages
    for each row
    execute function app.tg_refuse_change('messages are immutable');

-- The cascade from conversations passes.
create or replace trigger _110_refuse_delete
    before delete on app.messages
    for each row
    when (pg_catalog.pg_trigger_depth() = 0)
    execute function app.tg_refuse_change('a message goes only with its conversation');

create or replace trigger _120_refuse_truncate
    before truncate on app.messages
    for each statement
    execute function app.tg_refuse_change('messages are immutable');

-- The trail keeps a hash in the place of the content.
create or replace trigger _900_audit
    after insert or delete on app.messages
    for each row
    execute function app.tg_record_audit('private', 'content');
