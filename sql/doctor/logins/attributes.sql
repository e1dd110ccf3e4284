-- A role has no more rights than it was made with.
--
-- Who is a superuser or bypasses row level security sees every family. The deployer may create
-- roles, and inherits nothing: what it may do it says.
--
-- level: error

with attributes as (
    select
        r.rolname,
        a.name,
        a.is_set,
        a.remedy
    from pg_roles as r
    cross join lateral (
        values
            ('superuser', r.rolsuper, 'nosuperuser'),
            ('bypassrls', r.rolbypassrls, 'nobypassrls'),
            ('replication', r.rolreplication, 'noreplication'),
            ('createdb', r.rolcreatedb, 'nocreatedb'),
            ('createrole', r.rolcreaterole and r.rolname <> 'hearth_deployer', 'nocreaterole'),
            ('inherit', r.rolinherit and r.rolname = 'hearth_deployer', 'noinherit'),
            (
                'login',
                r.rolcanlogin and r.rolname not in ('app_api', 'app_reader', 'hearth_deployer'),
                'nologin'
            )
    ) as a (name, is_set, remedy)
    where
        r.rolname in (
            'app_owner', 'app_auth', 'app_audit', 'app_ops', 'app_api', 'app_reader',
            'hearth_deployer'
        )
)

select
    case when a.name in ('createdb', 'inherit') then 'warning' end as level,
    a.rolname::text as object,
    format('%s has %s', a.rolname, a.name) as says,
    format('`alter role %I %s`', a.rolname, a.remedy) as remedy
from attributes as a
where a.is_set;
