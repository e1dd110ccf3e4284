-- Conversations with the assistant, each its owner's alone, and their messages.
--
-- A message carries its conversation's owner and the foreign key proves it, so that the policy on
-- messages compares a column and needs no join.
--
-- Messages never change. They go when their conversation goes, and in no other way.
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
        check (title ~ '\S' and length(title) <= 200)
);
alter table app.conversations enable row level security;
alter table app.conversations force row level security;

-- One plan for all, which suits large families (see app.family_memberships): a thousand rows.
alter table app.conversations alter column family_id set (n_distinct = -0.001);

-- Serves list_conversations, and the cascade from family_memberships.
create index conversations_family_id_user_id_created_at_id_idx
    on app.conversations (family_id, user_id, created_at, id);

create trigger _100_touch before update on app.conversations
    for each row execute function app.tg_touch();
create trigger _110_refuse_truncate before truncate on app.conversations
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');
create trigger _900_audit after insert or update or delete on app.conversations
    for each row execute function app.tg_record_audit('private');

comment on table app.conversations is 'A talk with the assistant; only its owner sees it.';
comment on column app.conversations.family_id is 'The tenant.';
comment on column app.conversations.id is 'Names the conversation within its family.';
comment on column app.conversations.user_id is
    'Whose conversation it is; it does not change hands.';
comment on column app.conversations.title is 'In a line, 1 to 200 characters.';
comment on column app.conversations.created_at is 'When the row was made; never changes.';
comment on column app.conversations.updated_at is 'When the row last changed; strictly increasing.';
comment on column app.conversations.row_version is 'Counts the changes of the row, from 1.';
comment on constraint conversations_pkey on app.conversations is
    'This conversation exists already.';
comment on constraint conversations_family_id_id_user_id_key on app.conversations is
    'This conversation exists already.';
comment on constraint conversations_family_id_user_id_fkey on app.conversations is
    'The user does not belong to this family.';
comment on constraint conversations_title_is_1_to_200_characters on app.conversations is
    'The title must have 1 to 200 characters and not only blanks.';
comment on index app.conversations_family_id_user_id_created_at_id_idx is
    'Serves list_conversations, and the cascade from family_memberships.';
comment on trigger _100_touch on app.conversations is
    'Keeps created_at, updated_at and row_version.';
comment on trigger _110_refuse_truncate on app.conversations is
    'Rows leave one by one, so that the audit trail sees them.';
comment on trigger _900_audit on app.conversations is
    'Writes the audit trail; private to the owner.';

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

-- One plan for all, which suits large families (see app.family_memberships): a thousand rows.
alter table app.messages alter column family_id set (n_distinct = -0.001);

-- Serves list_messages, and the cascade from conversations.
create index messages_conversation_idx
    on app.messages (family_id, user_id, conversation_id, created_at, id);

create trigger _100_refuse_change before update on app.messages
    for each row execute function app.tg_refuse_change('messages are immutable');
create trigger _110_refuse_delete before delete on app.messages
    for each row when (pg_catalog.pg_trigger_depth() = 0)
    execute function app.tg_refuse_change('a message goes only with its conversation');
create trigger _120_refuse_truncate before truncate on app.messages
    for each statement execute function app.tg_refuse_change('messages are immutable');
create trigger _900_audit after insert or delete on app.messages
    for each row execute function app.tg_record_audit('private', 'content');

comment on table app.messages is 'What was said in a conversation. Immutable.';
comment on column app.messages.family_id is 'The tenant.';
comment on column app.messages.id is 'Names the message within its family.';
comment on column app.messages.user_id is 'The owner of the conversation, whoever speaks.';
comment on column app.messages.conversation_id is 'The conversation it belongs to.';
comment on column app.messages.role is 'Who speaks.';
comment on column app.messages.content is 'What was said, 1 to 5000 characters.';
comment on column app.messages.created_at is 'When it was said; never changes.';
comment on constraint messages_pkey on app.messages is 'This message exists already.';
comment on constraint messages_family_id_user_id_conversation_id_fkey on app.messages is
    'The conversation does not exist.';
comment on constraint messages_content_is_1_to_5000_characters on app.messages is
    'The content must have 1 to 5000 characters.';
comment on index app.messages_conversation_idx is
    'Serves list_messages, and the cascade from conversations.';
comment on trigger _100_refuse_change on app.messages is 'Messages are immutable.';
comment on trigger _110_refuse_delete on app.messages is
    'Lets the cascade from conversations through and nothing else.';
comment on trigger _120_refuse_truncate on app.messages is 'Messages are immutable.';
comment on trigger _900_audit on app.messages is
    'Writes the audit trail, with a hash in the place of the content; private to the owner.';
