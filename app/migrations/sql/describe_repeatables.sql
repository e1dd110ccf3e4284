-- Every object of schema app that a repeatable file makes, with two texts: `definition`, to compare
-- with the recorded one and to keep when it is overwritten, and `strip`, the SQL that takes from
-- the object all that its file gives anew.
--
-- A function's file makes the function, its owner, comment and grants. A table's policy file makes
-- its row security, its policies and its grants. Left out are:
-- - the owner's own privileges: it can grant them to itself at any time;
-- - partitions: they belong to their parent, and describe_structure.sql has them;
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
)

-- `is_used`: triggers, defaults or checks depend on the function; other functions and policies,
-- which are repeatable as well, do not count.
select
    kind,
    name,
    object,
    version,
    concat_ws(E'\n', body, granted, made) as definition,
    concat_ws(' ', dropped, stripped, forced) as strip,
    type = 'routine' and exists (
        select from pg_depend as d
        where
            d.refclassid = 'pg_proc'::regclass
            and d.refobjid = oid
            and d.classid not in ('pg_proc'::regclass, 'pg_policy'::regclass)
    ) as is_used
from objects
left join acl using (type, oid)
left join policies using (type, oid)
order by object
