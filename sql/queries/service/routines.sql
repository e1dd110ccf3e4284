-- Routines, newest first, with the versions of their steps, and on which days they were done. Below
-- a routine that is retired nothing is there.

-- name: list_routines
-- The active ones, or the retired. What the family shares and what is private to the reader are two
-- lists, each with an index in that order (see list_tasks).
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of((array_agg(created_at))[:limit], (array_agg(id))[:limit])
) as body
from (
    (
        select shown, r.created_at, r.id
        from app.routines as r
        cross join app.routine_json(r) as shown
        where
            r.family_id = :family_id
            and r.visibility = 'family'
            and r.is_active = :is_active::boolean
            and (r.created_at, r.id) < (:after_at, :after_id)
        order by r.created_at desc, r.id desc
        limit :limit::integer + 1
    )
    union all
    (
        select shown, r.created_at, r.id
        from app.routines as r
        cross join app.routine_json(r) as shown
        where
            r.family_id = :family_id
            and r.user_id = :user_id
            and r.visibility = 'private'
            and r.is_active = :is_active::boolean
            and (r.created_at, r.id) < (:after_at, :after_id)
        order by r.created_at desc, r.id desc
        limit :limit::integer + 1
    )
    order by created_at desc, id desc
    limit :limit::integer + 1
) as page;


-- name: create_routine
-- With its first version.
with made as (
    insert into app.routines as r (family_id, user_id, name, description, visibility, points)
    values (:family_id, :user_id, :name, :description, :visibility, :points)
    returning r
),

saved as (
    insert into app.routine_versions as v (
        family_id, routine_id, version, user_id, routine_visibility, saved_visibility, author_id
    )
    select
        (r).family_id, (r).id, (r).version, (r).user_id, (r).visibility, (r).visibility,
        (r).user_id
    from made
    returning v.*
),

steps as (
    insert into app.routine_steps as s (
        family_id, routine_id, version, position, user_id, visibility, title, minutes, habit_id,
        exercise_id
    )
    select
        v.family_id, v.routine_id, v.version, step.position, v.user_id, v.visibility,
        step.title, step.minutes, step.habit_id, step.exercise_id
    from saved as v
    cross join rows from (
        jsonb_to_recordset(:steps::jsonb)
            as (title text, minutes integer, habit_id uuid, exercise_id uuid)
    ) with ordinality as step (title, minutes, habit_id, exercise_id, position)
    returning s
)

select
    app.with_steps(shown, (
        select to_json(array_agg(step order by (s).position))
        from steps
        cross join app.routine_step_json(s) as step
    ))::text as body,
    (r).row_version
from made
cross join app.routine_json(r) as shown;

-- name: get_routine
select
    app.with_steps(shown, (
        select to_json(array_agg(step order by s.position))
        from app.routine_steps as s
        cross join app.routine_step_json(s) as step
        where s.family_id = :family_id and s.routine_id = r.id and s.version = r.version
    ))::text as body,
    r.row_version
from app.routines as r
cross join app.routine_json(r) as shown
where r.family_id = :family_id and r.id = :routine_id and r.is_active;

-- name: get_retired_routine
select
    app.with_steps(shown, (
        select to_json(array_agg(step order by s.position))
        from app.routine_steps as s
        cross join app.routine_step_json(s) as step
        where s.family_id = :family_id and s.routine_id = r.id and s.version = r.version
    ))::text as body,
    r.row_version
from app.routines as r
cross join app.routine_json(r) as shown
where r.family_id = :family_id and r.id = :routine_id and not r.is_active;

-- name: update_routine
-- What was saved while the routine was private stays its owner's: to share it is to save its steps
-- once more, as the next version. The lock shows what others have made of it meanwhile.
with before as materialized (
    select r.visibility
    from app.routines as r
    where
        r.family_id = :family_id
        and r.id = :routine_id
        and r.is_active
        and (:if_match::bigint[] is null or r.row_version = any(:if_match))
    for update
),

routine as (
    update app.routines as r
    set
        (name, description, visibility, points, version) = (
            select
                n.name, n.description, n.visibility, n.points,
                case
                    when before.visibility = 'private' and n.visibility = 'family'
                        then r.version + 1
                    else r.version
                end
            from jsonb_populate_record(r, :patch::jsonb) as n
        )
    from before
    where r.family_id = :family_id and r.id = :routine_id
    returning
        r, r.version, before.visibility = 'private' and r.visibility = 'family' as is_shared_now
),

shared as (
    insert into app.routine_versions as v (
        family_id, routine_id, version, user_id, routine_visibility, saved_visibility, author_id,
        restored_version
    )
    select
        :family_id, (r).id, (r).version, (r).user_id, (r).visibility, (r).visibility, :user_id,
        (r).version - 1
    from routine
    where is_shared_now
    returning v, v.version - 1 as old_version
),

