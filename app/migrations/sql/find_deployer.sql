-- Who holds the advisory lock $1, under which one deployer at a time works on a database: the
-- backend's pid, the login and since when, as far as the reader may see that.

select
    format(
        'pid %s (%s%s)',
        pid,
        usename,
        to_char(coalesce(xact_start, backend_start), '", since" YYYY-MM-DD HH24:MI:SS TZ')
    )
from pg_locks
join pg_stat_activity using (pid)
where
    locktype = 'advisory'
    and granted
    and objsubid = 1
    and classid = 0
    and objid = $1
    and pg_locks.database = (select oid from pg_database where datname = current_database())
