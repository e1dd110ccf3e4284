-- Conversations, newest first, and their messages, oldest first.

-- name: list_conversations
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of((array_agg(created_at))[:limit], (array_agg(id))[:limit])
) as body
from (
    select shown, c.created_at, c.id
    from app.conversations as c
    cross join app.conversation_json(c) as shown
    where
        c.family_id = :family_id
        and c.user_id = :user_id
        and (c.created_at, c.id) < (:after_at, :after_id)
    order by c.created_at desc, c.id desc
    limit :limit::integer + 1
) as page;


-- name: create_conversation
insert into app.conversations as c (family_id, user_id, title)
values (:family_id, :user_id, :title)
returning (select shown from app.conversation_json(c) as shown)::text as body, c.row_version;

-- name: get_conversation
select shown::text as body, c.row_version
from app.conversations as c
cross join app.conversation_json(c) as shown
where c.family_id = :family_id and c.id = :conversation_id;

-- name: update_conversation
update app.conversations as c
set title = (select n.title from jsonb_populate_record(c, :patch::jsonb) as n)
where
    c.family_id = :family_id
    and c.id = :conversation_id
    and (:if_match::bigint[] is null or c.row_version = any(:if_match))
returning (select shown from app.conversation_json(c) as shown)::text as body, c.row_version;

-- name: delete_conversation
delete from app.conversations as c
where
    c.family_id = :family_id
    and c.id = :conversation_id
    and (:if_match::bigint[] is null or c.row_version = any(:if_match))
returning 'true' as body, null::bigint as row_version;

-- name: list_messages
-- Of a conversation that is not there, null; of one without messages, an empty list.
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of((array_agg(created_at))[:limit], (array_agg(id))[:limit])
) as body
from (
    select shown, m.created_at, m.id
    from app.messages as m
    cross join app.message_json(m) as shown
    where
        m.family_id = :family_id
        and m.user_id = :user_id
        and m.conversation_id = :conversation_id
        and (m.created_at, m.id) > (:after_at, :after_id)
    order by m.created_at, m.id
    limit :limit::integer + 1
) as page
having exists (
    select from app.conversations as c
    where c.family_id = :family_id and c.id = :conversation_id
);


-- name: create_message
-- Into a conversation that is there, else nothing is written and nothing comes back.
insert into app.messages as m (family_id, user_id, conversation_id, role, content)
select c.family_id, c.user_id, c.id, :role::app.message_role, :content
from app.conversations as c
where c.family_id = :family_id and c.id = :conversation_id
returning
    (select shown from app.message_json(m) as shown)::text as body,
    null::bigint as row_version;
