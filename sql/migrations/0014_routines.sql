-- Routines: what is done again and again, in the same steps, by one person or by the family.
--
-- The steps have versions. Saving them makes a new version, and a version never changes: a
-- completion names the version that was done, and an old version can be restored as the newest. A
-- routine always has a newest version: both are made together, and a foreign key leads to it.
--
-- Versions, steps and completions carry the owner and the visibility of their routine, and the
-- foreign keys prove it, so that policies compare columns and need no join. When the visibility of
-- a routine changes, the keys change it everywhere; nothing else of them changes.
--
-- A version that was saved while the routine was private stays its owner's when it is shared, and
-- so do its steps. Sharing saves the steps once more, as a version that the family sees.
--
-- A step may name a habit or an exercise. If that is another member's private habit, the step shows
-- its id and no more. When the habit is purged, the step stays and names nothing.
--
-- depends: 0013_habits

set local role app_owner;

create table app.routines (
    family_id uuid not null,
    id uuid not null default app.new_id(),
    user_id uuid not null,

    name text not null,
    description text,
    visibility app.visibility not null default 'private',
    points integer not null default 1,

    version integer not null default 1,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    deleted_at timestamptz,
    is_active boolean not null generated always as (deleted_at is null) stored,

    primary key (family_id, id),
    -- What versions, steps and completions refer to: a routine with what policies compare. In this
    -- order it also serves the cascade from family_memberships.
    unique (family_id, user_id, id, visibility),
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete cascade,

    constraint routines_name_is_1_to_100_characters
        check (app.is_line(name) and length(name) <= 100),
    constraint routines_description_is_at_most_1000_characters
        check (length(description) <= 1000),
    constraint routines_points_are_0_to_1000
        check (points between 0 and 1000)
);
alter table app.routines enable row level security;
alter table app.routines force row level security;
alter table app.routines alter column family_id set (n_distinct = -0.001);

-- Serves list_routines: what the family shares, the active ones apart from the retired.
create index routines_shared_idx
    on app.routines (family_id, is_active, created_at, id) where visibility = 'family';

-- Serves list_routines: what is private to the reader.
create index routines_private_idx
    on app.routines (family_id, user_id, is_active, created_at, id) where visibility = 'private';

-- Serves count_routines_to_purge and purge_routines: what is retired, the oldest first.
create index routines_deleted_at_idx on app.routines (deleted_at) where deleted_at is not null;

comment on table app.routines is 'What is done again and again, in the same steps.';
comment on column app.routines.points is 'For each day, to each member who has done it.';
comment on column app.routines.version is 'The newest version of its steps.';
comment on column app.routines.row_version is 'Counts the changes of the steps as well.';
comment on constraint routines_family_id_user_id_fkey on app.routines is
    'The user does not belong to this family.';
comment on constraint routines_name_is_1_to_100_characters on app.routines is
    'The name must have 1 to 100 characters, not all invisible, and no blank at its ends.';
comment on constraint routines_description_is_at_most_1000_characters on app.routines is
    'The description must have at most 1000 characters.';
comment on constraint routines_points_are_0_to_1000 on app.routines is
    'The points must be 0 to 1000.';

create table app.routine_versions (
    family_id uuid not null,
    routine_id uuid not null,
    version integer not null,
    user_id uuid not null,
    routine_visibility app.visibility not null,
    saved_visibility app.visibility not null,
    visibility app.visibility not null generated always as (
        case when saved_visibility = 'private' then 'private' else routine_visibility end
    ) stored,

    author_id uuid,
    restored_version integer,

    created_at timestamptz not null default now(),

    primary key (family_id, routine_id, version),
    -- What steps refer to: a version with what policies compare.
    unique (family_id, user_id, routine_id, version, visibility),
    foreign key (family_id, routine_id, user_id, routine_visibility)
        references app.routines (family_id, id, user_id, visibility)
        on update cascade on delete cascade,
    foreign key (family_id, author_id) references app.family_memberships (family_id, user_id)
        on delete set null (author_id),

    constraint routine_versions_version_is_at_least_1
        check (version >= 1),
    constraint routine_versions_restored_version_is_an_earlier_one
        check (restored_version between 1 and version - 1)
);
alter table app.routine_versions enable row level security;
alter table app.routine_versions force row level security;
alter table app.routine_versions alter column family_id set (n_distinct = -0.001);

