-- A password that ends is renewed before.
--
-- After that moment no new connection is made with it, and those there are go on: it is noticed at
-- the next start.
--
-- level: warning

with logins as (
    select
        r.rolname,
        r.rolvaliduntil as ends_at,
        coalesce(($1 ->> 'now')::timestamptz, now()) as now
    from pg_roles as r
    where
        r.rolname in ('app_api', 'app_reader', 'hearth_deployer')
        and r.rolvaliduntil < 'infinity'
)

select
    case when l.ends_at <= l.now then 'error' end as level,
    l.rolname::text as object,
    format(
        'the password of %s %s at %s',
        l.rolname, case when l.ends_at <= l.now then 'ended' else 'ends' end, l.ends_at
    ) as says,
    format('set another, or `alter role %I valid until ''infinity''`', l.rolname) as remedy
from logins as l
where l.ends_at < l.now + interval '30 days';
