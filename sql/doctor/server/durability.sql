-- What was committed survives a crash.
--
-- Without fsync or full page writes a crash may damage any table beyond repair. Without synchronous
-- commit the last moments are lost, though somebody was told that they are kept.
--
-- level: error

select
    case s.name when 'synchronous_commit' then 'warning' end as level,
    s.name as object,
    format('%s is off', s.name) as says,
    format('`alter system reset %s`, and reload', s.name) as remedy
from pg_settings as s
where s.name in ('fsync', 'full_page_writes', 'synchronous_commit') and s.reset_val = 'off'
union all
select
    'warning', 'app_api', 'synchronous_commit is off for app_api',
    '`alter role app_api reset synchronous_commit`, in this database if it is set there'
from pg_db_role_setting as s
cross join unnest(s.setconfig) as setting (text)
where
    s.setrole = to_regrole('app_api')
    and s.setdatabase in (
        0, (select d.oid from pg_database as d where d.datname = current_database())
    )
    and setting.text in ('synchronous_commit=off', 'synchronous_commit=false');
