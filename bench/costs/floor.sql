-- The tenant floor, off and on; run by psql as a superuser.
--
-- Variable: roles, those that the policies are for. For one that asks nothing here, the others are
-- without them, as if they were not there.

\set ON_ERROR_STOP on

select format('alter policy %I on %s to %s', p.polname, p.polrelid::regclass, :'roles')
from pg_policy as p
where p.polname = 'tenant_floor'
order by p.polrelid
\gexec
