-- Nobody but the deployer may act as a role of ours.
--
-- A member of app_owner can take row level security away, one of app_auth sees what no family
-- should. And a role of ours is a member of none: the service would have those rights as well.
--
-- level: error

with ours (role_name) as (
    values ('app_owner'), ('app_auth'), ('app_audit'), ('app_ops'), ('app_api'), ('app_reader')
)

select
    u.rolname::text as object,
    format('%s is a member of %s', u.rolname, r.rolname) as says,
    format('`revoke %I from %I`', r.rolname, u.rolname) as remedy
from pg_auth_members as m
inner join pg_roles as r on r.oid = m.roleid
inner join pg_roles as u on u.oid = m.member
where
    u.rolname in (select o.role_name from ours as o)
    or (
        r.rolname in (select o.role_name from ours as o)
        and u.rolname <> 'hearth_deployer'
        and u.oid <> (select d.datdba from pg_database as d where d.datname = current_database())
    );
