-- The server stops when its transaction ids run out.
--
-- There are two thousand million; a vacuum of every table makes old ones free. At a tenth over
-- what autovacuum would not let come to pass, something holds it back.
--
-- level: warning

with ages as (
    select
        d.datname,
        greatest(age(d.datfrozenxid), 0) as age,
        current_setting('autovacuum_freeze_max_age')::bigint as allowed,
        'transaction' as kind
    from pg_database as d
    union all
    select
        d.datname, mxid_age(d.datminmxid),
        current_setting('autovacuum_multixact_freeze_max_age')::bigint, 'multixact'
    from pg_database as d
)

select
    case when a.age > 1500000000 then 'error' end as level,
    a.datname::text as object,
    format('its oldest %s is %s million ids old, of 2000', a.kind, a.age / 1000000) as says,
    'end old transactions, prepared ones and slots, and run `vacuumdb --freeze` there' as remedy
from ages as a
where a.age > greatest(a.allowed * 1.1, 300000000);
