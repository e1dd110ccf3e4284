-- Exercises, the family's catalogue of them, and what each member did of them.
--
-- The catalogue belongs to the family: the member who added an exercise may leave, and the exercise
-- stays, with the logs of the others. A log belongs to its member alone: health is nobody else's
-- business.
--
-- All measures of a log are those of one set: 3 sets of 60 s are three minutes, and 6 sets of 400 m
-- are 2400 m. A log without sets counts as one set.
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
    -- Others have logged it too, so it outlives the member who added it.
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete set null (user_id),

    constraint exercises_name_is_1_to_100_characters
        check (app.is_line(name) and length(name) <= 100),
    constraint exercises_description_is_at_most_1000_characters
        check (length(description) <= 1000),
    constraint exercises_points_are_0_to_1000
        check (points between 0 and 1000)
);
alter table app.exercises enable row level security;
alter table app.exercises force row level security;
alter table app.exercises alter column family_id set (n_distinct = -0.001);

-- One active exercise of a name, in whatever form it is written; a retired one leaves its name to
-- others.
create unique index exercises_family_id_name_key
    on app.exercises (family_id, app.text_key(name)) where is_active;

-- Serves list_exercises: those in use, or those retired.
create index exercises_family_id_is_active_created_at_id_idx
    on app.exercises (family_id, is_active, created_at, id);

-- Serves the foreign key to the membership.
create index exercises_family_id_user_id_idx on app.exercises (family_id, user_id);

-- Serves count_exercises_to_purge and purge_exercises: what is retired, the oldest first.
create index exercises_deleted_at_idx on app.exercises (deleted_at) where deleted_at is not null;

comment on table app.exercises is 'What the members of a family do for exercise; its catalogue.';
comment on column app.exercises.user_id is
    'Who wrote it into the catalogue; null once they are purged.';
comment on column app.exercises.name is 'Unique among the active ones, in the form of text_key.';
comment on column app.exercises.points is 'For each log of it.';
comment on constraint exercises_family_id_fkey on app.exercises is 'The family does not exist.';
comment on constraint exercises_family_id_user_id_fkey on app.exercises is
    'The user does not belong to this family.';
comment on constraint exercises_name_is_1_to_100_characters on app.exercises is
    'The name must have 1 to 100 characters, not all invisible, and no blank at its ends.';
comment on constraint exercises_description_is_at_most_1000_characters on app.exercises is
    'The description must have at most 1000 characters.';
comment on constraint exercises_points_are_0_to_1000 on app.exercises is
    'The points must be 0 to 1000.';
comment on index app.exercises_family_id_name_key is
    'An exercise with this name already exists.';

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
    entered_on date not null default (now() at time zone 'UTC')::date,

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
    -- One day ahead, for members who are east of home.
    constraint exercise_logs_performed_on_is_at_most_a_day_ahead
        check (performed_on <= entered_on + 1),
    -- Sets and a weight alone do not say what was done.
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
alter table app.exercise_logs alter column family_id set (n_distinct = -0.001);

-- Serves list_exercise_logs, get_exercise_records, get_exercise_volume, and the cascade from
-- family_memberships. The cascade from exercises reads the family's part of it: with an index of
-- its own beside this one, the planner would take either for any query, and read too much.
create index exercise_logs_days_idx
    on app.exercise_logs (family_id, user_id, exercise_id, performed_on, id);

comment on table app.exercise_logs is
    'What somebody did of an exercise; only they see it. Measures are those of one set.';
comment on column app.exercise_logs.performed_on is 'In the family''s time zone.';
comment on column app.exercise_logs.sets is 'Null for one.';
comment on column app.exercise_logs.reps is 'Repetitions in each set.';
comment on column app.exercise_logs.weight_kg is
    'Kilograms moved in each repetition; null without a weight.';
comment on column app.exercise_logs.duration_s is 'Seconds that each set took.';
comment on column app.exercise_logs.distance_m is 'Metres covered in each set.';
comment on column app.exercise_logs.volume_kg is
    'Kilograms moved in all: sets x reps x weight_kg; null without reps or a weight.';
comment on column app.exercise_logs.entered_on is
    'The family''s day when it was last written.';
comment on constraint exercise_logs_family_id_exercise_id_fkey on app.exercise_logs is
    'The exercise does not exist.';
comment on constraint exercise_logs_family_id_user_id_fkey on app.exercise_logs is
    'The user does not belong to this family.';
comment on constraint exercise_logs_performed_on_is_in_the_calendar on app.exercise_logs is
    'The day must be in the year 1900 or later.';
comment on constraint exercise_logs_performed_on_is_at_most_a_day_ahead on app.exercise_logs is
    'The day must not be after tomorrow.';
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
