-- Habits, the days that were logged of them, and what these come to.
--
-- Days are the family's: now() and created_at are days there, wherever the server and the caller
-- are.

-- name: list_habits
-- From the newest to the oldest. What the family shares and what is private to the reader are two
-- lists, each with an index in that order (see list_tasks).
with seen as (
    (
        select h, h.created_at, h.id
        from app.habits as h
        where
            h.family_id = :family_id
            and h.visibility = 'family'
            and h.is_active = :is_active
            and (h.created_at, h.id) < (:after_at, :after_id)
        order by h.created_at desc, h.id desc
        limit :limit::integer + 1
    )
    union all
    (
        select h, h.created_at, h.id
        from app.habits as h
        where
            h.family_id = :family_id
            and h.user_id = :user_id
            and h.visibility = 'private'
            and h.is_active = :is_active
            and (h.created_at, h.id) < (:after_at, :after_id)
        order by h.created_at desc, h.id desc
        limit :limit::integer + 1
    )
),

page as (
    select h, created_at, id, row_number() over (order by created_at desc, id desc) as n
    from seen
    order by created_at desc, id desc
    limit :limit::integer + 1
)

select to_json(response)::text as body
from (
    select
        coalesce(
            to_json(array_agg(shown order by n) filter (where n <= :limit::integer)), '[]'
        ) as items,
        case
            when count(*) > :limit::integer
                then max(app.cursor_of(created_at, id)) filter (where n = :limit::integer)
        end as next
    from page
    cross join app.habit_json(h) as shown
) as response;

-- name: create_habit
-- Weekdays are a set: they are kept in their order, each once.
insert into app.habits as h (
    family_id, user_id, name, description, type, target_value, unit, weekdays, times_per_week,
    points, visibility
)
values (
    :family_id, :user_id, :name, :description, :type, :target_value::float8, :unit,
    (select array_agg(distinct day) from unnest(:weekdays::bigint[]) as day),
    :times_per_week::integer, :points, :visibility
)
returning (select shown from app.habit_json(h) as shown)::text as body, h.row_version;

-- name: get_habit
select shown::text as body, h.row_version
from app.habits as h
cross join app.habit_json(h) as shown
where h.family_id = :family_id and h.id = :habit_id and h.is_active;

-- name: update_habit
-- A field that is absent keeps its value, a null empties it. Who changes the kind of schedule sets
-- one of its fields and empties the other.
update app.habits as h
set
    (name, description, target_value, unit, weekdays, times_per_week, points, visibility) = (
        select
            n.name, n.description, n.target_value, n.unit,
            (select array_agg(distinct day) from unnest(n.weekdays) as day),
            n.times_per_week, n.points, n.visibility
        from jsonb_populate_record(h, :patch::jsonb) as n
    )
where
    h.family_id = :family_id
    and h.id = :habit_id
    and h.is_active
    and (:if_match::bigint[] is null or h.row_version = any(:if_match))
returning (select shown from app.habit_json(h) as shown)::text as body, h.row_version;

-- name: retire_habit
update app.habits as h
set deleted_at = now()
where
    h.family_id = :family_id
    and h.id = :habit_id
    and h.is_active
    and (:if_match::bigint[] is null or h.row_version = any(:if_match))
returning 'true' as body, null::bigint as row_version;

-- name: get_retired_habit
select shown::text as body, h.row_version
from app.habits as h
cross join app.habit_json(h) as shown
where h.family_id = :family_id and h.id = :habit_id and not h.is_active;

-- name: restore_habit
update app.habits as h
set deleted_at = null
where h.family_id = :family_id and h.id = :habit_id and not h.is_active
returning (select shown from app.habit_json(h) as shown)::text as body, h.row_version;

