-- Scores: a ledger of points, for what was done.
--
-- A trigger awards points in the transaction that completes something, and reverses the award in
-- the one that takes it back. An entry never changes: another entry reverses it, with the same
-- points, for the same day and person. So what a thing is worth may change without rewriting what
-- it was worth, and a sum over the entries is right on every day.
--
-- No foreign key leads to what the points are for: they outlive it. A task that was done stays
-- done, even if it is deleted later.
--
-- locks: app.tasks access exclusive, because it gets a column
-- locks: app.habit_logs access exclusive, because its policy file runs again
-- locks: app.routine_completions access exclusive, because its policy file runs again
-- locks: app.exercise_logs access exclusive, because its policy file runs again
-- depends: 0014_routines

set local role app_owner;

-- What a task is worth.
alter table app.tasks
    add column points integer not null default 1
        constraint tasks_points_are_0_to_1000 check (points between 0 and 1000);

comment on constraint tasks_points_are_0_to_1000 on app.tasks is
    'The points must be 0 to 1000.';

-- These indexes are built here because the new column and the policy files keep writers out of
-- their tables anyway, until the commit.
--
-- Serves get_today: who has done which routine on a day.
-- squawk-ignore require-concurrent-index-creation
create index routine_completions_today_idx
    on app.routine_completions (family_id, completed_on);

-- Serves get_today: of what the family shares, the open tasks that are due, and those completed
-- today, however many were completed before.
-- squawk-ignore require-concurrent-index-creation
create index tasks_shared_today_idx
    on app.tasks (family_id, completed_at, due_on) where visibility = 'family';

-- Serves get_today: the same of what is private to the reader.
-- squawk-ignore require-concurrent-index-creation
create index tasks_private_today_idx
    on app.tasks (family_id, user_id, completed_at, due_on) where visibility = 'private';

create type app.score_kind as enum ('task', 'habit', 'routine', 'exercise');

comment on type app.score_kind is 'What points are for.';

create type app.score_period as enum ('week', 'month', 'all');

comment on type app.score_period is
    'What a leaderboard spans: from Monday to Sunday, a month of the calendar, everything.';

create table app.score_entries (
    family_id uuid not null,
    id uuid not null default app.new_id(),
    user_id uuid not null,

    kind app.score_kind not null,
    source_id uuid not null,
    scored_on date not null,
    sequence integer not null,
    points integer not null,

    -- The clock, not the transaction's start: entries of one transaction keep their order.
    created_at timestamptz not null default clock_timestamp(),

    primary key (family_id, id),
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete cascade,

    constraint score_entries_scored_on_is_in_the_calendar
        check (scored_on between '1900-01-01' and '2999-12-31'),
    constraint score_entries_sequence_is_positive
        check (sequence > 0),
    -- The first is an award, the second its reversal, the third an award again.
    constraint score_entries_points_fit_the_sequence
        check (
            case sequence % 2
                when 1 then points between 1 and 1000
                else points between -1000 and -1
            end
        )
);
alter table app.score_entries enable row level security;
alter table app.score_entries force row level security;
alter table app.score_entries alter column family_id set (n_distinct = -0.001);

-- Nothing is scored twice, however often and by however many at once it is completed: the second
-- award would have the number of the first. A task or an exercise log is one thing for everybody.
create unique index score_entries_once_idx
    on app.score_entries (family_id, kind, source_id, sequence)
    where kind in ('task', 'exercise');

-- A habit or a routine is another thing on each day, and for each person.
create unique index score_entries_daily_idx
    on app.score_entries (family_id, kind, source_id, user_id, scored_on, sequence)
    where kind in ('habit', 'routine');

-- Serves list_scores, and the cascade from family_memberships; record_score adds up the points of a
-- day in it, and would else take the next one and read all of a person's.
create index score_entries_list_idx
    on app.score_entries (family_id, user_id, created_at, id) include (points);

-- Serves get_leaderboard, and the sum of list_scores: they read nothing but the index. Serves
-- list_scores when it is asked for days.
create index score_entries_days_idx
    on app.score_entries (family_id, user_id, scored_on) include (points);

comment on table app.score_entries is 'Points, awarded and reversed. Append-only.';
comment on column app.score_entries.source_id is
    'The task, habit, routine or log of an exercise; no foreign key: points outlive it.';
comment on column app.score_entries.scored_on is 'In the family''s time zone as it was.';
comment on column app.score_entries.sequence is
    'Counts the entries for one thing, from 1: an odd one awards, the even one after it reverses.';
comment on column app.score_entries.points is 'Negative when they are taken back.';
comment on constraint score_entries_family_id_user_id_fkey on app.score_entries is
    'The user does not belong to this family.';
comment on constraint score_entries_scored_on_is_in_the_calendar on app.score_entries is
    'The day must be between the years 1900 and 2999.';
comment on constraint score_entries_sequence_is_positive on app.score_entries is
    'The entries for one thing count from 1.';
comment on constraint score_entries_points_fit_the_sequence on app.score_entries is
    'An award has 1 to 1000 points; its reversal has -1000 to -1.';
comment on index app.score_entries_once_idx is
    'These points have already been awarded or reversed.';
comment on index app.score_entries_daily_idx is
    'These points have already been awarded or reversed for this day.';
