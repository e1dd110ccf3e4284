-- exercise_log_json: a log of an exercise as every endpoint shows it, in one place so that no two
-- can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0012_exercises

create or replace function app.exercise_log_json(l app.exercise_logs)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'id', l.id,
        'exercise_id', l.exercise_id,
        'user_id', l.user_id,
        'performed_on', l.performed_on,
        'sets', l.sets,
        'reps', l.reps,
        'weight_kg', l.weight_kg,
        'duration_s', l.duration_s,
        'distance_m', l.distance_m,
        'volume_kg', l.volume_kg,
        'note', l.note,
        'created_at', l.created_at,
        'updated_at', l.updated_at,
        'row_version', l.row_version
    )
$$;

comment on function app.exercise_log_json(app.exercise_logs) is
    'A log of an exercise as every endpoint shows it.';

revoke all on function app.exercise_log_json(app.exercise_logs) from public;
grant execute on function app.exercise_log_json(app.exercise_logs) to app_api;
