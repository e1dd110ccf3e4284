-- Triggers, off and on; run by psql as a superuser.
--
-- Variables: switch, enable or disable; functions, a pattern of the names of theirs.

\set ON_ERROR_STOP on

select format('alter table %s %s trigger %I', t.tgrelid::regclass, :'switch', t.tgname)
from pg_trigger as t
inner join pg_proc as p on p.oid = t.tgfoid
where
    t.tgrelid in (select c.oid from pg_class as c where c.relnamespace = 'app'::regnamespace)
    and t.tgparentid = 0
    and p.proname ~ :'functions'
order by t.tgrelid, t.tgname
\gexec
