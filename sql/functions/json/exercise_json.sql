-- exercise_json: an exercise as every endpoint shows it, in one place so that no two can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0012_exercises

create or replace function app.exercise_json(e app.exercises)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            e.id,
            e.user_id,
            e.name,
            e.description,
            e.points,
            e.created_at,
            e.updated_at,
            e.row_version
    ) as shown
$$;

comment on function app.exercise_json(app.exercises) is 'An exercise as every endpoint shows it.';

revoke all on function app.exercise_json(app.exercises) from public;
grant execute on function app.exercise_json(app.exercises) to app_api;