-- name: list_habit_logs
-- From the last day to the first. Of a habit that is not there, null; of one without logs, an empty
-- list. The cursor says the day as its midnight in UTC; it stands there twice, for the index begins
-- at a day and not at a pair.
with page as (
    select l, l.logged_on, l.habit_id, row_number() over (order by l.logged_on desc) as n
    from app.habit_logs as l
    where
        l.family_id = :family_id
        and l.habit_id = :habit_id
        and l.logged_on <= (:after_at::timestamptz at time zone 'UTC')::date
        and (l.logged_on, l.habit_id) < ((:after_at at time zone 'UTC')::date, :after_id)
        and l.logged_on >= case when :from_day::date is null then '-infinity' else :from_day end
        and l.logged_on <= case when :to_day::date is null then 'infinity' else :to_day end
    order by l.logged_on desc
    limit :limit::integer + 1
)

select to_json(response)::text as body
from (
    select
        coalesce(
            to_json(array_agg(shown order by n) filter (where n <= :limit::integer)), '[]'
        ) as items,
        case
            when count(*) > :limit::integer
                then max(app.cursor_of(logged_on::timestamp at time zone 'UTC', habit_id))
                    filter (where n = :limit::integer)
        end as next
    from page
    cross join app.habit_log_json(l) as shown
    having exists (
        select from app.habits as h
        where h.family_id = :family_id and h.id = :habit_id and h.is_active
    )
) as response;

-- name: get_habit_log
select shown::text as body, l.row_version
from app.habit_logs as l
inner join app.habits as h on h.family_id = l.family_id and h.id = l.habit_id
cross join app.habit_log_json(l) as shown
where
    l.family_id = :family_id
    and h.family_id = :family_id
    and l.habit_id = :habit_id
    and l.logged_on = :date
    and h.is_active;

-- name: put_habit_log
-- Its target and, unless it is said, whether the day is done are set by tg_judge_habit_log. What
-- does not fit the type is left to the checks, which say so.
--
-- The habit is locked against a change of what its logs carry of it, for the foreign key would
-- refuse what was read before one. With If-Match (not may_create) there must be a row, and as it
-- was seen; it is locked, so that it does not go meanwhile and is made again.
with habit as materialized (
    select h.id, h.user_id, h.visibility, h.type
    from app.habits as h
    where h.family_id = :family_id and h.id = :habit_id and h.is_active
    for key share of h
),

unchanged as materialized (
    select l.habit_id
    from app.habit_logs as l
    where
        l.family_id = :family_id
        and l.habit_id = :habit_id
        and l.logged_on = :date
        and (:if_match::bigint[] is null or l.row_version = any(:if_match))
    for update
)

insert into app.habit_logs as l (
    family_id, habit_id, logged_on, user_id, visibility, type, value, is_done, note
)
select
    :family_id, habit.id, :date, habit.user_id, habit.visibility, habit.type, :value::float8,
    :is_done, :note
from habit
where :may_create or exists (select from unchanged)
on conflict (family_id, habit_id, logged_on) do update
set
    value = excluded.value,
    is_done = :is_done,
    note = excluded.note
where :if_match is null or l.row_version = any(:if_match)
returning (select shown from app.habit_log_json(l) as shown)::text as body, l.row_version;

-- name: see_habit_log
-- For put_habit_log, which has done nothing: whether the caller sees the habit, and the log if
-- there must be one.
select l.row_version
from app.habits as h
left join app.habit_logs as l
    on l.family_id = :family_id and l.habit_id = h.id and l.logged_on = :date
where
    h.family_id = :family_id
    and h.id = :habit_id
    and h.is_active
    and (:may_create or l.logged_on is not null);

-- name: delete_habit_log
delete from app.habit_logs as l
using app.habits as h
where
    l.family_id = :family_id
    and l.habit_id = :habit_id
    and l.logged_on = :date
    and h.family_id = :family_id
    and h.id = :habit_id
    and h.is_active
    and (:if_match::bigint[] is null or l.row_version = any(:if_match))
returning 'true' as body, null::bigint as row_version;

