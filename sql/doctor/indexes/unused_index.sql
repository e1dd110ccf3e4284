-- Every index is used.
--
-- One that nothing has read for a month, and that was larger than a megabyte when it was vacuumed,
-- may only cost writes. Standbys count for themselves, and what runs once a year has not run yet.
--
-- level: notice

with since as (
    select
        coalesce(s.stats_reset, pg_postmaster_start_time()) as counted_from,
        coalesce(($1 ->> 'now')::timestamptz, now()) as now
    from pg_stat_database as s
    where s.datname = current_database()
),

sizes as (
    select c.oid, c.relpages * current_setting('block_size')::bigint as bytes
    from pg_class as c
)

select
    u.indexrelid::regclass::text as object,
    format(
        '%s was not read since %s and has %s',
        u.indexrelid::regclass, s.counted_from::date, pg_size_pretty(z.bytes)
    ) as says,
    'ask the standbys; then write a migration that drops it' as remedy
from pg_stat_user_indexes as u
inner join pg_index as i using (indexrelid)
inner join sizes as z on z.oid = u.indexrelid
cross join since as s
where
    u.schemaname = 'app'
    and u.idx_scan = 0
    and not i.indisunique
    and s.now - s.counted_from > interval '30 days'
    and z.bytes > 1048576;
