-- :sizes: tables by their size, with what vacuum has left to do.

select
    relname as table,
    pg_size_pretty(pg_total_relation_size(relid)) as size,
    pg_size_pretty(pg_indexes_size(relid)) as of_indexes,
    n_live_tup as rows,
    n_dead_tup as dead,
    greatest(last_vacuum, last_autovacuum)::timestamptz(0) as vacuumed,
    greatest(last_analyze, last_autoanalyze)::timestamptz(0) as analysed
from pg_stat_user_tables
where schemaname = 'app'
order by pg_total_relation_size(relid) desc
limit 30;