-- name: get_habit_stats
-- A schedule has occurrences (see occurrence_of): each of its weekdays, or each week from
-- Monday to Sunday, which is done when so many of its days are.
--
-- A streak is turns done in a row, in the whole life of the habit. The turn that is still running,
-- today or this week, does not break it. Days that were done beside the schedule do neither.
--
-- The rest is about a period, cut to the habit's life: from the day it was made, or first logged if
-- that was before, until today; and today counts only when it is done, for it is not over. Of a
-- week that the period cuts, as many of its seven days as lie in it are due, in proportion; and
-- more cannot be done than is due. Sum and mean are of every value logged in the period, today
-- included.
with habit as (
    select
        h.weekdays, h.times_per_week,
        (h.created_at at time zone f.time_zone)::date as made_on,
        (now() at time zone f.time_zone)::date as today
    from app.habits as h
    inner join app.families as f on f.id = h.family_id
    where h.family_id = :family_id and f.id = :family_id and h.id = :habit_id and h.is_active
),

-- A log ahead of today waits for its day.
logs as materialized (
    select
        l.logged_on, l.value, l.is_done,
        l.is_done and (
            habit.weekdays is null
            or extract(isodow from l.logged_on)::integer = any(habit.weekdays)
        ) as is_counted,
        app.occurrence_of(l.logged_on, habit.weekdays) as turn,
        app.occurrence_of(l.logged_on, null) as week
    from habit
    inner join app.habit_logs as l
        on l.family_id = :family_id and l.habit_id = :habit_id and l.logged_on <= habit.today
),

asked as (
    select
        habit.*,
        coalesce(:from_day::date, coalesce(:to_day::date, today) - 29) as first_on,
        coalesce(:to_day::date, least(today, :from_day::date + 3652)) as last_on
    from habit
),

period as (
    select
        asked.*,
        greatest(first_on, least(made_on, life.first_logged_on)) as since,
        least(last_on, today) as until,
        least(last_on, case when life.is_today_done then today else today - 1 end) as due_until
    from asked
    cross join lateral (
        select
            min(logs.logged_on) as first_logged_on,
            bool_or(logs.is_done and logs.logged_on = asked.today) as is_today_done
        from logs
    ) as life
),

streaks as (
    select count(*) as length, max(turn) as last_turn
    from (
        select turn, turn - row_number() over (order by turn) as streak
        from logs, habit
        where is_counted
        group by turn, times_per_week
        having count(*) >= coalesce(times_per_week, 1)
    ) as turns
    group by streak
),

-- What was done, week by week: in sevenths of a day, for so they are whole numbers.
weeks as (
    select
        least(
            7 * count(*),
            times_per_week * (
                least(due_until, date '0001-01-01' + week * 7 + 6)
                - greatest(since, date '0001-01-01' + week * 7)
                + 1
            )
        ) as done
    from logs, period
    where is_counted and logged_on between since and due_until
    group by week, times_per_week, since, due_until
),

figures as materialized (
    select
        first_on, last_on, current_streak, longest_streak, done, total, mean,
        case
            when due_until < since then 0
            when weekdays is null then times_per_week * (due_until - since + 1)
            else 7 * (
                app.occurrence_of(due_until, weekdays) - app.occurrence_of(since - 1, weekdays)
            )
        end as due
    from period
    cross join lateral (
        select
            coalesce(max(length), 0) as longest_streak,
            -- Up to the turn before the one that is running: yesterday's, or last week's.
            coalesce(max(length) filter (
                where last_turn >= app.occurrence_of(
                    period.today - case when period.weekdays is null then 7 else 1 end,
                    period.weekdays
                )
            ), 0) as current_streak
        from streaks
    ) as of_streaks
    cross join lateral (select coalesce(sum(done), 0) as done from weeks) as of_weeks
    cross join lateral (
        select sum(value) as total, avg(value) as mean
        from logs
        where logged_on between period.since and period.until
    ) as of_values
)

select to_json(response)::text as body, null::bigint as row_version
from (
    select
        first_on,
        last_on,
        current_streak,
        longest_streak,
        trim_scale(round(due / 7.0, 3)) as due,
        trim_scale(round(done / 7.0, 3)) as done,
        trim_scale(round(done / nullif(due, 0), 4)) as completion_rate,
        trim_scale(total) as sum,
        trim_scale(round(mean, 3)) as mean
    from figures
) as response;
