-- Every index is used.
--
-- One that nothing has read for a month, and that is larger than a megabyte, may only cost writes.
-- Standbys count for themselves, and what runs once a year has not run yet.
--
-- level: notice

with since as (
    select
        coalesce(s.stats_reset, pg_postmaster_start_time()) as counted_from,
        coalesce(($1 ->> 'now')::timestamptz, now()) as now
    from pg_stat_database as s
    where s.datname = current_database()
)

select
    u.indexrelid::regclass::text as object,
    format(
        '%s was not read since %s and has %s',
        u.indexrelid::regclass, s.counted_from::date,
        pg_size_pretty(pg_relation_size(u.indexrelid))
    ) as says,
    'ask the standbys; then write a migration that drops it' as remedy
from pg_stat_user_indexes as u
inner join pg_index as i using (indexrelid)
cross join since as s
where
    u.schemaname = 'app'
    and u.idx_scan = 0
    and not i.indisunique
    and s.now - s.counted_from > interval '30 days'
    and pg_relation_size(u.indexrelid) > 1048576
