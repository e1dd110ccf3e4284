-- Tasks: one's own, and those the family shares.

-- name: list_tasks
-- From the newest to the oldest. What the family shares and what is private to the reader are two
-- lists, each with an index in that order; a page is read from their ends. Asked for both at once,
-- the server would walk through whatever is private to others.
--
-- Tasks due in a window are few: they are found by it, and sorted. Its ends are written with case,
-- for the planner takes coalesce for a thing that might leak what the policy hides, and would not
-- look it up in the index.
with seen as (
    (
        select t, t.created_at, t.id
        from app.tasks as t
        where
            t.family_id = :family_id
            and t.visibility = 'family'
            and (t.created_at, t.id) < (:after_at, :after_id)
            and (:is_completed::boolean is null or t.is_completed = :is_completed)
            and (:due_from::date is null and :due_to::date is null)
        order by t.created_at desc, t.id desc
        limit :limit::integer + 1
    )
    union all
    (
        select t, t.created_at, t.id
        from app.tasks as t
        where
            t.family_id = :family_id
            and t.user_id = :user_id
            and t.visibility = 'private'
            and (t.created_at, t.id) < (:after_at, :after_id)
            and (:is_completed::boolean is null or t.is_completed = :is_completed)
            and (:due_from::date is null and :due_to::date is null)
        order by t.created_at desc, t.id desc
        limit :limit::integer + 1
    )
    union all
    (
        select t, t.created_at, t.id
        from app.tasks as t
        where
            t.family_id = :family_id
            and t.due_on >= case when :due_from::date is null then '-infinity' else :due_from end
            and t.due_on <= case when :due_to::date is null then 'infinity' else :due_to end
            and (t.created_at, t.id) < (:after_at, :after_id)
            and (:is_completed::boolean is null or t.is_completed = :is_completed)
            and (:due_from::date is not null or :due_to::date is not null)
        order by t.created_at desc, t.id desc
        limit :limit::integer + 1
    )
),

page as (
    select t, created_at, id, row_number() over (order by created_at desc, id desc) as n
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
    cross join app.task_json(t) as shown
) as response;

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
