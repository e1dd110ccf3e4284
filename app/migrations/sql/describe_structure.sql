-- Every object that a migration may make: its name, the object it is a part of, and a text to
-- compare with the recorded one, so that what somebody changed by hand is found.
--
-- Left out are:
-- - row security, policies, grants and triggers of tables: a policy file makes them, and
--   describe_repeatables.sql has them, as it has the functions;
-- - passwords, expiry and connection limits of roles, storage and statistics targets of columns:
--   the administrator sets them.
--
-- Read by `hearth status`, and before and after each migration: what differs is the migration's.
-- Each branch below is one kind of object, `body` what is peculiar to it; owner, grants and comment
-- are added to all at the end.

with tables as (
    select
        *,
        oid::regclass::text as name,
        (array[
            'table', 'table', 'foreign table', 'view', 'materialized view', 'sequence', 'type'
        ])[position(relkind in 'rpfvmSc')] || ' ' || oid::regclass as object
    from pg_class
    where
        relnamespace = to_regnamespace('app')
        and relkind in ('r', 'p', 'f', 'v', 'm', 'S', 'c')
        and not relispartition
),

parts (object, parent, catalog, oid, number, owner, acl, body) as (
    -- Roles. They are the server's and not the database's, but isolation hangs on them.
    select
        'role ' || rolname,
        null,
        'pg_authid'::regclass,
        r.oid,
        0,
        null::oid,
        null::aclitem[],
        concat_ws(
            E'\n',
            format(
                'login %s, inherit %s, superuser %s, bypass row security %s',
                rolcanlogin, rolinherit, rolsuper, rolbypassrls
            ),
            format(
                'create roles %s, create databases %s, replication %s',
                rolcreaterole, rolcreatedb, rolreplication
            ),
            (
                select string_agg(
                    format('member of %s', roleid::regrole), E'\n' order by roleid::regrole::text
                )
                from pg_auth_members
                where member = r.oid
            ),
            (
                select string_agg('set ' || setting, E'\n' order by setdatabase, setting)
                from pg_db_role_setting, unnest(setconfig) as setting
                where setrole = r.oid and setdatabase in (0, d.oid)
            )
        )
    from pg_roles as r
    join pg_database as d on d.datname = current_database()
    where rolname like 'app\_%'

    union all

    -- The database.
    select
        'database',
        null,
        'pg_database',
        oid,
        0,
        datdba,
        coalesce(datacl, acldefault('d', datdba)),
        (
            select string_agg('set ' || setting, E'\n' order by setting)
            from pg_db_role_setting, unnest(setconfig) as setting
            where setrole = 0 and setdatabase = d.oid
        )
    from pg_database as d
    where datname = current_database()

    union all

    -- Default privileges, all in one.
    select
        'default privileges',
        null,
        'pg_default_acl',
        0,
        0,
        null,
        null,
        string_agg(
            format(
                'of %s in %s on %s: %s',
                defaclrole::regrole,
                coalesce(nspname, 'every schema'),
                defaclobjtype,
                defaclacl
            ),
            E'\n' order by defaclrole::regrole::text, nspname, defaclobjtype
        )
    from pg_default_acl
    left join pg_namespace as n on n.oid = defaclnamespace
    where defaclrole::regrole::text like 'app\_%' or nspname = 'app'
    having count(*) > 0

    union all

    -- The schema.
    select 'schema app', null, 'pg_namespace', oid, 0, nspowner, nspacl, null
    from pg_namespace
    where nspname = 'app'

    union all

    -- Enums, domains and ranges.
    select
        'type ' || oid::regtype,
        'schema app',
        'pg_type',
        oid,
        0,
        typowner,
        coalesce(typacl, acldefault('T', typowner)),
        concat_ws(
            ' ',
            (
                select string_agg(enumlabel, ', ' order by enumsortorder)
                from pg_enum
                where enumtypid = t.oid
            ),
            nullif(typbasetype, 0)::regtype,
            case when typnotnull then 'not null' end,
            'default ' || typdefault
        )
    from pg_type as t
    where typnamespace = to_regnamespace('app') and typtype in ('e', 'd', 'r')

    union all

    -- Tables, views, sequences and composite types. The grants of tables and views are their policy
    -- file's.
    select
        object,
        'schema app',
        'pg_class',
        oid,
        0,
        relowner,
        case when relkind in ('f', 'm', 'S') then relacl end,
        concat_ws(
            E'\n',
            (array['permanent', 'unlogged', 'temporary'])[position(relpersistence in 'put')],
            'partition by ' || pg_get_partkeydef(oid),
            'with ' || reloptions::text,
            'replica identity ' || nullif(relreplident, 'd')::text,
            case when relkind in ('v', 'm') then pg_get_viewdef(oid) end
        )
    from tables

    union all

    -- The partitions of a table are one object, described by what is true of any of them: months
    -- come and go, and as long as all are alike, nothing changes. Of these, no policy file speaks of
    -- more than triggers, so their row security, policies and grants stand here too.
    select
        'partitions of ' || object,
        object,
        'pg_class',
        0,
        0,
        null,
        null,
        case
            when bool_or(pg_get_expr(p.relpartbound, p.oid) = 'DEFAULT') then E'default\n'
            else ''
        end
        || string_agg(
            distinct concat_ws(
                ', ',
                format(
                    'of %s, row security %s, forced %s',
                    p.relowner::regrole, p.relrowsecurity, p.relforcerowsecurity
                ),
                'with ' || p.reloptions::text,
                (
                    select string_agg(pg_get_constraintdef(c.oid), ', ' order by conname)
                    from pg_constraint as c
                    where conrelid = p.oid and conislocal and contype <> 'n' and conparentid = 0
                ),
                (
                    select string_agg(pg_get_indexdef(i.indexrelid), ', ' order by indexrelid)
                    from pg_index as i
                    join pg_class as x on x.oid = indexrelid
                    where indrelid = p.oid and not x.relispartition
                ),
                (
                    select string_agg('policy ' || polname, ', ' order by polname)
                    from pg_policy
                    where polrelid = p.oid
                ),
                (
                    select string_agg(
                        format(
                            '%s granted to %s',
                            privilege_type,
                            coalesce(nullif(grantee::regrole::text, '-'), 'public')
                        ),
                        ', ' order by grantee::regrole::text, privilege_type
                    )
                    from
                        (
                            select p.relacl as acl
                            union all
                            select attacl from pg_attribute where attrelid = p.oid
                        ) as granted,
                        aclexplode(acl)
                    where grantee <> p.relowner
                )
            ),
            E'\n'
        )
    from tables as t
    join pg_inherits on inhparent = t.oid
    join pg_class as p on p.oid = inhrelid and p.relkind = 'r'
    group by object

    union all

    -- Columns. Of their options, one is left out: PostgreSQL 15.20 numbers columns by itself.
    select
        format('column %s.%I', name, attname),
        object,
        'pg_class',
        t.oid,
        attnum,
        null,
        null,
        concat_ws(
            ' ',
            format_type(atttypid, atttypmod),
            case
                when attcollation <> typcollation then 'collate ' || attcollation::regcollation
            end,
            case when attnotnull then 'not null' end,
            case attidentity when 'a' then 'always' when 'd' then 'by default' end,
            case attgenerated when '' then 'default ' else 'generated ' end
            || pg_get_expr(adbin, adrelid),
            (
                select 'with ' || string_agg(o, ', ' order by o)
                from unnest(attoptions) as o
                where o !~ '^pg_attver='
            )
        )
    from tables as t
    join pg_attribute as a on attrelid = t.oid and attnum > 0 and not attisdropped
    join pg_type as y on y.oid = atttypid
    left join pg_attrdef on (adrelid, adnum) = (attrelid, attnum)
    where relkind <> 'S'

    union all

    -- Constraints of tables and domains. `not null` is said of the column; a constraint trigger is
    -- a trigger. A foreign key whose triggers are disabled is not enforced.
    select
        format('constraint %I on %s', conname, coalesce(name, contypid::regtype::text)),
        coalesce(object, 'type ' || contypid::regtype),
        'pg_constraint',
        c.oid,
        0,
        null,
        null,
        pg_get_constraintdef(c.oid)
        || case
            when exists (
                select from pg_trigger where tgconstraint = c.oid and tgenabled <> 'O'
            ) then ' disabled'
            else ''
        end
    from pg_constraint as c
    left join tables as t on t.oid = conrelid
    where
        connamespace = to_regnamespace('app')
        and contype not in ('n', 't')
        and (t.oid is not null or contypid <> 0)

    union all

    -- Indexes.
    select
        'index ' || indexrelid::regclass,
        object,
        'pg_class',
        indexrelid,
        0,
        null,
        null,
        pg_get_indexdef(indexrelid) || case when indisvalid then '' else ' invalid' end
    from tables as t
    join pg_index on indrelid = t.oid

    union all

    -- Rules; that of a view is its query.
    select
        format('rule %I on %s', rulename, name),
        object,
        'pg_rewrite',
        w.oid,
        0,
        null,
        null,
        concat(pg_get_ruledef(w.oid), ' ', ev_enabled)
    from tables as t
    join pg_rewrite as w on ev_class = t.oid and rulename <> '_RETURN'

    union all

    -- Extended statistics.
    select
        format('statistics %s.%I', stxnamespace::regnamespace, stxname),
        object,
        'pg_statistic_ext',
        s.oid,
        0,
        null,
        null,
        pg_get_statisticsobjdef(s.oid)
    from tables as t
    join pg_statistic_ext as s on stxrelid = t.oid
)

-- Who owns the database, and how it is commented, is the administrator's to say.
select
    object,
    parent,
    concat_ws(
        E'\n',
        nullif(body, ''),
        'owner ' || case object when 'database' then null else owner::regrole end,
        granted,
        'comment ' || description
    ) as definition
from parts
left join (
    select objoid, classoid, objsubid, description from pg_description
    union all
    select objoid, classoid, 0, description from pg_shdescription
) as comments
    on (objoid, classoid, objsubid) = (oid, catalog, number) and object <> 'database'
left join lateral (
    select string_agg(
        format(
            'grant %s to %s%s',
            privilege_type,
            who,
            case when is_grantable then ' with grant option' end
        ),
        E'\n' order by who, privilege_type
    ) as granted
    from aclexplode(acl)
    cross join lateral coalesce(nullif(grantee::regrole::text, '-'), 'public') as who
    where grantee <> owner
) as grants on true
