-- task_json: a task as every endpoint shows it, in one place so that no two can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0015_scores

create or replace function app.task_json(t app.tasks)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            t.id,
            t.user_id,
            t.title,
            t.description,
            t.due_on,
            t.visibility,
            t.points,
            t.is_completed,
            t.completed_at,
            t.created_at,
            t.updated_at,
            t.row_version
    ) as shown
$$;

comment on function app.task_json(app.tasks) is 'A task as every endpoint shows it.';

revoke all on function app.task_json(app.tasks) from public;
grant execute on function app.task_json(app.tasks) to app_api;
