-- The log holds no values of statements.
--
-- What people write, and the hashes of their tokens, are parameters. A log of statements, or of
-- slow ones, has them unless it is told otherwise, and it is read by more people than the
-- database.
--
-- level: warning

with settings as (
    select
        max(s.reset_val) filter (where s.name = 'log_statement') as statements,
        max(s.reset_val::integer) filter (where s.name = 'log_min_duration_statement') as slow,
        max(s.reset_val::integer) filter (where s.name = 'log_min_duration_sample') as sample,
        max(s.reset_val::integer) filter (where s.name = 'log_parameter_max_length') as length,
        max(s.reset_val::integer) filter (where s.name = 'log_parameter_max_length_on_error')
            as length_on_error
    from pg_settings as s
    where
        s.name in (
            'log_statement', 'log_min_duration_statement', 'log_min_duration_sample',
            'log_parameter_max_length', 'log_parameter_max_length_on_error'
        )
)

select
    'log_parameter_max_length' as object,
    case
        when s.statements in ('all', 'mod') then 'statements are logged with their values'
        else 'slow statements are logged with their values'
    end as says,
    '`alter system set log_parameter_max_length = 0`, and reload' as remedy
from settings as s
where
    s.length <> 0
    and (s.statements in ('all', 'mod') or s.slow >= 0 or s.sample >= 0)
union all
select
    'log_parameter_max_length_on_error',
    'statements that fail are logged with their values',
    '`alter system reset log_parameter_max_length_on_error`, and reload'
from settings as s
where s.length_on_error <> 0
union all
select
    r.rolname,
    format('%s has %s', r.rolname, setting.text),
    format('`alter role %I reset %s`', r.rolname, split_part(setting.text, '=', 1))
from pg_db_role_setting as d
inner join pg_roles as r on r.oid = d.setrole
cross join unnest(d.setconfig) as setting (text)
where
    r.rolname in ('app_api', 'app_reader')
    and d.setdatabase in (
        0, (select b.oid from pg_database as b where b.datname = current_database())
    )
    and setting.text ~ '^log_(statement=(all|mod)|min_duration_(statement|sample)=\d)';
