-- The service can write.
--
-- A default of read-only, for the server, the database or the service's login, refuses every write,
-- and so does a standby.
--
-- level: error

with set_for as (
    select
        case
            when r.setrole <> 0 then format('alter role %s', r.setrole::regrole)
            else format('alter database %I', current_database())
        end as command,
        split_part(setting.text, '=', 2) as value
    from pg_db_role_setting as r
    cross join unnest(r.setconfig) as setting (text)
    where
        (
            r.setdatabase = 0
            or r.setdatabase = (
                select d.oid from pg_database as d where d.datname = current_database()
            )
        )
        and r.setrole in (0, coalesce(to_regrole('app_api')::oid, 0))
        and starts_with(setting.text, 'default_transaction_read_only=')
)

select
    s.command as object,
    'default_transaction_read_only is on' as says,
    format('`%s reset default_transaction_read_only`', s.command) as remedy
from set_for as s
where s.value in ('on', 'true', '1', 'yes')
union all
select
    'server', 'default_transaction_read_only is on',
    '`alter system reset default_transaction_read_only`, and reload'
from pg_settings as s
where
    s.name = 'default_transaction_read_only'
    and s.reset_val = 'on'
    and s.source in ('configuration file', 'command line', 'environment variable', 'global')
union all
select
    'standby', 'DIRECT_URL leads to a standby', 'let it lead to the primary'
where pg_is_in_recovery();
