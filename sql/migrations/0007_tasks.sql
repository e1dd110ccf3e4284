-- Tasks: what somebody means to do, for themselves or for the whole family.
--
-- depends: 0006_audit

set local role app_owner;

create type app.visibility as enum ('private', 'family');

comment on type app.visibility is 'Who sees a row: its owner alone, or the family.';

create table app.tasks (
    family_id uuid not null,
    id uuid not null default app.new_id(),
    user_id uuid not null,

    title text not null,
    description text,
    due_on date,
    visibility app.visibility not null default 'private',

    completed_at timestamptz,
    is_completed boolean not null generated always as (completed_at is not null) stored,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,

    primary key (family_id, id),
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete cascade,

    constraint tasks_title_is_1_to_200_characters
        check (app.is_line(title) and length(title) <= 200),
    constraint tasks_description_is_at_most_1000_characters
        check (length(description) <= 1000),
    constraint tasks_due_on_is_in_the_calendar
        check (due_on between '1900-01-01' and '2999-12-31'),
    constraint tasks_completed_at_is_not_in_the_future
        check (completed_at <= updated_at)
);
alter table app.tasks enable row level security;
alter table app.tasks force row level security;
alter table app.tasks alter column family_id set (n_distinct = -0.001);

-- Serves list_tasks: what the family shares. Every task is in one of these two indexes; together
-- they leave out what is private to others.
create index tasks_shared_idx
    on app.tasks (family_id, created_at, id) where visibility = 'family';

-- Serves list_tasks: what is private to the reader.
create index tasks_private_idx
    on app.tasks (family_id, user_id, created_at, id) where visibility = 'private';

-- Serves list_tasks_in_state: what the family shares of those that are done, or of those that are
-- not. All may be in the other state, so the one shall not be looked for among the other.
create index tasks_shared_state_idx
    on app.tasks (family_id, is_completed, created_at, id) where visibility = 'family';

-- Serves list_tasks_in_state: what is private to the reader.
create index tasks_private_state_idx
    on app.tasks (family_id, user_id, is_completed, created_at, id) where visibility = 'private';

-- Serves list_tasks_due.
create index tasks_family_id_due_on_idx on app.tasks (family_id, due_on) where due_on is not null;

-- Serves the cascade from family_memberships.
create index tasks_family_id_user_id_idx on app.tasks (family_id, user_id);

-- Who says the user has said the family. Not knowing that, the planner takes a user's tasks for one
-- row, and the index above for as good as those that go on to what is asked for.
create statistics app.tasks_family_id_user_id_stat (dependencies)
    on family_id, user_id from app.tasks;

comment on statistics app.tasks_family_id_user_id_stat is 'A user is in few families.';
comment on table app.tasks is 'What somebody means to do.';
comment on column app.tasks.due_on is 'In the family''s time zone.';
comment on column app.tasks.completed_at is 'Null while it is open.';
comment on constraint tasks_family_id_user_id_fkey on app.tasks is
    'The user does not belong to this family.';
comment on constraint tasks_title_is_1_to_200_characters on app.tasks is
    'The title must have 1 to 200 characters, not all invisible, and no blank at its ends.';
comment on constraint tasks_description_is_at_most_1000_characters on app.tasks is
    'The description must have at most 1000 characters.';
comment on constraint tasks_due_on_is_in_the_calendar on app.tasks is
    'The due date must be between the years 1900 and 2999.';
comment on constraint tasks_completed_at_is_not_in_the_future on app.tasks is
    'The time of completion must not be in the future.';
