-- Scores: a ledger of points, for what was done.
--
-- Who completes something is awarded its points in the same transaction, by a trigger; who takes
-- that back gives them back. An entry never changes: what was awarded is reversed by another entry,
-- to the point, on the same day, to the same person. So what a thing is worth may change without
-- rewriting what it was worth, and a sum over the entries is right on every day.
--
-- No foreign key leads to what the points are for: they outlive it. Work that was done was done,
-- also when the task is deleted later.
--
-- locks: app.tasks access exclusive, because it gets a column
-- locks: app.habit_logs share row exclusive, because it gets triggers
-- locks: app.routine_completions share row exclusive, because it gets triggers
-- locks: app.exercise_logs share row exclusive, because it gets triggers
-- depends: 0014_routines

set local role app_owner;

-- What a task is worth.
alter table app.tasks
    add column points integer not null default 1
        constraint tasks_points_are_0_to_1000 check (points between 0 and 1000);

comment on column app.tasks.points is 'What it is worth to complete it, 0 to 1000.';
comment on constraint tasks_points_are_0_to_1000 on app.tasks is
    'The points must be 0 to 1000.';

-- These indexes are built here because the column and the triggers below keep writers out of their
-- tables anyway, until the commit.
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

comment on index app.routine_completions_today_idx is
    'Serves get_today: who has done which routine.';
comment on index app.tasks_shared_today_idx is 'Serves get_today: what the family shares.';
comment on index app.tasks_private_today_idx is
    'Serves get_today: what is private to the reader.';

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

-- One plan for all, which suits large families (see app.family_memberships): a thousand rows.
alter table app.score_entries alter column family_id set (n_distinct = -0.001);

-- Nothing is scored twice, however often and by how many at once it is completed: the second award
-- would have the number of the first. What is done once is one thing for all.
create unique index score_entries_once_idx
    on app.score_entries (family_id, kind, source_id, sequence)
    where kind in ('task', 'exercise');

-- What is done day by day is another thing each day, and for each person.
create unique index score_entries_daily_idx
    on app.score_entries (family_id, kind, source_id, user_id, scored_on, sequence)
    where kind in ('habit', 'routine');

-- Serves list_scores, and the cascade from family_memberships.
create index score_entries_list_idx
    on app.score_entries (family_id, user_id, created_at, id);

-- Serves get_leaderboard, and the sum of list_scores: they read nothing but the index. Serves
-- list_scores when it is asked for days.
create index score_entries_days_idx
    on app.score_entries (family_id, user_id, scored_on) include (points);

create trigger _100_refuse_change before update on app.score_entries
    for each row execute function app.tg_refuse_change('the ledger of points is append-only');
create trigger _110_refuse_delete before delete on app.score_entries
    for each row when (pg_catalog.pg_trigger_depth() = 0)
    execute function app.tg_refuse_change('points go only with their member');
create trigger _120_refuse_truncate before truncate on app.score_entries
    for each statement execute function app.tg_refuse_change('the ledger of points is append-only');
create trigger _900_audit after insert or delete on app.score_entries
    for each row execute function app.tg_record_audit();

comment on table app.score_entries is 'Points, awarded and reversed. Append-only.';
comment on column app.score_entries.family_id is 'The tenant.';
comment on column app.score_entries.id is 'Names the entry within its family.';
comment on column app.score_entries.user_id is 'Whose points they are.';
comment on column app.score_entries.kind is 'What they are for.';
comment on column app.score_entries.source_id is
    'The task, habit, routine or log of an exercise; no foreign key, for points outlive it.';
comment on column app.score_entries.scored_on is
    'The day they count for, in the family''s time zone as it was.';
comment on column app.score_entries.sequence is
    'Counts the entries for one thing, from 1: an odd one awards, the even one after it reverses.';
comment on column app.score_entries.points is 'How many; below zero where they are taken back.';
comment on column app.score_entries.created_at is 'When the entry was made; never changes.';
comment on constraint score_entries_pkey on app.score_entries is 'This entry exists already.';
comment on constraint score_entries_family_id_user_id_fkey on app.score_entries is
    'The user does not belong to this family.';
