-- No transaction lasts for an hour.
--
-- Nothing that was deleted since it began can be taken away, in any table of the database.
--
-- level: warning
-- as: pg_monitor

select
    a.pid::text as object,
    format(
        'a transaction of %s (%s, session %s) began at %s',
        a.usename, coalesce(nullif(a.application_name, ''), 'no name'), a.pid, a.xact_start
    ) as says,
    format('wait for its end, or `select pg_cancel_backend(%s)`', a.pid) as remedy
from pg_stat_activity as a
where
    a.datname = current_database()
    and a.backend_type = 'client backend'
    and a.pid <> pg_backend_pid()
    and a.state not like 'idle in transaction%'
    and coalesce(($1 ->> 'now')::timestamptz, now()) - a.xact_start > interval '1 hour';
