-- Every object of schema app that a repeatable file makes, with two texts: `definition`, to compare
-- with the recorded one and to keep when it is overwritten, and `strip`, the SQL that takes from
-- the object all that its file gives anew.
--
-- A function's file makes the function, its owner, comment and grants. A table's policy file makes
-- its row security, policies, grants and triggers. Left out are:
-- - the owner's own privileges: it can grant them to itself at any time;
-- - partitions but for their triggers, which are described once as long as all are alike: they
--   belong to their parent, and describe_structure.sql has them;
-- - comments on tables and columns, which are structure.
--
-- Read by `hearth status` and before and after the repeatable files run. pg_policies prints a
-- policy's conditions, which locks its table for a moment (access share).

with objects as (
    -- `version` is new after every change, so it tells whether a file touched the function.
    select
        'function' as kind,
        proname::text as name,
        'routine' as type,
        oid,
        oid::regprocedure::text as object,
        proowner as owner,
        ctid::text as version,
        concat_ws(
            E'\n',
            pg_get_functiondef(oid) || 'owner ' || proowner::regrole,
            'comment ' || obj_description(oid, 'pg_proc')
        ) as body,
        null as forced
    from pg_proc
    where pronamespace = to_regnamespace('app') and prokind <> 'a'

    union all

    -- Stripped, a table is shut: row security stays on, and forced.
    select
        'policy',
        relname::text,
        'table',
        oid,
        oid::regclass::text,
        relowner,
        ctid::text,
        format('row security %s, forced %s', relrowsecurity, relforcerowsecurity),
        case when relkind <> 'v' then
            format(
                'alter table %1$s enable row level security;'
                ' alter table %1$s force row level security;',
                oid::regclass
            )
        end
    from pg_class
    where
        relnamespace = to_regnamespace('app')
        and relkind in ('r', 'p', 'v')
        and not relispartition
),

grants as (
    -- A function that nobody has granted may be executed by all: acldefault says so.
    select 'routine' as type, p.oid, '' as part, a.*
    from pg_proc as p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a

    union all

    select 'table', c.oid, '', a.*
    from pg_class as c, aclexplode(c.relacl) as a

    union all

    select 'table', c.attrelid, format(' (%I)', c.attname), a.*
    from pg_attribute as c, aclexplode(c.attacl) as a
),

acl as (
    select
        type,
        oid,
        string_agg(
            format(
                'grant %s to %s%s',
                privilege_type || part,
                who,
                case when is_grantable then ' with grant option' end
            ),
            E'\n' order by who, privilege_type, part
        ) as granted,
        -- Whether the public may execute a function is what its file says or PostgreSQL's default.
        string_agg(
            distinct format('revoke all on %s %s from %s cascade;', type, object, who), ' '
        ) filter (where who <> 'public' or type = 'table') as stripped
    from objects
    join grants using (type, oid)
    cross join lateral coalesce(nullif(grantee::regrole::text, '-'), 'public') as who
    where grantee <> owner
    group by type, oid
),

policies as (
    select
        'table' as type,
        p.polrelid as oid,
        string_agg(
            format(
                E'policy %I as %s for %s to %s\n using %s\n check %s\n comment %s',
                v.policyname,
                v.permissive,
                v.cmd,
                v.roles,
                v.qual,
                v.with_check,
                obj_description(p.oid, 'pg_policy')
            ),
            E'\n' order by v.policyname
        ) as made,
        string_agg(format('drop policy %I on app.%I;', v.policyname, v.tablename), ' ') as dropped
    from pg_policies as v
    join pg_class as t
        on t.relnamespace = to_regnamespace('app') and t.relname = v.tablename
    join pg_policy as p on p.polrelid = t.oid and p.polname = v.policyname
    where v.schemaname = 'app'
    group by p.polrelid
),

-- Of a table and, together, of its partitions.
triggers as (
    select
        'table' as type,
        coalesce(inhparent, c.oid) as oid,
        string_agg(
            distinct concat(case when inhparent is not null then E'of partitions\n' end, g.made),
            E'\n'
        ) as fired,
        string_agg(g.dropped, ' ') as dropped
    from pg_class as c
    left join pg_inherits on inhrelid = c.oid
    cross join lateral (
        select
            string_agg(
                concat_ws(
                    ' ',
                    replace(pg_get_triggerdef(t.oid), c.oid::regclass::text, '…'),
                    case tgenabled
                        when 'D' then 'disabled'
                        when 'R' then 'enabled replica'
                        when 'A' then 'enabled always'
                    end,
                    'comment ' || obj_description(t.oid, 'pg_trigger')
                ),
                E'\n' order by tgname
            ) as made,
            string_agg(format('drop trigger %I on %s;', tgname, c.oid::regclass), ' ')
                filter (where tgparentid = 0) as dropped
        from pg_trigger as t
        where tgrelid = c.oid and not tgisinternal
    ) as g
    where relnamespace = to_regnamespace('app') and relkind in ('r', 'p', 'v')
    group by 2
)

-- `is_used`: defaults or checks depend on the function; other functions, policies and triggers,
-- which are repeatable as well, do not count.
select
    kind,
    name,
    object,
    version,
    concat_ws(E'\n', body, granted, made, nullif(fired, '')) as definition,
    concat_ws(' ', policies.dropped, triggers.dropped, stripped, forced) as strip,
    type = 'routine' and exists (
        select from pg_depend as d
        where
            d.refclassid = 'pg_proc'::regclass
            and d.refobjid = oid
            and d.classid not in (
                'pg_proc'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass
            )
    ) as is_used
from objects
left join acl using (type, oid)
left join policies using (type, oid)
left join triggers using (type, oid)
order by object
