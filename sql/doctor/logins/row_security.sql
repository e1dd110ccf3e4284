-- Nobody has turned row_security off.
--
-- It makes queries fail whose rows a policy would hide. The service's own transactions turn it on
-- again; other programs of the login do not.
--
-- level: warning

with set_for as (
    select nullif(s.setrole, 0)::regrole::text as role_name
    from pg_db_role_setting as s
    cross join unnest(s.setconfig) as setting (text)
    where
        setting.text in ('row_security=off', 'row_security=false', 'row_security=0')
        and s.setdatabase in (
            0, (select d.oid from pg_database as d where d.datname = current_database())
        )
)

select
    coalesce(s.role_name, 'database') as object,
    'row_security is off' as says,
    format(
        '`alter %s reset row_security`',
        coalesce('role ' || s.role_name, format('database %I', current_database()))
    ) as remedy
from set_for as s
union all
select 'server', 'row_security is off', '`alter system reset row_security`, and reload'
from pg_settings as s
where
    s.name = 'row_security'
    and s.reset_val = 'off'
    and not exists (
        select from set_for as o where coalesce(o.role_name, session_user) = session_user
    );
