-- family_json: a family as every endpoint shows it, in one place so that no two can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0004_families

create or replace function app.family_json(f app.families)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            f.id,
            f.name,
            f.time_zone,
            f.created_at,
            f.updated_at,
            f.row_version
    ) as shown
$$;

comment on function app.family_json(app.families) is 'A family as every endpoint shows it.';

revoke all on function app.family_json(app.families) from public;
grant execute on function app.family_json(app.families) to app_api;
