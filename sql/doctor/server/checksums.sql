-- A damaged page is noticed when it is read.
--
-- Without checksums a disk that returns something else is believed. A page that did not match is
-- lost data, whatever the reason.
--
-- level: notice

select
    null as level,
    'off' as object,
    'data checksums are off' as says,
    'stop the server and run `pg_checksums --enable`, or turn them on at the next upgrade'
        as remedy
where current_setting('data_checksums') = 'off'
union all
select
    'error', 'failed',
    format('%s pages did not match their checksums, last %s', d.failures, d.last_at),
    'check the disk, and restore from a backup: what was read there is not what was written'
from (
    select sum(s.checksum_failures) as failures, max(s.checksum_last_failure) as last_at
    from pg_stat_database as s
) as d
where d.failures > 0;
