-- routine_version_json: a version of a routine as every list shows it, in one place so that no two
-- can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0014_routines

create or replace function app.routine_version_json(v app.routine_versions)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            v.routine_id,
            v.version,
            v.visibility,
            v.author_id,
            v.restored_version,
            v.created_at
    ) as shown
$$;

comment on function app.routine_version_json(app.routine_versions) is
    'A version of a routine as every list shows it.';

revoke all on function app.routine_version_json(app.routine_versions) from public;
grant execute on function app.routine_version_json(app.routine_versions) to app_api;
