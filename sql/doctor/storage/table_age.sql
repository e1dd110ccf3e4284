-- Every table is frozen in time.
--
-- Past autovacuum_freeze_max_age a vacuum is due that nothing puts off; a table that is far past it
-- was not vacuumed to its end.
--
-- level: warning

select
    c.oid::regclass::text as object,
    format(
        '%s is %s million transactions old, and was to be frozen at %s',
        c.oid::regclass, age(c.relfrozenxid) / 1000000,
        current_setting('autovacuum_freeze_max_age')::bigint / 1000000
    ) as says,
    format('`vacuum (freeze) %s`', c.oid::regclass) as remedy
from pg_class as c
where
    c.relnamespace = to_regnamespace('app')
    and c.relkind in ('r', 'm')
    and age(c.relfrozenxid) > 1.1 * current_setting('autovacuum_freeze_max_age')::bigint;
