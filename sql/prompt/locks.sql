-- :locks: who waits for whom, the longest first.

select set_config('role', 'none', false) \g /dev/null
select
    w.pid,
    w.application_name as waits,
    date_trunc('milliseconds', now() - w.query_start) as since,
    left(regexp_replace(w.query, '\s+', ' ', 'g'), 50) as with,
    b.pid as for,
    b.application_name as who_is,
    b.state,
    left(regexp_replace(b.query, '\s+', ' ', 'g'), 50) as doing
from pg_stat_activity as w
cross join unnest(pg_blocking_pids(w.pid)) as blocking (pid)
inner join pg_stat_activity as b on b.pid = blocking.pid
order by w.query_start;
select set_config('role', :'hearth_role', false) \g /dev/null
