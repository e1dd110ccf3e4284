-- Exercises, the family's catalogue of them, and what each member did of them.
--
-- The catalogue is the family's: whoever wrote an exercise into it may go, and the exercise stays,
-- with what the others did of it. What somebody did is theirs alone: health is nobody else's
-- business.
--
-- All measures of a log are those of one set: 3 sets of 60 s are three minutes, and 6 sets of 400 m
-- are 2400 m. Without sets there was one.
--
-- depends: 0011_invitations

set local role app_owner;

create table app.exercises (
    family_id uuid not null,
    id uuid not null default app.new_id(),
    user_id uuid,

    name text not null,
    description text,
    points integer not null default 1,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    deleted_at timestamptz,
    is_active boolean not null generated always as (deleted_at is null) stored,

    primary key (family_id, id),
    foreign key (family_id) references app.families (id) on delete cascade,
    -- Others have done it too: it does not go with whoever wrote it down.
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete set null (user_id),

    constraint exercises_name_is_1_to_100_characters
        check (name ~ '\S' and length(name) <= 100),
    constraint exercises_description_is_at_most_1000_characters
        check (length(description) <= 1000),
    constraint exercises_points_are_0_to_1000
        check (points between 0 and 1000)
);
alter table app.exercises enable row level security;
alter table app.exercises force row level security;

-- One plan for all, which suits large families (see app.family_memberships): a thousand rows.
alter table app.exercises alter column family_id set (n_distinct = -0.001);

-- One exercise of a name, whatever its case; those that are retired leave theirs to others.
create unique index exercises_family_id_lower_name_key
    on app.exercises (family_id, lower(name)) where is_active;

-- Serves list_exercises: those in use, or those retired.
create index exercises_family_id_is_active_created_at_id_idx
    on app.exercises (family_id, is_active, created_at, id);

-- Serves the foreign key to the membership.
create index exercises_family_id_user_id_idx on app.exercises (family_id, user_id);

-- Serves count_purgeable and purge_exercises: nothing but what is retired, the oldest first.
create index exercises_deleted_at_idx on app.exercises (deleted_at) where deleted_at is not null;

create trigger _100_touch before update on app.exercises
    for each row execute function app.tg_touch();
create trigger _110_refuse_truncate before truncate on app.exercises
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');
create trigger _900_audit after insert or update or delete on app.exercises
    for each row execute function app.tg_record_audit();

comment on table app.exercises is 'What the members of a family do for exercise; its catalogue.';
comment on column app.exercises.family_id is 'The tenant.';
comment on column app.exercises.id is 'Names the exercise within its family.';
comment on column app.exercises.user_id is
    'Who wrote it into the catalogue; null once they are purged.';
comment on column app.exercises.name is
    'Such as Bench press, 1 to 100 characters; unique among those in use, whatever its case.';
comment on column app.exercises.description is 'How it is done, up to 1000 characters.';
comment on column app.exercises.points is 'What doing it is worth, 0 to 1000 points.';
comment on column app.exercises.created_at is 'When the row was made; never changes.';
comment on column app.exercises.updated_at is 'When the row last changed; strictly increasing.';
comment on column app.exercises.row_version is 'Counts the changes of the row, from 1.';
comment on column app.exercises.deleted_at is
    'When the exercise was retired; null while it is in use.';
comment on column app.exercises.is_active is 'True until the exercise is retired.';
comment on constraint exercises_pkey on app.exercises is 'This exercise exists already.';
comment on constraint exercises_family_id_fkey on app.exercises is 'The family does not exist.';
comment on constraint exercises_family_id_user_id_fkey on app.exercises is
    'The user does not belong to this family.';
comment on constraint exercises_name_is_1_to_100_characters on app.exercises is
    'The name must have 1 to 100 characters and not only blanks.';
comment on constraint exercises_description_is_at_most_1000_characters on app.exercises is
    'The description must have at most 1000 characters.';
comment on constraint exercises_points_are_0_to_1000 on app.exercises is
    'The points must be 0 to 1000.';
comment on index app.exercises_family_id_lower_name_key is
    'There is already an exercise with this name.';
comment on index app.exercises_family_id_is_active_created_at_id_idx is
    'Serves list_exercises: those in use, or those retired.';
comment on index app.exercises_family_id_user_id_idx is
    'Serves the foreign key to the membership.';
comment on index app.exercises_deleted_at_idx is
    'Serves count_purgeable and purge_exercises.';
comment on trigger _100_touch on app.exercises is 'Keeps created_at, updated_at and row_version.';
comment on trigger _110_refuse_truncate on app.exercises is
    'Rows leave one by one, so that the audit trail sees them.';
comment on trigger _900_audit on app.exercises is 'Writes the audit trail.';

