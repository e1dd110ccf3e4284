-- routine_version_json: a version of a routine as every list shows it, in one place so that no two
-- can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0014_routines

create or replace function app.routine_version_json(v app.routine_versions)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'routine_id', v.routine_id,
        'version', v.version,
        'author_id', v.author_id,
        'restored_version', v.restored_version,
        'created_at', v.created_at
    )
$$;

comment on function app.routine_version_json(app.routine_versions) is
    'A version of a routine as every list shows it.';

revoke all on function app.routine_version_json(app.routine_versions) from public;
grant execute on function app.routine_version_json(app.routine_versions) to app_api;
