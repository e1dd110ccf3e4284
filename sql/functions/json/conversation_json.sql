-- conversation_json: a conversation as every endpoint shows it, in one place so that no two can
-- differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0008_conversations

create or replace function app.conversation_json(c app.conversations)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'id', c.id,
        'user_id', c.user_id,
        'title', c.title,
        'created_at', c.created_at,
        'updated_at', c.updated_at,
        'row_version', c.row_version
    )
$$;

comment on function app.conversation_json(app.conversations) is
    'A conversation as every endpoint shows it.';

revoke all on function app.conversation_json(app.conversations) from public;
grant execute on function app.conversation_json(app.conversations) to app_api;
