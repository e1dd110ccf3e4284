-- Habits: what somebody means to do again and again, and on which days they did.
--
-- A log carries its habit's owner, visibility and type, and the foreign key proves them: so that
-- the policies on logs compare columns and need no join, and plain checks say what fits which type.
-- The key follows the visibility when it changes.
--
-- A log keeps the target of its day: a later one does not judge it again. The schedule has no
-- history: it is as it is now for every day.
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

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    deleted_at timestamptz,
    is_active boolean not null generated always as (deleted_at is null) stored,

    primary key (family_id, id),
    -- What logs refer to: a habit together with what they carry of it. In this order it also serves
    -- the cascade from family_memberships, and does not vie with the primary key.
    unique (family_id, user_id, id, visibility, type),
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete cascade,

    constraint habits_name_is_1_to_100_characters
        check (name ~ '\S' and length(name) <= 100),
    constraint habits_description_is_at_most_1000_characters
        check (length(description) <= 1000),
    constraint habits_target_value_is_there_unless_boolean
        check ((target_value is null) = (type = 'boolean')),
    constraint habits_target_value_is_more_than_0_and_at_most_1000000
        check (target_value > 0 and target_value <= 1000000),
    constraint habits_unit_is_there_if_numeric
        check ((unit is not null) = (type = 'numeric')),
    constraint habits_unit_is_1_to_50_characters
        check (unit ~ '\S' and length(unit) <= 50),
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

-- One plan for all, which suits large families (see app.family_memberships): a thousand rows.
alter table app.habits alter column family_id set (n_distinct = -0.001);

-- Serves list_habits: what the family shares. A habit is in one of these two, and a reader needs no
-- more than both.
create index habits_shared_idx
    on app.habits (family_id, is_active, created_at, id) where visibility = 'family';

-- Serves list_habits: what is private to the reader.
create index habits_private_idx
    on app.habits (family_id, user_id, is_active, created_at, id) where visibility = 'private';

-- Serves count_purgeable and purge_habits: nothing but what is retired, the oldest first.
create index habits_deleted_at_idx on app.habits (deleted_at) where deleted_at is not null;

create trigger _100_touch before update on app.habits
    for each row execute function app.tg_touch();
create trigger _110_refuse_truncate before truncate on app.habits
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');
-- Who runs the family retires and restores a shared habit, and the policy cannot see which columns
-- change. This can. The user of the context is written out, for the function comes after the table.
create trigger _200_refuse_others
    before update of
        name, description, target_value, unit, weekdays, times_per_week, points, visibility
    on app.habits
    for each row
    when (OLD.user_id <> nullif(pg_catalog.current_setting('app.user_id', true), '')::uuid)
    execute function app.tg_refuse_change('a habit is changed by its owner');
create trigger _900_audit after insert or update or delete on app.habits
    for each row execute function app.tg_record_audit();

comment on table app.habits is
    'What somebody means to do again and again. Retired by deleted_at; the logs stay.';
comment on column app.habits.family_id is 'The tenant.';
comment on column app.habits.id is 'Names the habit within its family.';
comment on column app.habits.user_id is 'Whose habit it is; it does not change hands.';
comment on column app.habits.name is 'In a line, 1 to 100 characters.';
comment on column app.habits.description is 'More about it, up to 1000 characters.';
comment on column app.habits.type is 'What is logged of it; never changes.';
comment on column app.habits.target_value is
    'What a day takes to be done: in the unit, of a duration in minutes; null for yes or no.';
comment on column app.habits.unit is
    'What the numbers count, such as pages; only of a number, for a duration is in minutes.';
comment on column app.habits.weekdays is
    'The days it is due, from 1 for Monday to 7 for Sunday (ISO 8601); null if by times a week.';
comment on column app.habits.times_per_week is
    'On how many days of a week, Monday to Sunday, it is due; null if by weekdays.';
comment on column app.habits.points is 'What a day on which it was done is worth, 0 to 1000.';
comment on column app.habits.visibility is 'Whether the family sees it, with its logs.';
comment on column app.habits.created_at is 'When the row was made; never changes.';
comment on column app.habits.updated_at is 'When the row last changed; strictly increasing.';
comment on column app.habits.row_version is 'Counts the changes of the row, from 1.';
comment on column app.habits.deleted_at is 'When the habit was retired; null while it is active.';
comment on column app.habits.is_active is 'True until the habit is retired.';
comment on constraint habits_pkey on app.habits is 'This habit exists already.';
comment on constraint habits_family_id_user_id_id_visibility_type_key on app.habits is
    'This habit exists already.';
comment on constraint habits_family_id_user_id_fkey on app.habits is
    'The user does not belong to this family.';
comment on constraint habits_name_is_1_to_100_characters on app.habits is
    'The name must have 1 to 100 characters and not only blanks.';
comment on constraint habits_description_is_at_most_1000_characters on app.habits is
    'The description must have at most 1000 characters.';
comment on constraint habits_target_value_is_there_unless_boolean on app.habits is
    'The target must be absent from a habit of yes or no, and there in any other.';
comment on constraint habits_target_value_is_more_than_0_and_at_most_1000000 on app.habits is
    'The target must be more than 0 and at most 1000000.';
comment on constraint habits_unit_is_there_if_numeric on app.habits is
    'The unit must be there in a habit with a number, and absent from any other.';
comment on constraint habits_unit_is_1_to_50_characters on app.habits is
    'The unit must have 1 to 50 characters and not only blanks.';
