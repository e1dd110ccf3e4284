-- The planner knows how many rows there are.
--
-- A table that was never analyzed, or not since it was another, is planned by guesses.
--
-- level: notice

select
    s.relid::regclass::text as object,
    format(
        '%s has %s rows, of which %s changed since it was analyzed (%s)',
        s.relid::regclass, s.n_live_tup, least(s.n_mod_since_analyze, s.n_live_tup),
        coalesce(greatest(s.last_analyze, s.last_autoanalyze)::date::text, 'never')
    ) as says,
    format('`analyze %s`', s.relid::regclass) as remedy
from pg_stat_user_tables as s
where
    s.schemaname = 'app'
    and s.n_live_tup > 10000
    and s.n_mod_since_analyze > 0.5 * s.n_live_tup;