saved as (
    insert into app.routine_steps as s (
        family_id, routine_id, version, position, user_id, visibility, title, minutes, habit_id,
        exercise_id
    )
    select
        :family_id, (v).routine_id, (v).version, old.position, (v).user_id, (v).visibility,
        old.title, old.minutes, old.habit_id, old.exercise_id
    from shared
    join app.routine_steps as old
        on
            old.family_id = :family_id
            and old.routine_id = :routine_id
            and old.version = (select shared.old_version from shared)
    returning s
),

-- Of the new version as it was just made, or of the one that was there.
steps as (
    select s
    from saved
    union all
    select s
    from app.routine_steps as s
    where
        s.family_id = :family_id
        and s.routine_id = :routine_id
        and s.version = (select routine.version from routine)
)

select
    app.with_steps(shown, (
        select to_json(array_agg(step order by (s).position))
        from steps
        cross join app.routine_step_json(s) as step
    ))::text as body,
    (r).row_version
from routine
cross join app.routine_json(r) as shown;

-- name: retire_routine
update app.routines as r
set deleted_at = now()
where
    r.family_id = :family_id
    and r.id = :routine_id
    and r.is_active
    and (:if_match::bigint[] is null or r.row_version = any(:if_match))
returning 'true' as body, null::bigint as row_version;

-- name: restore_routine
update app.routines as r
set deleted_at = null
where r.family_id = :family_id and r.id = :routine_id and not r.is_active
returning
    (
        select app.with_steps(shown, (
            select to_json(array_agg(step order by s.position))
            from app.routine_steps as s
            cross join app.routine_step_json(s) as step
            where s.family_id = :family_id and s.routine_id = r.id and s.version = r.version
        ))
        from app.routine_json(r) as shown
    )::text as body,
    r.row_version;

-- name: get_routine_steps
-- The newest version; its number is what the entity tag is made of.
select
    app.with_steps(shown, (
        select to_json(array_agg(step order by s.position))
        from app.routine_steps as s
        cross join app.routine_step_json(s) as step
        where s.family_id = :family_id and s.routine_id = v.routine_id and s.version = v.version
    ))::text as body,
    v.version::bigint as row_version
from app.routines as r
join app.routine_versions as v
    on v.family_id = :family_id and v.routine_id = r.id and v.version = r.version
cross join app.routine_version_json(v) as shown
where r.family_id = :family_id and r.id = :routine_id and r.is_active;

-- name: save_routine_steps
-- As the next version, also when they are as they were: who saved what and when is the history. Two
-- who save at once wait for each other at the routine, and the second counts on from the first.
with routine as (
    update app.routines as r
    set version = r.version + 1
    where
        r.family_id = :family_id
        and r.id = :routine_id
        and r.is_active
        and (:if_match::bigint[] is null or r.version = any(:if_match))
    returning r.*
),

saved as (
    insert into app.routine_versions as v (
        family_id, routine_id, version, user_id, routine_visibility, saved_visibility, author_id
    )
    select :family_id, r.id, r.version, r.user_id, r.visibility, r.visibility, :user_id
    from routine as r
    returning v
),

steps as (
    insert into app.routine_steps as s (
        family_id, routine_id, version, position, user_id, visibility, title, minutes, habit_id,
        exercise_id
    )
    select
        :family_id, (v).routine_id, (v).version, step.position, (v).user_id, (v).visibility,
        step.title, step.minutes, step.habit_id, step.exercise_id
    from saved
    cross join rows from (
        jsonb_to_recordset(:steps::jsonb)
            as (title text, minutes integer, habit_id uuid, exercise_id uuid)
    ) with ordinality as step (title, minutes, habit_id, exercise_id, position)
    returning s
)

select
    app.with_steps(shown, (
        select to_json(array_agg(step order by (s).position))
        from steps
        cross join app.routine_step_json(s) as step
    ))::text as body,
    (v).version::bigint as row_version
from saved
cross join app.routine_version_json(v) as shown;

-- name: list_routine_versions
-- Of a routine that is not there, null. The cursor is the last version of the page before.
select app.page_of(
    array_agg(shown), :limit::integer,
    (array_agg(version))[:limit]::text
) as body
from (
    select shown, v.version
    from app.routine_versions as v
    cross join app.routine_version_json(v) as shown
    where
        v.family_id = :family_id
        and v.routine_id = :routine_id
        and v.version < case when :cursor::integer is null then 2147483647 else :cursor end
    order by v.version desc
    limit :limit::integer + 1
) as page
having exists (
    select from app.routines as r
    where r.family_id = :family_id and r.id = :routine_id and r.is_active
);


