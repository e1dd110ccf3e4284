-- routine_json: a routine as every list shows it, in one place so that no two can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0014_routines

create or replace function app.routine_json(r app.routines)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'id', r.id,
        'user_id', r.user_id,
        'name', r.name,
        'description', r.description,
        'visibility', r.visibility,
        'points', r.points,
        'version', r.version,
        'created_at', r.created_at,
        'updated_at', r.updated_at,
        'row_version', r.row_version
    )
$$;

comment on function app.routine_json(app.routines) is
    'A routine as every list shows it.';

revoke all on function app.routine_json(app.routines) from public;
grant execute on function app.routine_json(app.routines) to app_api;
