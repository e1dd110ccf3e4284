-- Every policy is one that our files make.
--
-- A permissive one beside them admits what they hide. Names are compared here; that one of ours was
-- changed is told as drift.
--
-- level: error

select
    p.polrelid::regclass::text || '.' || p.polname as object,
    format('no file makes the policy %s on %s', p.polname, p.polrelid::regclass) as says,
    format('`drop policy %I on %s`', p.polname, p.polrelid::regclass) as remedy
from pg_policy as p
inner join pg_class as c on c.oid = p.polrelid
left join yoyo.files as f on f.kind = 'policy' and f.name = c.relname
where
    c.relnamespace = to_regnamespace('app')
    and strpos(coalesce(f.definition, ''), format(E'\npolicy %I as ', p.polname)) = 0;
