-- All connections of all workers fit into the server.
--
-- Where they do not, requests fail when there are many: the pools open what they have when it is
-- needed. One connection is for the monitor of each worker, and one more for `hearth migrate`. What
-- runs on other machines is not known here.
--
-- level: warning

with places as (
    select
        'max_connections' as name,
        current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true)::integer, 0) as number,
        'raise max_connections, or lower POOL_MAX_SIZE or WORKERS' as remedy
    where ($1 #>> '{service, is_pooled}')::boolean is not true
    union all
    select
        'app_api', r.rolconnlimit, 'raise it with `alter role app_api connection limit`'
    from pg_roles as r
    where
        r.rolname = 'app_api'
        and r.rolconnlimit >= 0
        and ($1 #>> '{service, is_pooled}')::boolean is not true
    union all
    select
        'database', d.datconnlimit,
        format('raise it with `alter database %I connection limit`', d.datname)
    from pg_database as d
    where
        d.datname = current_database()
        and d.datconnlimit >= 0
        and ($1 #>> '{service, is_pooled}')::boolean is not true
)

select
    p.name as object,
    format(
        'the service may want %s connections, and %s allows %s',
        $1 ->> 'connections',
        case p.name when 'max_connections' then p.name else 'the limit of the ' || p.name end,
        p.number
    ) as says,
    p.remedy as remedy
from places as p
where p.number < ($1 ->> 'connections')::integer + 1;
