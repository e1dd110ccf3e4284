-- Nobody makes large objects.
--
-- They know neither families nor row level security: who may make one could hand another family
-- what no policy sees. sql/bootstrap.sql takes that from everybody; a dump does not keep it.
--
-- level: warning

select
    p.oid::regprocedure::text as object,
    format('everybody may execute %s', p.oid::regprocedure) as says,
    'run sql/bootstrap.sql again, as a superuser' as remedy
from pg_proc as p
cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
where
    p.pronamespace = 'pg_catalog'::regnamespace
    and p.proname in ('lo_creat', 'lo_create', 'lo_from_bytea')
    and a.grantee = 0;
