-- routine_completion_json: a completion of a routine as every endpoint shows it, in one place so
-- that no two can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0014_routines

create or replace function app.routine_completion_json(c app.routine_completions)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            c.routine_id,
            c.user_id,
            c.completed_on,
            c.version,
            c.created_at,
            c.updated_at,
            c.row_version
    ) as shown
$$;

comment on function app.routine_completion_json(app.routine_completions) is
    'A completion of a routine as every endpoint shows it.';

revoke all on function app.routine_completion_json(app.routine_completions) from public;
grant execute on function app.routine_completion_json(app.routine_completions) to app_api;