-- Serves the foreign key to family_memberships.
create index routine_versions_family_id_author_id_idx
    on app.routine_versions (family_id, author_id);

-- The newest version exists. Both are made in one statement, and they go together.
alter table app.routines
    add foreign key (family_id, id, version)
    references app.routine_versions (family_id, routine_id, version) on delete restrict;

comment on table app.routine_versions is
    'The steps of a routine, as they were saved at one time. Immutable.';
comment on column app.routine_versions.user_id is
    'The owner of the routine, whoever saved this version.';
comment on column app.routine_versions.routine_visibility is 'That of the routine now.';
comment on column app.routine_versions.saved_visibility is
    'That of the routine when this version was saved.';
comment on column app.routine_versions.visibility is
    'Private while the routine is, and for good if it was when this version was saved.';
comment on column app.routine_versions.author_id is 'Who saved it; null once they are purged.';
comment on column app.routine_versions.restored_version is
    'The version that it brought back; null where the steps were written anew.';
comment on constraint routine_versions_pkey on app.routine_versions is
    'This version already exists.';
comment on constraint routine_versions_family_id_user_id_routine_id_version_visib_key
    on app.routine_versions is 'The routine already has this version.';
comment on constraint routine_versions_family_id_routine_id_user_id_routine_visi_fkey
    on app.routine_versions is 'The routine does not exist, or was just shared or made private.';
comment on constraint routine_versions_family_id_author_id_fkey on app.routine_versions is
    'The user does not belong to this family.';
comment on constraint routine_versions_version_is_at_least_1 on app.routine_versions is
    'The version must be at least 1.';
comment on constraint routine_versions_restored_version_is_an_earlier_one on app.routine_versions is
    'A version can only restore an earlier one.';

comment on constraint routines_family_id_id_version_fkey on app.routines is
    'The newest version does not exist.';

create table app.routine_steps (
    family_id uuid not null,
    routine_id uuid not null,
    version integer not null,
    position integer not null,
    user_id uuid not null,
    visibility app.visibility not null,

    title text not null,
    minutes integer not null,
    habit_id uuid,
    exercise_id uuid,

    created_at timestamptz not null default now(),

    primary key (family_id, routine_id, version, position),
    foreign key (family_id, user_id, routine_id, version, visibility)
        references app.routine_versions (family_id, user_id, routine_id, version, visibility)
        on update cascade on delete cascade,
    foreign key (family_id, habit_id) references app.habits (family_id, id)
        on delete set null (habit_id),
    foreign key (family_id, exercise_id) references app.exercises (family_id, id)
        on delete set null (exercise_id),

    constraint routine_steps_position_is_1_to_100
        check (position between 1 and 100),
    constraint routine_steps_title_is_1_to_200_characters
        check (app.is_line(title) and length(title) <= 200),
    constraint routine_steps_minutes_are_1_to_1440
        check (minutes between 1 and 1440),
    constraint routine_steps_subject_is_a_habit_or_an_exercise
        check (num_nonnulls(habit_id, exercise_id) <= 1)
);
alter table app.routine_steps enable row level security;
alter table app.routine_steps force row level security;
alter table app.routine_steps alter column family_id set (n_distinct = -0.001);

-- Serves the foreign key to habits, and tg_check_step.
create index routine_steps_family_id_habit_id_idx on app.routine_steps (family_id, habit_id);

-- Serves the foreign key to exercises, and tg_check_step.
create index routine_steps_family_id_exercise_id_idx on app.routine_steps (family_id, exercise_id);

comment on table app.routine_steps is 'What is done in a version of a routine. Immutable.';
comment on column app.routine_steps.position is 'From 1.';
comment on column app.routine_steps.habit_id is
    'The habit that it is about; null without one, or once it is purged.';
