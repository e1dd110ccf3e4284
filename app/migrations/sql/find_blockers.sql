-- Who keeps the session $1 waiting for a lock: pid, login, the name of its connection and since when
-- its transaction is open, as far as the reader may see that. Never what it says: that may hold
-- personal data.

select
    string_agg(
        format(
            'pid %s (%s)',
            a.pid,
            concat_ws(
                ', ',
                a.usename,
                nullif(a.application_name, ''),
                to_char(a.xact_start, '"in a transaction since" HH24:MI:SS TZ')
            )
        ),
        ' and '
        order by a.pid
    )
from pg_stat_activity as a
where a.pid = any(pg_blocking_pids($1))
