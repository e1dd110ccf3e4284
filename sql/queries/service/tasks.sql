-- Tasks: one's own, and those the family shares.

-- name: list_tasks
-- From the newest to the oldest. What the family shares and what is private to the reader are two
-- lists, each with an index in that order; a page is read from their ends. Asked for both at once,
-- the server would walk through whatever is private to others.
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of((array_agg(created_at))[:limit], (array_agg(id))[:limit])
) as body
from (
    (
        select shown, t.created_at, t.id
        from app.tasks as t
        cross join app.task_json(t) as shown
        where
            t.family_id = :family_id
            and t.visibility = 'family'
            and (t.created_at, t.id) < (:after_at, :after_id)
        order by t.created_at desc, t.id desc
        limit :limit::integer + 1
    )
    union all
    (
        select shown, t.created_at, t.id
        from app.tasks as t
        cross join app.task_json(t) as shown
        where
            t.family_id = :family_id
            and t.user_id = :user_id
            and t.visibility = 'private'
            and (t.created_at, t.id) < (:after_at, :after_id)
        order by t.created_at desc, t.id desc
        limit :limit::integer + 1
    )
    order by created_at desc, id desc
    limit :limit::integer + 1
) as page;

-- name: list_tasks_in_state
-- The same of those that are done, or those that are not; each has its part of an index, for all
-- may be in the other state.
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of((array_agg(created_at))[:limit], (array_agg(id))[:limit])
) as body
from (
    (
        select shown, t.created_at, t.id
        from app.tasks as t
        cross join app.task_json(t) as shown
        where
            t.family_id = :family_id
            and t.visibility = 'family'
            and t.is_completed = :is_completed::boolean
            and (t.created_at, t.id) < (:after_at, :after_id)
        order by t.created_at desc, t.id desc
        limit :limit::integer + 1
    )
    union all
    (
        select shown, t.created_at, t.id
        from app.tasks as t
        cross join app.task_json(t) as shown
        where
            t.family_id = :family_id
            and t.user_id = :user_id
            and t.visibility = 'private'
            and t.is_completed = :is_completed::boolean
            and (t.created_at, t.id) < (:after_at, :after_id)
        order by t.created_at desc, t.id desc
        limit :limit::integer + 1
    )
    order by created_at desc, id desc
    limit :limit::integer + 1
) as page;

-- name: list_tasks_due
-- Those due in a window, done or not. They are few: they are found by it, and sorted. Its ends are
-- written with case, for the planner takes coalesce for a thing that might leak what the policy
-- hides, and would not look it up in the index.
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of((array_agg(created_at))[:limit], (array_agg(id))[:limit])
) as body
from (
    select t, t.created_at, t.id
    from app.tasks as t
    where
        t.family_id = :family_id
        and t.due_on >= case when :due_from::date is null then '-infinity' else :due_from end
        and t.due_on <= case when :due_to::date is null then 'infinity' else :due_to end
        and (:is_completed::boolean is null or t.is_completed = :is_completed)
        and (t.created_at, t.id) < (:after_at, :after_id)
    order by t.created_at desc, t.id desc
    limit :limit::integer + 1
) as page
cross join app.task_json(t) as shown;

-- name: create_task
insert into app.tasks as t (
    family_id, user_id, title, description, due_on, visibility, points, completed_at
)
values (
    :family_id, :user_id, :title, :description, :due_on, :visibility, :points,
    case when :is_completed::boolean then now() end
)
returning (select shown from app.task_json(t) as shown)::text as body, t.row_version;

-- name: get_task
select shown::text as body, t.row_version
from app.tasks as t
cross join app.task_json(t) as shown
where t.family_id = :family_id and t.id = :task_id;

-- name: update_task
-- A field that is absent keeps its value, a null empties it. Completing a task again does not move
-- the time at which it was completed.
update app.tasks as t
set
    (title, description, due_on, visibility, points, completed_at) = (
        select
            n.title, n.description, n.due_on, n.visibility, n.points,
            case when n.is_completed then coalesce(t.completed_at, now()) end
        from jsonb_populate_record(t, :patch::jsonb) as n
    )
where
    t.family_id = :family_id
    and t.id = :task_id
    and (:if_match::bigint[] is null or t.row_version = any(:if_match))
returning (select shown from app.task_json(t) as shown)::text as body, t.row_version;

-- name: delete_task
delete from app.tasks as t
where
    t.family_id = :family_id
    and t.id = :task_id
    and (:if_match::bigint[] is null or t.row_version = any(:if_match))
returning 'true' as body, null::bigint as row_version;