comment on column app.routine_steps.exercise_id is
    'The exercise that it is about; null without one, or once it is purged.';
comment on constraint routine_steps_pkey on app.routine_steps is 'This step already exists.';
comment on constraint routine_steps_family_id_user_id_routine_id_version_visibil_fkey
    on app.routine_steps is 'The version does not exist, or its routine was just made private.';
comment on constraint routine_steps_family_id_habit_id_fkey on app.routine_steps is
    'The habit does not exist.';
comment on constraint routine_steps_family_id_exercise_id_fkey on app.routine_steps is
    'The exercise does not exist.';
comment on constraint routine_steps_position_is_1_to_100 on app.routine_steps is
    'A routine must have at most 100 steps.';
comment on constraint routine_steps_title_is_1_to_200_characters on app.routine_steps is
    'The title must have 1 to 200 characters, not all invisible, and no blank at its ends.';
comment on constraint routine_steps_minutes_are_1_to_1440 on app.routine_steps is
    'The minutes must be 1 to 1440 (one day).';
comment on constraint routine_steps_subject_is_a_habit_or_an_exercise on app.routine_steps is
    'A step may name a habit or an exercise, not both.';

create table app.routine_completions (
    family_id uuid not null,
    user_id uuid not null,
    routine_id uuid not null,
    completed_on date not null,
    owner_id uuid not null,
    visibility app.visibility not null,

    version integer not null,
    entered_on date not null default (now() at time zone 'UTC')::date,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,

    -- In this order it also serves the cascade from family_memberships.
    primary key (family_id, user_id, routine_id, completed_on),
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete cascade,
    foreign key (family_id, routine_id, version)
        references app.routine_versions (family_id, routine_id, version) on delete cascade,
    foreign key (family_id, routine_id, owner_id, visibility)
        references app.routines (family_id, id, user_id, visibility)
        on update cascade on delete cascade,

    constraint routine_completions_completed_on_is_in_the_calendar
        check (completed_on >= '1900-01-01'),
    -- One day ahead, for members who are east of home.
    constraint routine_completions_completed_on_is_at_most_a_day_ahead
        check (completed_on <= entered_on + 1)
);
alter table app.routine_completions enable row level security;
alter table app.routine_completions force row level security;
alter table app.routine_completions alter column family_id set (n_distinct = -0.001);

-- Serves list_routine_completions, and the cascade from routines.
create index routine_completions_routine_idx
    on app.routine_completions (family_id, routine_id, completed_on, user_id);

-- Serves the cascade from routine_versions. It has the rest of the key too: the planner would take
-- a smaller index for the list as well, and then read and sort all of a routine.
create index routine_completions_version_idx
    on app.routine_completions (family_id, routine_id, version, completed_on, user_id);

comment on table app.routine_completions is 'Who has done a routine on which day.';
comment on column app.routine_completions.completed_on is 'In the family''s time zone.';
comment on column app.routine_completions.owner_id is
    'The owner of the routine, who need not be who has done it.';
comment on column app.routine_completions.version is
    'The version of the routine when it was last marked as done.';
comment on column app.routine_completions.entered_on is
    'The day it was last marked as done, in the family''s time zone.';
comment on constraint routine_completions_pkey on app.routine_completions is
    'The routine is already marked as done for this day.';
comment on constraint routine_completions_family_id_user_id_fkey on app.routine_completions is
    'The user does not belong to this family.';
comment on constraint routine_completions_family_id_routine_id_version_fkey
    on app.routine_completions is 'The version does not exist.';
comment on constraint routine_completions_family_id_routine_id_owner_id_visibili_fkey
    on app.routine_completions is
    'The routine does not exist, or was just shared or made private.';
comment on constraint routine_completions_completed_on_is_in_the_calendar
    on app.routine_completions is 'The day must be in the year 1900 or later.';
comment on constraint routine_completions_completed_on_is_at_most_a_day_ahead
    on app.routine_completions is
    'The day must not be after tomorrow.';
