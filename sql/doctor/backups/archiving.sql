-- What is written is archived.
--
-- A backup without the log behind it goes back to its own moment. Whoever streams the log
-- (pg_receivewal, a provider) archives without archive_mode.
--
-- level: notice

select
    null as level,
    'off' as object,
    'archive_mode is off' as says,
    'set archive_mode and archive_command, unless the log is streamed to another place' as remedy
where
    current_setting('archive_mode') = 'off'
    and not exists (select from pg_stat_replication)
union all
select
    'error', 'failed',
    format('%s could not be archived at %s', a.last_failed_wal, a.last_failed_time::timestamp(0)),
    'look for its reason in the server''s log; the disk fills until it is mended'
from pg_stat_archiver as a
where
    current_setting('archive_mode') <> 'off'
    and a.last_failed_time > coalesce(a.last_archived_time, '-infinity');