comment on constraint score_entries_scored_on_is_in_the_calendar on app.score_entries is
    'The day must lie between the years 1900 and 2999.';
comment on constraint score_entries_sequence_is_positive on app.score_entries is
    'The entries for one thing are counted from 1.';
comment on constraint score_entries_points_fit_the_sequence on app.score_entries is
    'An award has 1 to 1000 points, and its reversal has as many below zero.';
comment on index app.score_entries_once_idx is
    'These points were awarded or reversed already.';
comment on index app.score_entries_daily_idx is
    'These points were awarded or reversed for this day already.';
comment on index app.score_entries_list_idx is
    'Serves list_scores, and the cascade from family_memberships.';
comment on index app.score_entries_days_idx is
    'Serves get_leaderboard, and list_scores: its sum, and its days.';
comment on trigger _100_refuse_change on app.score_entries is 'The ledger is append-only.';
comment on trigger _110_refuse_delete on app.score_entries is
    'Points go only with their member.';
comment on trigger _120_refuse_truncate on app.score_entries is 'The ledger is append-only.';
comment on trigger _900_audit on app.score_entries is 'Writes the audit trail.';

-- The stub of what writes the ledger; sql/functions/triggers/tg_score.sql holds it.
grant create on schema app to app_auth;

set local role app_auth;

create function app.tg_score()
    returns trigger
    language plpgsql
as $$
begin
    raise exception 'functions are not installed yet' using hint = 'Run: hearth migrate';
end
$$;

grant execute on function app.tg_score() to app_owner;

set local role app_owner;

revoke create on schema app from app_auth;

-- Each fires where something is completed, that is taken back, or its day is put right, and at no
-- other change of a row. A task that is deleted was done all the same. A log or a completion that
-- is deleted was a mistake; one that goes in a cascade was none, and what it won stays.
create trigger _500_score_insert after insert on app.tasks
    for each row when (NEW.is_completed) execute function app.tg_score('task');
create trigger _510_score_update after update on app.tasks
    for each row when (OLD.is_completed <> NEW.is_completed) execute function app.tg_score('task');

create trigger _500_score_insert after insert on app.habit_logs
    for each row when (NEW.is_done) execute function app.tg_score('habit');
create trigger _510_score_update after update on app.habit_logs
    for each row when (OLD.is_done <> NEW.is_done) execute function app.tg_score('habit');
create trigger _520_score_delete after delete on app.habit_logs
    for each row when (OLD.is_done and pg_catalog.pg_trigger_depth() = 0)
    execute function app.tg_score('habit');

create trigger _500_score_insert after insert on app.routine_completions
    for each row execute function app.tg_score('routine');
create trigger _520_score_delete after delete on app.routine_completions
    for each row when (pg_catalog.pg_trigger_depth() = 0) execute function app.tg_score('routine');

create trigger _500_score_insert after insert on app.exercise_logs
    for each row execute function app.tg_score('exercise');
create trigger _510_score_update after update on app.exercise_logs
    for each row when (OLD.performed_on <> NEW.performed_on)
    execute function app.tg_score('exercise');
create trigger _520_score_delete after delete on app.exercise_logs
    for each row when (pg_catalog.pg_trigger_depth() = 0) execute function app.tg_score('exercise');

comment on trigger _500_score_insert on app.tasks is 'Awards points.';
comment on trigger _510_score_update on app.tasks is 'Awards points, or reverses the award.';
comment on trigger _500_score_insert on app.habit_logs is 'Awards points.';
comment on trigger _510_score_update on app.habit_logs is 'Awards points, or reverses the award.';
comment on trigger _520_score_delete on app.habit_logs is 'Reverses the award.';
comment on trigger _500_score_insert on app.routine_completions is 'Awards points.';
comment on trigger _520_score_delete on app.routine_completions is 'Reverses the award.';
comment on trigger _500_score_insert on app.exercise_logs is 'Awards points.';
comment on trigger _510_score_update on app.exercise_logs is
    'Moves the award to the day on which it was done.';
comment on trigger _520_score_delete on app.exercise_logs is 'Reverses the award.';
