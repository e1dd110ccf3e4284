-- Dead rows are taken away, and transaction ids made free again.
--
-- Without autovacuum tables grow without end, and the server stops for good when it has used up its
-- transaction ids. It goes by statistics that track_counts gathers.
--
-- level: error

select
    null as level,
    s.name as object,
    format('%s is off', s.name) as says,
    format('`alter system reset %s`, and reload', s.name) as remedy
from pg_settings as s
where s.name in ('autovacuum', 'track_counts') and s.reset_val = 'off'
union all
select
    'warning', c.oid::regclass::text, 'autovacuum is off for this table',
    format('`alter table %s reset (autovacuum_enabled)`', c.oid::regclass)
from pg_class as c
cross join unnest(c.reloptions) as option (text)
where
    c.relnamespace = to_regnamespace('app')
    and c.relkind = 'r'
    and option.text in ('autovacuum_enabled=false', 'autovacuum_enabled=off');
