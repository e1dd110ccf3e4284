-- Habits, the days that were logged of them, and what these come to.
--
-- Days are the family's: now() and created_at are days there, wherever the server and the caller
-- are.

-- name: list_habits
-- From the newest to the oldest. What the family shares and what is private to the reader are two
-- lists, each with an index in that order (see list_tasks).
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of((array_agg(created_at))[:limit], (array_agg(id))[:limit])
) as body
from (
    (
        select shown, h.created_at, h.id
        from app.habits as h
        cross join app.habit_json(h) as shown
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
        select shown, h.created_at, h.id
        from app.habits as h
        cross join app.habit_json(h) as shown
        where
            h.family_id = :family_id
            and h.user_id = :user_id
            and h.visibility = 'private'
            and h.is_active = :is_active
            and (h.created_at, h.id) < (:after_at, :after_id)
        order by h.created_at desc, h.id desc
        limit :limit::integer + 1
    )
    order by created_at desc, id desc
    limit :limit::integer + 1
) as page;


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
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of(
        (array_agg(logged_on))[:limit]::timestamp at time zone 'UTC', (array_agg(habit_id))[:limit]
    )
) as body
from (
    select shown, l.logged_on, l.habit_id
    from app.habit_logs as l
    cross join app.habit_log_json(l) as shown
    where
        l.family_id = :family_id
        and l.habit_id = :habit_id
        and l.logged_on <= (:after_at::timestamptz at time zone 'UTC')::date
        and (l.logged_on, l.habit_id) < ((:after_at at time zone 'UTC')::date, :after_id)
        and l.logged_on >= case when :from_day::date is null then '-infinity' else :from_day end
        and l.logged_on <= case when :to_day::date is null then 'infinity' else :to_day end
    order by l.logged_on desc
    limit :limit::integer + 1
) as page
having exists (
    select from app.habits as h
    where h.family_id = :family_id and h.id = :habit_id and h.is_active
);


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
-- A habit has turns: each of its weekdays, or each week from Monday to Sunday, which is done when
-- times_per_week of its days are. A turn asks for one day, or for so many; no more of it is done
-- than it asks for. Days that were done beside the schedule are in no turn.
--
-- A turn counts if it is over, or done. Three kinds count only once they are done, and are else in
-- no rate and no streak (spared): the one that is still running; the week in which the habit began
-- (made, or first logged if that was before), unless that was its Monday; and any turn on a day of
-- which the habit was retired.
--
-- Due and done are the days of the turns that count in the period: a turn is in that in which its
-- last day lies, the running one in that which holds today. A streak is turns done in a row among
-- those that count, in the whole life of the habit. Sum and mean are of every value logged in the
-- period. Nothing here goes through the calendar: a life may be centuries long, with a few logs.
with habit as (
    select
        h.weekdays, h.times_per_week, h.retired_days,
        (h.created_at at time zone f.time_zone)::date as made_on,
        (now() at time zone f.time_zone)::date as today
    from app.habits as h
    inner join app.families as f on f.id = h.family_id
    where h.family_id = :family_id and f.id = :family_id and h.id = :habit_id and h.is_active
),

-- A log ahead of today waits for its day.
logs as materialized (
    select l.logged_on, l.value, l.is_done
    from habit
    inner join app.habit_logs as l
        on l.family_id = :family_id and l.habit_id = :habit_id and l.logged_on <= habit.today
),

life as (
    select
        habit.*,
        least(made_on, (select min(logged_on) from logs)) as began_on,
        coalesce(:from_day::date, coalesce(:to_day::date, today) - 29) as first_on,
        coalesce(:to_day::date, least(today, :from_day::date + 3652)) as last_on
    from habit
),

-- Which turns are over in the period, up to the one before next_turn; and which is running, if
-- today belongs to one.
period as materialized (
    select
        life.*,
        app.occurrence_of(greatest(first_on, began_on), weekdays) as first_turn,
        app.occurrence_of(least(last_on + 1, today), weekdays) as next_turn,
        app.occurrence_of(today, weekdays) as running_turn
    from life
),

-- The days that were done, and those that spare their turn.
days as (
    select logged_on as day, false as is_spared
    from logs
    where is_done
    union all
    select today, true
    from period
    union all
    select began_on, true
    from period
    where weekdays is null and extract(isodow from began_on) <> 1
    union all
    select lower(retired) + n, true
    from period
    cross join unnest(retired_days) as retired
    cross join generate_series(0, upper(retired) - lower(retired) - 1) as n
),

-- Those of which anything was done, and those that are spared.
turns as (
    select
        app.occurrence_of(day, weekdays) as turn,
        coalesce(times_per_week, 1) as asked,
        count(*) filter (where not is_spared) as done,
        bool_or(is_spared) as is_spared
    from period
    cross join days
    where weekdays is null or extract(isodow from day)::integer = any(weekdays)
    group by turn, asked
),

-- A spared turn that was not done stands in a streak without a place of its own.
streaks as (
    select count(*) filter (where is_done) as length, max(turn) as last_turn
    from (
        select
            turn, done >= asked as is_done,
            turn - row_number() over (order by turn) as streak
        from turns
        where done >= asked or is_spared
    ) as unbroken
    group by streak
),

figures as materialized (
    select
        first_on, last_on, current_streak, longest_streak, done, total, mean,
        coalesce(times_per_week, 1) * (
            greatest(next_turn - first_turn, 0) + running - spared
        ) as due
    from period
    cross join lateral (
        select
            coalesce(max(length), 0) as longest_streak,
            coalesce(max(length) filter (where last_turn >= running_turn - 1), 0) as current_streak
        from streaks
    ) as of_streaks
    cross join lateral (
        select
            count(*) filter (where turn = running_turn) as running,
            count(*) filter (where is_spared and done < asked) as spared,
            coalesce(
                sum(least(done, asked)) filter (where done >= asked or not is_spared), 0
            ) as done
        from turns
        where
            turn >= first_turn
            and (
                turn < next_turn
                or (turn = running_turn and today between first_on and last_on)
            )
    ) as of_turns
    cross join lateral (
        select sum(value) as total, avg(value) as mean
        from logs
        where logged_on between first_on and last_on
    ) as of_values
)

select to_json(response)::text as body, null::bigint as row_version
from (
    select
        first_on,
        last_on,
        current_streak,
        longest_streak,
        due,
        done,
        trim_scale(round(done / nullif(due, 0), 4)) as completion_rate,
        trim_scale(total) as sum,
        trim_scale(round(mean, 3)) as mean
    from figures
) as response;
