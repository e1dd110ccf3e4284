-- There are partitions for the months to come.
--
-- `hearth migrate` makes twelve ahead each time it runs; rows of a month without one go to the
-- default partition.
--
-- level: warning

with partitions as (
    select c.relname::text as name
    from pg_inherits as i
    inner join pg_class as c on c.oid = i.inhrelid
    inner join pg_class as p on p.oid = i.inhparent
    where p.relnamespace = to_regnamespace('app') and p.relname = 'audit_log'
),

months as (
    select coalesce(min(n) filter (where p.name is null), 12) as months_left
    from generate_series(0, 11) as n
    left join partitions as p
        on p.name = to_char(
            date_trunc('month', coalesce(($1 ->> 'now')::timestamptz, now()) at time zone 'UTC')
            + n * interval '1 month',
            '"audit_log_"YYYY_MM'
        )
)

select
    case m.months_left when 0 then 'error' end as level,
    'app.audit_log' as object,
    case m.months_left
        when 0 then 'this month has no partition'
        when 1 then 'the next month has no partition'
        else 'the month after the next has no partition'
    end as says,
    '`hearth migrate` makes it' as remedy
from months as m
where m.months_left <= 2 and exists (select from partitions);
