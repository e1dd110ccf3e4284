-- PostgreSQL mends each major version for five years.
--
-- The dates are those of https://www.postgresql.org/support/versioning/, where each later one is
-- added with its release. Half a year is time enough for an upgrade; after the date nobody mends
-- what is found. A version that is not here has not been tried with Hearth.
--
-- level: warning

with supported (major, ends_on) as (
    values
        (15, date '2027-11-11'),
        (16, date '2028-11-09'),
        (17, date '2029-11-08'),
        (18, date '2030-11-14')
),

server as (
    select
        current_setting('server_version_num')::integer / 10000 as major,
        coalesce(($1 ->> 'now')::timestamptz, now())::date as today
)

select
    case when s.major < 15 or u.ends_on <= s.today then 'error' end as level,
    null as object,
    case
        when u.major is null then format('PostgreSQL %s has not been tried with Hearth', s.major)
        when u.ends_on <= s.today
            then format('PostgreSQL %s has not been supported since %s', s.major, u.ends_on)
        else format('PostgreSQL %s is supported until %s', s.major, u.ends_on)
    end as says,
    'upgrade to PostgreSQL 18' as remedy
from server as s
left join supported as u using (major)
where u.major is null or u.ends_on <= s.today + 180;
