-- habit_log_json: a day of a habit as every endpoint shows it, in one place so that no two can
-- differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0013_habits

create or replace function app.habit_log_json(l app.habit_logs)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'habit_id', l.habit_id,
        'logged_on', l.logged_on,
        'value', trim_scale(l.value),
        'target_value', trim_scale(l.target_value),
        'is_done', l.is_done,
        'note', l.note,
        'created_at', l.created_at,
        'updated_at', l.updated_at,
        'row_version', l.row_version
    )
$$;

comment on function app.habit_log_json(app.habit_logs) is
    'A day of a habit as every endpoint shows it.';

revoke all on function app.habit_log_json(app.habit_logs) from public;
grant execute on function app.habit_log_json(app.habit_logs) to app_api;
