-- exercise_json: an exercise as every endpoint shows it, in one place so that no two can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0012_exercises

create or replace function app.exercise_json(e app.exercises)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'id', e.id,
        'user_id', e.user_id,
        'name', e.name,
        'description', e.description,
        'points', e.points,
        'created_at', e.created_at,
        'updated_at', e.updated_at,
        'row_version', e.row_version
    )
$$;

comment on function app.exercise_json(app.exercises) is 'An exercise as every endpoint shows it.';

revoke all on function app.exercise_json(app.exercises) from public;
grant execute on function app.exercise_json(app.exercises) to app_api;
