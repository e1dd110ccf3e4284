-- Today: what is due for the reader, in one response.

-- name: get_today
-- The day is the family's. Habits are one's own, for nobody else logs them: due by the day of the
-- week, or as long as the week has not had its number of days; who has logged today sees that.
-- Tasks are those that are open and due, then those completed today. Routines are all that one may
-- do, with who has done them. What is retired is not due. Of each part there are a hundred at most;
-- one more is read of it, and has_more says where there was one.
--
-- The day is put in as a value, so that the server looks it up in an index and keeps to its order:
-- that of open tasks is by when they were completed, which is never, and then by when they are due.
--
-- Completed tasks are found by a window around the day, and then held against the calendar: where
-- clocks are turned back at night, midnight may come twice.
with today as (
    select
        f.time_zone,
        day.day,
        extract(isodow from day.day)::smallint as weekday,
        date_trunc('week', day.day::timestamp)::date as monday,
        day.day::timestamp at time zone f.time_zone - interval '3 hours' as begins_after,
        day.day::timestamp at time zone f.time_zone + interval '27 hours' as ends_before
    from app.families as f
    cross join lateral (select (now() at time zone f.time_zone)::date as day) as day
    where f.id = :family_id
),

due_habits as (
    select
        to_json(shown) as habit,
        h.created_at,
        h.id
    from app.habits as h
    left join app.habit_logs as l on
        l.family_id = :family_id
        and l.habit_id = h.id
        and l.logged_on = (select d.day from today as d)
    cross join lateral (
        select count(*) filter (where l.is_done) as done
        from app.habit_logs as l
        where
            l.family_id = :family_id
            and l.habit_id = h.id
            and l.logged_on >= (select d.monday from today as d)
            and l.logged_on <= (select d.day from today as d)
    ) as week
    cross join lateral (
        select habit, log, week.done as done_this_week
        from app.habit_json(h) as habit
        left join app.habit_log_json(l) as log on l.habit_id is not null
    ) as shown
    where
        h.family_id = :family_id
        and h.user_id = :user_id
        and h.is_active
        and (
            (select d.weekday from today as d) = any(h.weekdays)
            or week.done < h.times_per_week
            or (h.times_per_week is not null and l.habit_id is not null)
        )
    order by h.created_at, h.id
    limit 101
),

due_tasks as (
    (
        select t, t.completed_at, t.due_on, t.id
        from app.tasks as t
        where
            t.family_id = :family_id
            and t.visibility = 'family'
            and t.completed_at is null
            and t.due_on <= (select d.day from today as d)
        order by t.completed_at, t.due_on, t.id
        limit 101
    )
    union all
    (
        select t, t.completed_at, t.due_on, t.id
        from app.tasks as t
        where
            t.family_id = :family_id
            and t.user_id = :user_id
            and t.visibility = 'private'
            and t.completed_at is null
            and t.due_on <= (select d.day from today as d)
        order by t.completed_at, t.due_on, t.id
        limit 101
    )
),

done_tasks as (
    (
        select t, t.completed_at, t.due_on, t.id
        from app.tasks as t
        where
            t.family_id = :family_id
            and t.visibility = 'family'
            and t.completed_at >= (select d.begins_after from today as d)
            and t.completed_at < (select d.ends_before from today as d)
            and (select d.day from today as d)
                = (t.completed_at at time zone (select d.time_zone from today as d))::date
        order by t.completed_at, t.due_on, t.id
        limit 101
    )
    union all
    (
        select t, t.completed_at, t.due_on, t.id
        from app.tasks as t
        where
            t.family_id = :family_id
            and t.user_id = :user_id
            and t.visibility = 'private'
            and t.completed_at >= (select d.begins_after from today as d)
            and t.completed_at < (select d.ends_before from today as d)
            and (select d.day from today as d)
                = (t.completed_at at time zone (select d.time_zone from today as d))::date
        order by t.completed_at, t.due_on, t.id
        limit 101
    )
),

tasks as (
    (
        select t, completed_at, due_on, id
        from due_tasks
        order by due_on, id
        limit 100
    )
    union all
    (
        select t, completed_at, due_on, id
        from done_tasks
        order by completed_at, id
        limit 100
    )
),

seen_routines as (
    (
        select r, r.created_at, r.id
        from app.routines as r
        where r.family_id = :family_id and r.visibility = 'family' and r.is_active
        order by r.created_at desc, r.id desc
        limit 101
    )
    union all
    (
        select r, r.created_at, r.id
        from app.routines as r
        where
            r.family_id = :family_id
            and r.user_id = :user_id
            and r.visibility = 'private'
            and r.is_active
        order by r.created_at desc, r.id desc
        limit 101
    )
),

done_routines as materialized (
    select
        c.routine_id,
        bool_or(c.user_id = :user_id) as is_done,
        to_json(array_agg(c.user_id order by c.created_at, c.user_id)) as done_by
    from app.routine_completions as c
    where c.family_id = :family_id and c.completed_on = (select d.day from today as d)
    group by c.routine_id
),

routines as (
    select
        to_json(shown) as routine,
        s.created_at,
        s.id
    from (
        select r, created_at, id
        from seen_routines
        order by created_at desc, id desc
        limit 100
    ) as s
    left join done_routines as done on done.routine_id = s.id
    cross join lateral (
        select
            routine,
            coalesce(done.is_done, false) as is_done,
            coalesce(done.done_by, '[]') as done_by
        from app.routine_json(s.r) as routine
    ) as shown
)

select to_json(response)::text as body
from (
    select
        d.day,
        d.time_zone,
        (
            select coalesce(to_json((array_agg(habit order by created_at, id))[1 : 100]), '[]')
            from due_habits
        ) as habits,
        (
            select
                coalesce(
                    to_json(array_agg(shown order by completed_at nulls first, due_on, id)), '[]'
                )
            from tasks
            cross join app.task_json(t) as shown
        ) as tasks,
        (
            select coalesce(to_json(array_agg(routine order by created_at desc, id desc)), '[]')
            from routines
        ) as routines,
        (
            select to_json(more)
            from (
                select
                    exists (select from due_habits offset 100) as habits,
                    exists (select from due_tasks offset 100)
                    or exists (select from done_tasks offset 100) as tasks,
                    exists (select from seen_routines offset 100) as routines
            ) as more
        ) as has_more
    from today as d
) as response;
