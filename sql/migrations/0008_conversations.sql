-- Conversations with the assistant, each its owner's alone, and their messages.
--
-- A message carries its conversation's owner and the foreign key proves it, so that the policy on
-- messages compares a column and needs no join.
--
-- Messages never change, and go only when their conversation goes.
--
-- depends: 0007_tasks

set local role app_owner;

create table app.conversations (
    family_id uuid not null,
    id uuid not null default app.new_id(),
    user_id uuid not null,

    title text not null,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,

    primary key (family_id, id),
    -- What messages refer to: a conversation together with its owner, who comes last, so that the
    -- planner is not tempted to read an owner's conversations through it and sort them.
    unique (family_id, id, user_id),
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete cascade,

    constraint conversations_title_is_1_to_200_characters
        check (app.is_line(title) and length(title) <= 200)
);
alter table app.conversations enable row level security;
alter table app.conversations force row level security;
alter table app.conversations alter column family_id set (n_distinct = -0.001);

-- Serves list_conversations, and the cascade from family_memberships.
create index conversations_family_id_user_id_created_at_id_idx
    on app.conversations (family_id, user_id, created_at, id);

comment on table app.conversations is 'A talk with the assistant; only its owner sees it.';
comment on constraint conversations_family_id_user_id_fkey on app.conversations is
    'The user does not belong to this family.';
comment on constraint conversations_title_is_1_to_200_characters on app.conversations is
    'The title must have 1 to 200 characters, not all invisible, and no blank at its ends.';

create type app.message_role as enum ('user', 'assistant');

comment on type app.message_role is 'Who speaks.';

create table app.messages (
    family_id uuid not null,
    id uuid not null default app.new_id(),
    user_id uuid not null,
    conversation_id uuid not null,

    role app.message_role not null,
    content text not null,

    -- The clock, not the transaction's start: messages of one transaction keep their order.
    created_at timestamptz not null default clock_timestamp(),

    primary key (family_id, id),
    foreign key (family_id, user_id, conversation_id)
        references app.conversations (family_id, user_id, id) on delete cascade,

    constraint messages_content_is_1_to_5000_characters
        check (length(content) between 1 and 5000)
);
alter table app.messages enable row level security;
alter table app.messages force row level security;
alter table app.messages alter column family_id set (n_distinct = -0.001);

-- Serves list_messages, and the cascade from conversations.
create index messages_conversation_idx
    on app.messages (family_id, user_id, conversation_id, created_at, id);

comment on table app.messages is 'What was said in a conversation. Immutable.';
comment on column app.messages.user_id is 'The owner of the conversation, whoever speaks.';
comment on constraint messages_family_id_user_id_conversation_id_fkey on app.messages is
    'The conversation does not exist.';
comment on constraint messages_content_is_1_to_5000_characters on app.messages is
    'The content must have 1 to 5000 characters.';
