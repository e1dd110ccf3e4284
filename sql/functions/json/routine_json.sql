-- routine_json: a routine as every list shows it, in one place so that no two can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0014_routines

create or replace function app.routine_json(r app.routines)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            r.id,
            r.user_id,
            r.name,
            r.description,
            r.visibility,
            r.points,
            r.version,
            r.created_at,
            r.updated_at,
            r.row_version
    ) as shown
$$;

comment on function app.routine_json(app.routines) is
    'A routine as every list shows it.';

revoke all on function app.routine_json(app.routines) from public;
grant execute on function app.routine_json(app.routines) to app_api;
