-- Habits: what somebody means to do again and again, and the days on which they did it.
--
-- A log carries the owner, the visibility and the type of its habit, and the foreign key proves
-- them. So the policies on logs compare columns and need no join, and plain checks say what fits
-- which type. When the visibility of a habit changes, the key changes it in the logs.
--
-- A log keeps the target of its day, so a later target does not judge it again. The schedule has no
-- history: the current one holds for every day. That a habit was retired is kept, for nobody misses
-- a day on which there was nothing to do.
--
-- depends: 0012_exercises

set local role app_owner;

create type app.habit_type as enum ('boolean', 'numeric', 'duration');

comment on type app.habit_type is
    'What is logged of a habit: whether it was done, a number, or how long it took.';

create table app.habits (
    family_id uuid not null,
    id uuid not null default app.new_id(),
    user_id uuid not null,

    name text not null,
    description text,
    type app.habit_type not null,
    target_value numeric(10, 3),
    unit text,
    weekdays integer[],
    times_per_week integer,
    points integer not null default 1,
    visibility app.visibility not null default 'private',
    retired_days datemultirange not null default '{}',

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    deleted_at timestamptz,
    is_active boolean not null generated always as (deleted_at is null) stored,

    primary key (family_id, id),
    -- What logs refer to: a habit together with what they carry of it. In this order it also serves
    -- the cascade from family_memberships, and does not compete with the primary key.
    unique (family_id, user_id, id, visibility, type),
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete cascade,

    constraint habits_name_is_1_to_100_characters
        check (app.is_line(name) and length(name) <= 100),
    constraint habits_description_is_at_most_1000_characters
        check (length(description) <= 1000),
    constraint habits_target_value_is_there_unless_boolean
        check ((target_value is null) = (type = 'boolean')),
    constraint habits_target_value_is_more_than_0_and_at_most_1000000
        check (target_value > 0 and target_value <= 1000000),
    constraint habits_unit_is_there_if_numeric
        check ((unit is not null) = (type = 'numeric')),
    constraint habits_unit_is_1_to_50_characters
        check (app.is_line(unit) and length(unit) <= 50),
    constraint habits_schedule_is_by_weekdays_or_by_times_per_week
        check (num_nonnulls(weekdays, times_per_week) = 1),
    -- Digits in braces, each once and in their order: one way to write a set of days.
    constraint habits_weekdays_are_some_of_1_to_7_in_order
        check (
            weekdays::text ~ '^\{[1-7](,[1-7])*\}$'
            and translate(weekdays::text, '{,}', '') ~ '^1?2?3?4?5?6?7?$'
        ),
    constraint habits_times_per_week_is_1_to_7
        check (times_per_week between 1 and 7),
    constraint habits_points_are_0_to_1000
        check (points between 0 and 1000)
);
alter table app.habits enable row level security;
alter table app.habits force row level security;
alter table app.habits alter column family_id set (n_distinct = -0.001);

-- Serves list_habits: what the family shares. Every habit is in one of these two indexes.
create index habits_shared_idx
    on app.habits (family_id, is_active, created_at, id) where visibility = 'family';

-- Serves list_habits: what is private to the reader.
create index habits_private_idx
    on app.habits (family_id, user_id, is_active, created_at, id) where visibility = 'private';

-- Serves count_habits_to_purge and purge_habits: what is retired, the oldest first.
create index habits_deleted_at_idx on app.habits (deleted_at) where deleted_at is not null;

comment on table app.habits is
    'What somebody means to do again and again. Retired by deleted_at; the logs stay.';
comment on column app.habits.type is 'What is logged of it; never changes.';
comment on column app.habits.target_value is
    'What completes a day: in the unit, or in minutes for a duration; null for yes or no.';
comment on column app.habits.unit is
    'What the numbers count, such as pages; null unless the type is numeric.';
comment on column app.habits.weekdays is
    'The days it is due, from 1 for Monday to 7 for Sunday (ISO 8601); null if it is due some'
    ' times a week.';
comment on column app.habits.times_per_week is
    'On how many days of a week, Monday to Sunday, it is due; null if it is due on weekdays.';
comment on column app.habits.points is 'For each day on which it is done.';
comment on column app.habits.retired_days is
    'The days on which it was retired, in the family''s time zone; those since deleted_at are added'
    ' when it is restored.';
comment on constraint habits_family_id_user_id_fkey on app.habits is
    'The user does not belong to this family.';
comment on constraint habits_name_is_1_to_100_characters on app.habits is
    'The name must have 1 to 100 characters, not all invisible, and no blank at its ends.';
comment on constraint habits_description_is_at_most_1000_characters on app.habits is
    'The description must have at most 1000 characters.';
