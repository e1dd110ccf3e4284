-- exercise_log_json: a log of an exercise as every endpoint shows it, in one place so that no two
-- can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0012_exercises

create or replace function app.exercise_log_json(l app.exercise_logs)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            l.id,
            l.exercise_id,
            l.user_id,
            l.performed_on,
            l.sets,
            l.reps,
            l.weight_kg,
            l.duration_s,
            l.distance_m,
            l.volume_kg,
            l.note,
            l.created_at,
            l.updated_at,
            l.row_version
    ) as shown
$$;

comment on function app.exercise_log_json(app.exercise_logs) is
    'A log of an exercise as every endpoint shows it.';

revoke all on function app.exercise_log_json(app.exercise_logs) from public;
grant execute on function app.exercise_log_json(app.exercise_logs) to app_api;
