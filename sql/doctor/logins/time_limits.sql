-- Whoever waits or idles is stopped.
--
-- Without its limits, one statement or one forgotten transaction of the service holds locks and old
-- rows for as long as it likes. They stand on the roles, for a pooler passes none on.
--
-- level: warning

with wanted (role_name, setting, value) as (
    values
        ('app_api', 'statement_timeout', '5s'),
        ('app_api', 'lock_timeout', '2s'),
        ('app_api', 'idle_in_transaction_session_timeout', '10s'),
        ('app_reader', 'statement_timeout', '60s'),
        ('app_reader', 'idle_in_transaction_session_timeout', '60s')
),

given as (
    select distinct on (w.role_name, w.setting)
        w.role_name,
        w.setting,
        split_part(setting.text, '=', 2) as value
    from wanted as w
    inner join pg_db_role_setting as s on s.setrole = to_regrole(w.role_name)
    cross join unnest(s.setconfig) as setting (text)
    where
        s.setdatabase in (
            0, (select d.oid from pg_database as d where d.datname = current_database())
        )
        and starts_with(setting.text, w.setting || '=')
    order by w.role_name, w.setting, s.setdatabase desc
)

select
    w.role_name || '.' || w.setting as object,
    format('%s has no %s', w.role_name, w.setting) as says,
    format('`alter role %I set %s = ''%s''`', w.role_name, w.setting, w.value) as remedy
from wanted as w
left join given as g using (role_name, setting)
where to_regrole(w.role_name) is not null and coalesce(g.value, '0') ~ '^0+[a-z]*$';
