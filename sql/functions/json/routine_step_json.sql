-- routine_step_json: a step of a routine as every endpoint shows it, in one place so that no two
-- can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0014_routines

create or replace function app.routine_step_json(s app.routine_steps)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'title', s.title,
        'minutes', s.minutes,
        'habit_id', s.habit_id,
        'exercise_id', s.exercise_id
    )
$$;

comment on function app.routine_step_json(app.routine_steps) is
    'A step of a routine as every endpoint shows it.';

revoke all on function app.routine_step_json(app.routine_steps) from public;
grant execute on function app.routine_step_json(app.routine_steps) to app_api;
