-- score_json: an entry of the ledger of points as every endpoint shows it, in one place so that no
-- two can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0015_scores

create or replace function app.score_json(e app.score_entries)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            e.id,
            e.user_id,
            e.kind,
            e.source_id,
            e.scored_on,
            e.points,
            e.created_at
    ) as shown
$$;

comment on function app.score_json(app.score_entries) is
    'An entry of the ledger of points as every endpoint shows it.';

revoke all on function app.score_json(app.score_entries) from public;
grant execute on function app.score_json(app.score_entries) to app_api;
