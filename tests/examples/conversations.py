"""Conversations: one of each person, with two messages."""

from tests.support.example import MADE_AT, PAGES, Example, Leave

CONVERSATIONS = Example(
    table="conversations",
    private="always",
    household="""
        insert into app.conversations (family_id, user_id, id, title)
        select family_id, user_id, md5('conversation of ' || role || ', 1')::uuid, 'A talk'
        from people
    """,
    crowd="""
        insert into app.conversations (family_id, user_id, id, title, created_at)
        select
            pg_temp.id('family', family),
            pg_temp.id('user', person),
            pg_temp.id('conversation of ' || person || ', ', n),
            'Conversation ' || n,
            timestamptz '2026-01-01' + (since + n) * interval '1 second'
        from keepers, generate_series(1, few) as n
    """,
    seven=f"""
        insert into app.conversations (family_id, user_id, title, created_at)
        select $1, $2, 'Conversation', {MADE_AT} from generate_series(1, 7) as n
    """,
    facts={"conversation_id": "conversation of {}, 1"},
    variants={"list_conversations": PAGES},
    leaves={
        "delete_conversation": Leave(rows=2500, why="Two thousand messages go with it."),
    },
    unread={
        "conversations_family_id_id_user_id_key": "what messages refer to; the primary key serves"
        " too",
        "conversations_pkey": "a key; the one that messages refer to serves too",
    },
)

MESSAGES = Example(
    table="messages",
    private="always",
    household="""
        insert into app.messages (family_id, user_id, conversation_id, id, role, content)
        select
            family_id, user_id, md5('conversation of ' || role || ', 1')::uuid,
            md5('message of ' || role || ', ' || n)::uuid, 'user', 'Message ' || n
        from people, generate_series(1, 2) as n
    """,
    # All in the first conversation.
    crowd="""
        insert into app.messages
            (family_id, user_id, conversation_id, id, role, content, created_at)
        select
            pg_temp.id('family', family),
            pg_temp.id('user', person),
            pg_temp.id('conversation of ' || person || ', ', 1),
            pg_temp.id('message of ' || person || ', ', n),
            'user',
            'Message ' || n,
            timestamptz '2026-01-01' + (since + n) * interval '1 second'
        from keepers, generate_series(1, many) as n
    """,
    seven=f"""
        insert into app.messages (family_id, user_id, conversation_id, role, content, created_at)
        select $1, $2, c.id, 'user', 'Message', {MADE_AT}
        from app.conversations as c, generate_series(1, 7) as n
        where c.family_id = $1
    """,
    facts={"message_id": "message of {}, 1"},
    variants={"list_messages": PAGES},
    unread={"messages_pkey": "a key; messages are listed, not looked up"},
)
