-- Nobody but our roles has rights on what is ours.
--
-- A grant to everybody, or to a role that no file names, is a way past the policies: they are made
-- for app_api and app_reader. The bookkeeping in schema yoyo is there for everybody to read.
--
-- level: error

with granted (object, target, acl, owner) as (
    select 'schema app', 'schema app', n.nspacl, n.nspowner
    from pg_namespace as n
    where n.nspname = 'app'
    union all
    select
        c.oid::regclass::text,
        case c.relkind when 'S' then 'sequence ' else '' end || c.oid::regclass,
        c.relacl,
        c.relowner
    from pg_class as c
    where c.relnamespace = to_regnamespace('app') and c.relacl is not null
    union all
    select
        format('%s.%I', a.attrelid::regclass, a.attname),
        a.attrelid::regclass::text,
        a.attacl,
        c.relowner
    from pg_attribute as a
    inner join pg_class as c on c.oid = a.attrelid
    where c.relnamespace = to_regnamespace('app') and a.attacl is not null
    union all
    select
        p.oid::regprocedure::text,
        'function ' || p.oid::regprocedure,
        coalesce(p.proacl, acldefault('f', p.proowner)),
        p.proowner
    from pg_proc as p
    where p.pronamespace = to_regnamespace('app')
    union all
    select
        'database',
        format('database %I', d.datname),
        coalesce(d.datacl, acldefault('d', d.datdba)),
        d.datdba
    from pg_database as d
    where d.datname = current_database()
)

select
    g.object as object,
    format(
        '%s may %s %s',
        who.name,
        string_agg(lower(a.privilege_type collate "C"), ', ' order by a.privilege_type),
        case g.object when 'database' then g.target else g.object end
    ) as says,
    format(
        '`revoke all on %s from %s`',
        g.target, case when a.grantee = 0 then 'public' else who.name end
    ) as remedy
from granted as g
cross join aclexplode(g.acl) as a
cross join lateral (
    select case when a.grantee = 0 then 'everybody' else a.grantee::regrole::text end as name
) as who
where
    a.grantee <> g.owner
    and who.name not in (
        'app_owner', 'app_auth', 'app_audit', 'app_ops', 'app_api', 'app_reader',
        'hearth_deployer'
    )
group by g.object, g.target, a.grantee, who.name
order by g.object;
