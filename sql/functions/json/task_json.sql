-- task_json: a task as every endpoint shows it, in one place so that no two can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0015_scores

create or replace function app.task_json(t app.tasks)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'id', t.id,
        'user_id', t.user_id,
        'title', t.title,
        'description', t.description,
        'due_on', t.due_on,
        'visibility', t.visibility,
        'points', t.points,
        'is_completed', t.is_completed,
        'completed_at', t.completed_at,
        'created_at', t.created_at,
        'updated_at', t.updated_at,
        'row_version', t.row_version
    )
$$;

comment on function app.task_json(app.tasks) is 'A task as every endpoint shows it.';

revoke all on function app.task_json(app.tasks) from public;
grant execute on function app.task_json(app.tasks) to app_api;
