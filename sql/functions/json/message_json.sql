-- message_json: a message as every endpoint shows it, in one place so that no two can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0008_conversations

create or replace function app.message_json(m app.messages)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            m.id,
            m.conversation_id,
            m.role,
            m.content,
            m.created_at
    ) as shown
$$;

comment on function app.message_json(app.messages) is 'A message as every endpoint shows it.';

revoke all on function app.message_json(app.messages) from public;
grant execute on function app.message_json(app.messages) to app_api;
