-- message_json: a message as every endpoint shows it, in one place so that no two can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0008_conversations

create or replace function app.message_json(m app.messages)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'id', m.id,
        'conversation_id', m.conversation_id,
        'role', m.role,
        'content', m.content,
        'created_at', m.created_at
    )
$$;

comment on function app.message_json(app.messages) is 'A message as every endpoint shows it.';

revoke all on function app.message_json(app.messages) from public;
grant execute on function app.message_json(app.messages) to app_api;
