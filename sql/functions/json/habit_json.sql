-- habit_json: a habit as every endpoint shows it, in one place so that no two can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0013_habits

create or replace function app.habit_json(h app.habits)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'id', h.id,
        'user_id', h.user_id,
        'name', h.name,
        'description', h.description,
        'type', h.type,
        'target_value', trim_scale(h.target_value),
        'unit', h.unit,
        'weekdays', h.weekdays,
        'times_per_week', h.times_per_week,
        'points', h.points,
        'visibility', h.visibility,
        'created_at', h.created_at,
        'updated_at', h.updated_at,
        'row_version', h.row_version
    )
$$;

comment on function app.habit_json(app.habits) is 'A habit as every endpoint shows it.';

revoke all on function app.habit_json(app.habits) from public;
grant execute on function app.habit_json(app.habits) to app_api;