comment on constraint habits_target_value_is_there_unless_boolean on app.habits is
    'A yes-or-no habit has no target; every other habit needs one.';
comment on constraint habits_target_value_is_more_than_0_and_at_most_1000000 on app.habits is
    'The target must be more than 0 and at most 1000000.';
comment on constraint habits_unit_is_there_if_numeric on app.habits is
    'A numeric habit needs a unit; every other habit has none.';
comment on constraint habits_unit_is_1_to_50_characters on app.habits is
    'The unit must have 1 to 50 characters, not all invisible, and no blank at its ends.';
comment on constraint habits_schedule_is_by_weekdays_or_by_times_per_week on app.habits is
    'The schedule must be either weekdays or a number of times a week.';
comment on constraint habits_weekdays_are_some_of_1_to_7_in_order on app.habits is
    'The weekdays must be numbers from 1 to 7, each once, in ascending order.';
comment on constraint habits_times_per_week_is_1_to_7 on app.habits is
    'The times a week must be 1 to 7.';
comment on constraint habits_points_are_0_to_1000 on app.habits is
    'The points must be 0 to 1000.';

create table app.habit_logs (
    family_id uuid not null,
    habit_id uuid not null,
    logged_on date not null,
    user_id uuid not null,
    visibility app.visibility not null,
    type app.habit_type not null,

    value numeric(10, 3),
    target_value numeric(10, 3),
    is_done boolean not null,
    note text,
    entered_on date not null default (now() at time zone 'UTC')::date,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,

    primary key (family_id, habit_id, logged_on),
    foreign key (family_id, habit_id, user_id, visibility, type)
        references app.habits (family_id, id, user_id, visibility, type)
        on update cascade on delete cascade,

    constraint habit_logs_logged_on_is_in_the_calendar
        check (logged_on between '1900-01-01' and '2999-12-31'),
    -- One day ahead, for members who are east of home.
    constraint habit_logs_logged_on_is_at_most_a_day_ahead
        check (logged_on <= entered_on + 1),
    constraint habit_logs_value_is_absent_if_boolean
        check (type <> 'boolean' or value is null),
    constraint habit_logs_value_is_there_unless_boolean
        check (type = 'boolean' or value is not null),
    constraint habit_logs_value_is_0_to_1000000
        check (value between 0 and 1000000),
    constraint habit_logs_target_value_is_there_unless_boolean
        check ((target_value is null) = (type = 'boolean')),
    constraint habit_logs_is_done_is_whether_the_target_was_reached
        check (is_done = (value >= target_value)),
    constraint habit_logs_note_is_at_most_1000_characters
        check (length(note) <= 1000)
);
alter table app.habit_logs enable row level security;
alter table app.habit_logs force row level security;
alter table app.habit_logs alter column family_id set (n_distinct = -0.001);

comment on table app.habit_logs is 'What was done of a habit on a day. One row a day.';
comment on column app.habit_logs.logged_on is 'In the family''s time zone.';
comment on column app.habit_logs.value is
    'In the unit of the habit, or in minutes for a duration; null for yes or no.';
comment on column app.habit_logs.target_value is
    'The habit''s target on that day; null for yes or no.';
comment on column app.habit_logs.is_done is
    'What the member said for yes or no, else whether the value reached the target.';
comment on column app.habit_logs.entered_on is
    'The day it was last written, in the family''s time zone.';
comment on constraint habit_logs_pkey on app.habit_logs is 'This day is already logged.';
comment on constraint habit_logs_family_id_habit_id_user_id_visibility_type_fkey
    on app.habit_logs is
    'The habit does not exist.';
comment on constraint habit_logs_logged_on_is_in_the_calendar on app.habit_logs is
    'The date must be between the years 1900 and 2999.';
comment on constraint habit_logs_logged_on_is_at_most_a_day_ahead on app.habit_logs is
    'The date must not be after tomorrow.';
comment on constraint habit_logs_value_is_absent_if_boolean on app.habit_logs is
    'A yes-or-no habit is logged without a value.';
comment on constraint habit_logs_value_is_there_unless_boolean on app.habit_logs is
    'The log of this habit needs a value.';
comment on constraint habit_logs_value_is_0_to_1000000 on app.habit_logs is
    'The value must be 0 to 1000000.';
comment on constraint habit_logs_target_value_is_there_unless_boolean on app.habit_logs is
    'The log of a yes-or-no habit has no target; every other log needs one.';
comment on constraint habit_logs_is_done_is_whether_the_target_was_reached on app.habit_logs is
    'A day is done if, and only if, the value reaches the target.';
comment on constraint habit_logs_note_is_at_most_1000_characters on app.habit_logs is
    'The note must have at most 1000 characters.';