comment on constraint habits_schedule_is_by_weekdays_or_by_times_per_week on app.habits is
    'The schedule must be either by weekdays or by a number of times a week.';
comment on constraint habits_weekdays_are_some_of_1_to_7_in_order on app.habits is
    'The weekdays must be some of 1 to 7, each once and in this order.';
comment on constraint habits_times_per_week_is_1_to_7 on app.habits is
    'The times a week must be 1 to 7.';
comment on constraint habits_points_are_0_to_1000 on app.habits is
    'The points must be 0 to 1000.';
comment on index app.habits_shared_idx is 'Serves list_habits: what the family shares.';
comment on index app.habits_private_idx is 'Serves list_habits: what is private to the reader.';
comment on index app.habits_deleted_at_idx is
    'Serves count_purgeable and purge_habits.';
comment on trigger _100_touch on app.habits is 'Keeps created_at, updated_at and row_version.';
comment on trigger _110_refuse_truncate on app.habits is
    'Rows leave one by one, so that the audit trail sees them.';
comment on trigger _200_refuse_others on app.habits is
    'Others than its owner may retire and restore a habit, and change nothing else.';
comment on trigger _900_audit on app.habits is 'Writes the audit trail.';

-- The stub of the rule that nobody adds to what they do not see; sql/functions has the function
-- itself.
create function app.tg_require_visible_parent()
    returns trigger
    language plpgsql
as $$
begin
    raise exception 'functions are not installed yet' using hint = 'Run: hearth migrate';
end
$$;

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
    entered_on date not null,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,

    primary key (family_id, habit_id, logged_on),
    foreign key (family_id, habit_id, user_id, visibility, type)
        references app.habits (family_id, id, user_id, visibility, type)
        on update cascade on delete cascade,

    constraint habit_logs_logged_on_is_in_the_calendar
        check (logged_on between '1900-01-01' and '2999-12-31'),
    -- One day ahead, for who is east of home.
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

-- One plan for all, which suits large families (see app.family_memberships): a thousand rows.
alter table app.habit_logs alter column family_id set (n_distinct = -0.001);

create trigger _100_touch before update on app.habit_logs
    for each row execute function app.tg_touch();
create trigger _110_refuse_truncate before truncate on app.habit_logs
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');
create trigger _150_refuse_unseen before insert on app.habit_logs
    for each row execute function app.tg_require_visible_parent('habit');
create trigger _900_audit after insert or update or delete on app.habit_logs
    for each row execute function app.tg_record_audit();

comment on table app.habit_logs is 'What was done of a habit on a day. One row a day.';
comment on column app.habit_logs.family_id is 'The tenant.';
comment on column app.habit_logs.habit_id is 'The habit it belongs to.';
comment on column app.habit_logs.logged_on is 'The day, in the family''s time zone.';
comment on column app.habit_logs.user_id is 'The owner of the habit.';
comment on column app.habit_logs.visibility is 'The visibility of the habit; changes with it.';
comment on column app.habit_logs.type is 'The type of the habit.';
comment on column app.habit_logs.value is
    'How much: in the unit of the habit, of a duration in minutes; null for yes or no.';
comment on column app.habit_logs.target_value is
    'The target of the day, in the same; null for yes or no.';
comment on column app.habit_logs.is_done is
    'Whether it was done: as said for yes or no, else whether the target was reached.';
comment on column app.habit_logs.note is 'What there is to say of it, up to 1000 characters.';
comment on column app.habit_logs.entered_on is
    'The day it was last written, in the family''s time zone.';
comment on column app.habit_logs.created_at is 'When the row was made; never changes.';
comment on column app.habit_logs.updated_at is 'When the row last changed; strictly increasing.';
comment on column app.habit_logs.row_version is 'Counts the changes of the row, from 1.';
comment on constraint habit_logs_pkey on app.habit_logs is 'This day is logged already.';
comment on constraint habit_logs_family_id_habit_id_user_id_visibility_type_fkey
    on app.habit_logs is
    'The habit does not exist.';
comment on constraint habit_logs_logged_on_is_in_the_calendar on app.habit_logs is
    'The date must lie between the years 1900 and 2999.';
comment on constraint habit_logs_logged_on_is_at_most_a_day_ahead on app.habit_logs is
    'The date must not be after tomorrow: a day is logged when it has come.';
comment on constraint habit_logs_value_is_absent_if_boolean on app.habit_logs is
    'The value must be absent: this habit is logged as done or not done.';
comment on constraint habit_logs_value_is_there_unless_boolean on app.habit_logs is
    'The value must be given: whether this habit was done is told by its target.';
comment on constraint habit_logs_value_is_0_to_1000000 on app.habit_logs is
    'The value must be 0 to 1000000.';
comment on constraint habit_logs_target_value_is_there_unless_boolean on app.habit_logs is
    'The target must be absent from a log of yes or no, and there in any other.';
comment on constraint habit_logs_is_done_is_whether_the_target_was_reached on app.habit_logs is
    'A day is done when the value has reached the target.';
comment on constraint habit_logs_note_is_at_most_1000_characters on app.habit_logs is
    'The note must have at most 1000 characters.';
comment on trigger _100_touch on app.habit_logs is 'Keeps created_at, updated_at and row_version.';
comment on trigger _110_refuse_truncate on app.habit_logs is
    'Rows leave one by one, so that the audit trail sees them.';
comment on trigger _150_refuse_unseen on app.habit_logs is
    'Nobody adds to a habit that they do not see.';
comment on trigger _900_audit on app.habit_logs is 'Writes the audit trail.';
