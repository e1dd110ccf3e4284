-- with_steps: a routine or a version with its steps, as every endpoint shows one of them.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0014_routines

create or replace function app.with_steps(thing json, steps json)
    returns json
    language sql
    stable
as $$
    select (left(thing::text, -1) || ',"steps":' || coalesce(steps, '[]')::text || '}')::json
$$;

comment on function app.with_steps(json, json) is
    'A routine or a version with its steps, as every endpoint shows one of them.';

revoke all on function app.with_steps(json, json) from public;
grant execute on function app.with_steps(json, json) to app_api;
