-- Numbers do not run out.
--
-- A sequence stops at its end, or at that of the column that it fills.
--
-- level: warning
-- as: app_owner

with numbered as (
    select
        s.schemaname || '.' || s.sequencename as name,
        s.last_value,
        least(
            s.max_value,
            (
                select
                    min(
                        case a.atttypid
                            when 'smallint'::regtype then 32767
                            when 'integer'::regtype then 2147483647
                        end
                    )
                from pg_depend as d
                inner join pg_attribute as a
                    on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
                where
                    d.classid = 'pg_class'::regclass
                    and d.objid = format('%I.%I', s.schemaname, s.sequencename)::regclass
                    and d.deptype in ('a', 'i')
            )
        ) as last_one
    from pg_sequences as s
    where s.schemaname = 'app' and s.increment_by > 0 and not s.cycle
)

select
    case when n.last_value > n.last_one * 0.9 then 'error' end as level,
    n.name as object,
    format('%s is at %s of %s', n.name, n.last_value, n.last_one) as says,
    'make the column and its sequence bigint' as remedy
from numbered as n
where n.last_value > n.last_one * 0.7;
