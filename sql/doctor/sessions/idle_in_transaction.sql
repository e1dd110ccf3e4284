-- Nobody begins a transaction and goes away.
--
-- It holds its locks, and what vacuum would take away. The limit of our roles is ten seconds, of
-- readers a minute; other logins have none.
--
-- level: warning
-- as: pg_monitor

select
    a.pid::text as object,
    format(
        'session %s of %s (%s) is idle in a transaction since %s',
        a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'no name'), a.state_change
    ) as says,
    format('`select pg_terminate_backend(%s)`; set idle_in_transaction_session_timeout', a.pid)
        as remedy
from pg_stat_activity as a
where
    a.datname = current_database()
    and a.state like 'idle in transaction%'
    and coalesce(($1 ->> 'now')::timestamptz, now()) - a.state_change > interval '5 minutes';
