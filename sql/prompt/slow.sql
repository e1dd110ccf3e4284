-- :slow: what runs now, the longest first; then what took most time in all, where the server keeps
-- that. As the login: a member of pg_monitor sees all. The name of a connection of the service ends
-- with the id of its request.

select set_config('role', 'none', false) \g /dev/null
select
    pid,
    usename as login,
    application_name,
    state,
    date_trunc('milliseconds', now() - query_start) as since,
    coalesce(wait_event_type || ': ' || wait_event, '') as waits_for,
    left(regexp_replace(query, '\s+', ' ', 'g'), 60) as query
from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid() and state <> 'idle'
order by query_start
limit 20;

select count(*) = 1 as hearth_is_kept, min(extnamespace::regnamespace::text) as hearth_schema
from pg_extension
where extname = 'pg_stat_statements'
\gset
\if :hearth_is_kept
select
    calls,
    round(total_exec_time::numeric) as ms,
    round(mean_exec_time::numeric, 2) as ms_each,
    left(regexp_replace(query, '\s+', ' ', 'g'), 80) as query
from :hearth_schema.pg_stat_statements
order by total_exec_time desc
limit 20;
\else
\echo 'What took most time is not kept: the extension pg_stat_statements is not here.'
\endif
select set_config('role', :'hearth_role', false) \g /dev/null