-- name: get_routine_version
select
    app.with_steps(shown, (
        select to_json(array_agg(step order by s.position))
        from app.routine_steps as s
        cross join app.routine_step_json(s) as step
        where s.family_id = :family_id and s.routine_id = v.routine_id and s.version = v.version
    ))::text as body,
    v.version::bigint as row_version
from app.routines as r
join app.routine_versions as v
    on v.family_id = :family_id and v.routine_id = r.id and v.version = :version
cross join app.routine_version_json(v) as shown
where r.family_id = :family_id and r.id = :routine_id and r.is_active;

-- name: restore_routine_version
-- As the next version: what came in between stays in the history.
with routine as (
    update app.routines as r
    set version = r.version + 1
    where
        r.family_id = :family_id
        and r.id = :routine_id
        and r.is_active
        and exists (
            select from app.routine_versions as old
            where
                old.family_id = :family_id
                and old.routine_id = :routine_id
                and old.version = :version
        )
    returning r.*
),

saved as (
    insert into app.routine_versions as v (
        family_id, routine_id, version, user_id, routine_visibility, saved_visibility, author_id,
        restored_version
    )
    select :family_id, r.id, r.version, r.user_id, r.visibility, r.visibility, :user_id, :version
    from routine as r
    returning v
),

steps as (
    insert into app.routine_steps as s (
        family_id, routine_id, version, position, user_id, visibility, title, minutes, habit_id,
        exercise_id
    )
    select
        :family_id, (v).routine_id, (v).version, old.position, (v).user_id, (v).visibility,
        old.title, old.minutes, old.habit_id, old.exercise_id
    from saved
    join app.routine_steps as old
        on
            old.family_id = :family_id
            and old.routine_id = :routine_id
            and old.version = :version
    returning s
)

select
    app.with_steps(shown, (
        select to_json(array_agg(step order by (s).position))
        from steps
        cross join app.routine_step_json(s) as step
    ))::text as body,
    (v).version::bigint as row_version
from saved
cross join app.routine_version_json(v) as shown;

-- name: list_routine_completions
-- Everybody's that the caller sees, from the newest day to the oldest. Of a routine that is not
-- there, null. The cursor is the day, counted from 1900, and the user of the last row.
select app.page_of(
    array_agg(shown), :limit::integer,
    (array_agg(completed_on))[:limit] - date '1900-01-01' || '_' || (array_agg(user_id))[:limit]
) as body
from (
    select shown, c.completed_on, c.user_id
    from app.routine_completions as c
    cross join app.routine_completion_json(c) as shown
    where
        c.family_id = :family_id
        and c.routine_id = :routine_id
        and (c.completed_on, c.user_id) < (:after_day, :after_id)
        and c.completed_on >= case when :from_day::date is null then '-infinity' else :from_day end
        and c.completed_on <= case when :to_day::date is null then 'infinity' else :to_day end
    order by c.completed_on desc, c.user_id desc
    limit :limit::integer + 1
) as page
having exists (
    select from app.routines as r
    where r.family_id = :family_id and r.id = :routine_id and r.is_active
);


-- name: get_routine_completion
select shown::text as body, c.row_version
from app.routines as r
join app.routine_completions as c
    on
        c.family_id = :family_id
        and c.routine_id = r.id
        and c.user_id = :user_id
        and c.completed_on = :date
cross join app.routine_completion_json(c) as shown
where r.family_id = :family_id and r.id = :routine_id and r.is_active;

-- name: save_routine_completion
-- In the version that the routine has now. Who wants to find one there (If-Match) makes none; it is
-- locked, so that it does not go meanwhile and is made again.
with unchanged as materialized (
    select
    from app.routine_completions as c
    where
        c.family_id = :family_id
        and c.routine_id = :routine_id
        and c.user_id = :user_id
        and c.completed_on = :date
        and (:if_match::bigint[] is null or c.row_version = any(:if_match))
    for update
)

insert into app.routine_completions as c (
    family_id, routine_id, user_id, completed_on, owner_id, visibility, version
)
select :family_id, r.id, :user_id, :date, r.user_id, r.visibility, r.version
from app.routines as r
where
    r.family_id = :family_id
    and r.id = :routine_id
    and r.is_active
    and (:may_create::boolean or exists (select from unchanged))
on conflict (family_id, routine_id, user_id, completed_on) do update
set version = excluded.version
where :if_match is null or c.row_version = any(:if_match)
returning (select shown from app.routine_completion_json(c) as shown)::text as body, c.row_version;

-- name: delete_routine_completion
delete from app.routine_completions as c
using app.routines as r
where
    c.family_id = :family_id
    and c.routine_id = :routine_id
    and c.user_id = :user_id
    and c.completed_on = :date
    and r.family_id = :family_id
    and r.id = :routine_id
    and r.is_active
    and (:if_match::bigint[] is null or c.row_version = any(:if_match))
returning 'true' as body, null::bigint as row_version;
