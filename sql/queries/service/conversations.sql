-- Conversations, newest first, and their messages, oldest first.

-- name: list_conversations
with page as (
    select c, c.created_at, c.id, row_number() over (order by c.created_at desc, c.id desc) as n
    from app.conversations as c
    where
        c.family_id = :family_id
        and c.user_id = :user_id
        and (c.created_at, c.id) < (:after_at, :after_id)
    order by c.created_at desc, c.id desc
    limit :limit::integer + 1
)

select to_json(response)::text as body
from (
    select
        coalesce(
            to_json(array_agg(shown order by n) filter (where n <= :limit::integer)), '[]'
        ) as items,
        case
            when count(*) > :limit::integer
                then max(app.cursor_of(created_at, id)) filter (where n = :limit::integer)
        end as next
    from page
    cross join app.conversation_json(c) as shown
) as response;

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
with page as (
    select m, m.created_at, m.id, row_number() over (order by m.created_at, m.id) as n
    from app.messages as m
    where
        m.family_id = :family_id
        and m.user_id = :user_id
        and m.conversation_id = :conversation_id
        and (m.created_at, m.id) > (:after_at, :after_id)
    order by m.created_at, m.id
    limit :limit::integer + 1
)

select to_json(response)::text as body
from (
    select
        coalesce(
            to_json(array_agg(shown order by n) filter (where n <= :limit::integer)), '[]'
        ) as items,
        case
            when count(*) > :limit::integer
                then max(app.cursor_of(created_at, id)) filter (where n = :limit::integer)
        end as next
    from page
    cross join app.message_json(m) as shown
    having exists (
        select from app.conversations as c
        where c.family_id = :family_id and c.id = :conversation_id
    )
) as response;

-- name: create_message
-- Into a conversation that is there, else nothing is written and nothing comes back.
insert into app.messages as m (family_id, user_id, conversation_id, role, content)
select c.family_id, c.user_id, c.id, :role::app.message_role, :content
from app.conversations as c
where c.family_id = :family_id and c.id = :conversation_id
returning
    (select shown from app.message_json(m) as shown)::text as body,
    null::bigint as row_version;
