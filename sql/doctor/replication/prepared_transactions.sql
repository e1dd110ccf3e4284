-- No transaction is prepared and forgotten.
--
-- Hearth prepares none. One that stands holds its locks and what vacuum would take away, also after
-- a restart.
--
-- level: warning

select
    p.gid as object,
    format('the transaction %s of %s was prepared at %s', p.gid, p.owner, p.prepared) as says,
    format('`rollback prepared %1$L` or `commit prepared %1$L`', p.gid) as remedy
from pg_prepared_xacts as p
where coalesce(($1 ->> 'now')::timestamptz, now()) - p.prepared > interval '5 minutes';
