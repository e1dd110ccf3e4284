-- score_json: an entry of the ledger of points as every endpoint shows it, in one place so that no
-- two can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0015_scores

create or replace function app.score_json(e app.score_entries)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'id', e.id,
        'user_id', e.user_id,
        'kind', e.kind,
        'source_id', e.source_id,
        'scored_on', e.scored_on,
        'points', e.points,
        'created_at', e.created_at
    )
$$;

comment on function app.score_json(app.score_entries) is
    'An entry of the ledger of points as every endpoint shows it.';

revoke all on function app.score_json(app.score_entries) from public;
grant execute on function app.score_json(app.score_entries) to app_api;
