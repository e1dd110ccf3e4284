-- routine_step_json: a step of a routine as every endpoint shows it, in one place so that no two
-- can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0014_routines

create or replace function app.routine_step_json(s app.routine_steps)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            s.title,
            s.minutes,
            s.habit_id,
            s.exercise_id
    ) as shown
$$;

comment on function app.routine_step_json(app.routine_steps) is
    'A step of a routine as every endpoint shows it.';

revoke all on function app.routine_step_json(app.routine_steps) from public;
grant execute on function app.routine_step_json(app.routine_steps) to app_api;
