-- Row level security holds on every table, for its owner as well.
--
-- A table without it shows every family to whoever may read it.
--
-- level: error

select
    c.oid::regclass::text as object,
    format(
        'row level security of %s is not %s',
        c.oid::regclass, case when c.relrowsecurity then 'forced' else 'enabled' end
    ) as says,
    format(
        '`alter table %1$s enable row level security, force row level security`', c.oid::regclass
    ) as remedy
from pg_class as c
where
    c.relnamespace = to_regnamespace('app')
    and c.relkind in ('r', 'p')
    and not (c.relrowsecurity and c.relforcerowsecurity);
