-- routine_completion_json: a completion of a routine as every endpoint shows it, in one place so
-- that no two can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0014_routines

create or replace function app.routine_completion_json(c app.routine_completions)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'routine_id', c.routine_id,
        'user_id', c.user_id,
        'completed_on', c.completed_on,
        'version', c.version,
        'created_at', c.created_at,
        'updated_at', c.updated_at,
        'row_version', c.row_version
    )
$$;

comment on function app.routine_completion_json(app.routine_completions) is
    'A completion of a routine as every endpoint shows it.';

revoke all on function app.routine_completion_json(app.routine_completions) from public;
grant execute on function app.routine_completion_json(app.routine_completions) to app_api;
