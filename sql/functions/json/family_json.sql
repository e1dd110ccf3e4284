-- family_json: a family as every endpoint shows it, in one place so that no two can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0004_families

create or replace function app.family_json(f app.families)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'id', f.id,
        'name', f.name,
        'time_zone', f.time_zone,
        'created_at', f.created_at,
        'updated_at', f.updated_at,
        'row_version', f.row_version
    )
$$;

comment on function app.family_json(app.families) is 'A family as every endpoint shows it.';

revoke all on function app.family_json(app.families) from public;
grant execute on function app.family_json(app.families) to app_api;
