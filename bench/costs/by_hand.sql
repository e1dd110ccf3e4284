-- Queries as they would be where row level security did not say who sees what.

-- name: get_task
select shown::text as body, t.row_version
from app.tasks as t
cross join app.task_json(t) as shown
where
    t.family_id = :family_id
    and t.id = :task_id
    and (t.visibility = 'family' or t.user_id = :user_id);
