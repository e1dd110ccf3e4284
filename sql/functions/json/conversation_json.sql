-- conversation_json: a conversation as every endpoint shows it, in one place so that no two can
-- differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0008_conversations

create or replace function app.conversation_json(c app.conversations)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            c.id,
            c.user_id,
            c.title,
            c.created_at,
            c.updated_at,
            c.row_version
    ) as shown
$$;

comment on function app.conversation_json(app.conversations) is
    'A conversation as every endpoint shows it.';

revoke all on function app.conversation_json(app.conversations) from public;
grant execute on function app.conversation_json(app.conversations) to app_api;
