-- Row level security of all tables, off and on; run by psql as a superuser.
--
-- Variable: switch, enable or disable. That it is forced stays meanwhile, and tells which tables to
-- enable it for.

\set ON_ERROR_STOP on

select format('alter table %s %s row level security', c.oid::regclass, :'switch')
from pg_class as c
where c.relnamespace = 'app'::regnamespace and c.relforcerowsecurity
order by c.relname
\gexec
