-- Every constraint holds for every row.
--
-- One that is not valid was never checked against the rows that were there.
--
-- level: warning

select
    format('%s.%I', c.conrelid::regclass, c.conname) as object,
    format('%s on %s was never validated', c.conname, c.conrelid::regclass) as says,
    format('`alter table %s validate constraint %I`', c.conrelid::regclass, c.conname) as remedy
from pg_constraint as c
where c.connamespace = to_regnamespace('app') and not c.convalidated;