create table app.exercise_logs (
    family_id uuid not null,
    id uuid not null default app.new_id(),
    exercise_id uuid not null,
    user_id uuid not null,

    performed_on date not null,
    sets integer,
    reps integer,
    weight_kg numeric,
    duration_s integer,
    distance_m numeric,
    volume_kg numeric generated always as (coalesce(sets, 1) * reps * weight_kg) stored,
    note text,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,

    primary key (family_id, id),
    foreign key (family_id, exercise_id) references app.exercises (family_id, id)
        on delete cascade,
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete cascade,

    constraint exercise_logs_performed_on_is_in_the_calendar
        check (performed_on >= '1900-01-01'),
    -- No time zone is further ahead than the day after the one in UTC.
    constraint exercise_logs_performed_on_is_not_in_the_future
        check (performed_on <= (updated_at at time zone 'UTC')::date + 1),
    -- Sets are sets of something, and a weight is lifted or carried.
    constraint exercise_logs_log_has_reps_duration_or_distance
        check (num_nonnulls(reps, duration_s, distance_m) > 0),
    constraint exercise_logs_sets_are_1_to_100
        check (sets between 1 and 100),
    constraint exercise_logs_reps_are_1_to_10000
        check (reps between 1 and 10000),
    constraint exercise_logs_weight_kg_is_0_01_to_2000
        check (weight_kg between 0.01 and 2000),
    constraint exercise_logs_duration_s_is_1_to_86400
        check (duration_s between 1 and 86400),
    constraint exercise_logs_distance_m_is_0_01_to_2000000
        check (distance_m between 0.01 and 2000000),
    constraint exercise_logs_note_is_at_most_1000_characters
        check (length(note) <= 1000)
);
alter table app.exercise_logs enable row level security;
alter table app.exercise_logs force row level security;

-- One plan for all, which suits large families (see app.family_memberships): a thousand rows.
alter table app.exercise_logs alter column family_id set (n_distinct = -0.001);

-- Serves list_exercise_logs, get_exercise_records, get_exercise_volume, and the cascade from
-- family_memberships. That from exercises reads the family's part of it, when one is purged: with
-- an index of its own beside this one, the planner takes either for any query, and reads too much.
create index exercise_logs_days_idx
    on app.exercise_logs (family_id, user_id, exercise_id, performed_on, id);

create trigger _100_touch before update on app.exercise_logs
    for each row execute function app.tg_touch();
create trigger _110_refuse_truncate before truncate on app.exercise_logs
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');
create trigger _900_audit after insert or update or delete on app.exercise_logs
    for each row execute function app.tg_record_audit('private');

comment on table app.exercise_logs is
    'What somebody did of an exercise; only they see it. Measures are those of one set.';
comment on column app.exercise_logs.family_id is 'The tenant.';
comment on column app.exercise_logs.id is 'Names the log within its family.';
comment on column app.exercise_logs.exercise_id is 'What was done; it does not change.';
comment on column app.exercise_logs.user_id is 'Who did it; it does not change hands.';
comment on column app.exercise_logs.performed_on is
    'The day it was done, in the family''s time zone; not in the future.';
comment on column app.exercise_logs.sets is 'How many sets, 1 to 100; null for one.';
comment on column app.exercise_logs.reps is 'Repetitions in each set, 1 to 10000.';
comment on column app.exercise_logs.weight_kg is
    'Kilograms moved in each repetition, 0.01 to 2000; null without a weight.';
comment on column app.exercise_logs.duration_s is 'Seconds that each set took, 1 to 86400.';
comment on column app.exercise_logs.distance_m is 'Metres covered in each set, 0.01 to 2000000.';
comment on column app.exercise_logs.volume_kg is
    'Kilograms moved in all: sets x reps x weight_kg; null without reps or a weight.';
comment on column app.exercise_logs.note is 'How it went, up to 1000 characters.';
comment on column app.exercise_logs.created_at is 'When the row was made; never changes.';
comment on column app.exercise_logs.updated_at is 'When the row last changed; strictly increasing.';
comment on column app.exercise_logs.row_version is 'Counts the changes of the row, from 1.';
comment on constraint exercise_logs_pkey on app.exercise_logs is 'This log exists already.';
comment on constraint exercise_logs_family_id_exercise_id_fkey on app.exercise_logs is
    'The exercise does not exist.';
comment on constraint exercise_logs_family_id_user_id_fkey on app.exercise_logs is
    'The user does not belong to this family.';
comment on constraint exercise_logs_performed_on_is_in_the_calendar on app.exercise_logs is
    'The day must not lie before the year 1900.';
comment on constraint exercise_logs_performed_on_is_not_in_the_future on app.exercise_logs is
    'The day on which it was performed must not lie in the future.';
comment on constraint exercise_logs_log_has_reps_duration_or_distance on app.exercise_logs is
    'A log needs reps, a duration or a distance.';
comment on constraint exercise_logs_sets_are_1_to_100 on app.exercise_logs is
    'The sets must be 1 to 100.';
comment on constraint exercise_logs_reps_are_1_to_10000 on app.exercise_logs is
    'The reps must be 1 to 10000.';
comment on constraint exercise_logs_weight_kg_is_0_01_to_2000 on app.exercise_logs is
    'The weight must be 0.01 to 2000 kg.';
comment on constraint exercise_logs_duration_s_is_1_to_86400 on app.exercise_logs is
    'The duration must be 1 to 86400 seconds.';
comment on constraint exercise_logs_distance_m_is_0_01_to_2000000 on app.exercise_logs is
    'The distance must be 0.01 to 2000000 m.';
comment on constraint exercise_logs_note_is_at_most_1000_characters on app.exercise_logs is
    'The note must have at most 1000 characters.';
comment on index app.exercise_logs_days_idx is
    'Serves list_exercise_logs, get_exercise_records, get_exercise_volume, and the cascade from'
    ' family_memberships.';
comment on trigger _100_touch on app.exercise_logs is
    'Keeps created_at, updated_at and row_version.';
comment on trigger _110_refuse_truncate on app.exercise_logs is
    'Rows leave one by one, so that the audit trail sees them.';
comment on trigger _900_audit on app.exercise_logs is
    'Writes the audit trail; private to the owner.';
