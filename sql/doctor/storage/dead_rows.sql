-- Dead rows are taken away.
--
-- They are read by every scan. A fifth of a table, and twice what autovacuum waits for, is more
-- than it keeps up with, or something holds it back. That is no measure of bloat: space that is
-- free within the files is seen with the extension pgstattuple alone.
--
-- level: warning

select
    s.relid::regclass::text as object,
    format(
        '%s has %s dead rows beside %s, and was vacuumed %s',
        s.relid::regclass, s.n_dead_tup, s.n_live_tup,
        coalesce('at ' || greatest(s.last_vacuum, s.last_autovacuum)::timestamp(0), 'never')
    ) as says,
    format('end old transactions, then `vacuum (analyze) %s`', s.relid::regclass) as remedy
from pg_stat_user_tables as s
where
    s.schemaname = 'app'
    and s.n_dead_tup > 10000
    and s.n_dead_tup > 0.2 * (s.n_live_tup + s.n_dead_tup)
    and s.n_dead_tup > 2 * (
        current_setting('autovacuum_vacuum_threshold')::bigint
        + current_setting('autovacuum_vacuum_scale_factor')::float8 * s.n_live_tup
    );
