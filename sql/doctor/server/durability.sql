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
where s.name in ('fsync', 'full_page_writes', 'synchronous_commit') and s.reset_val = 'off';
