"""The structure, which migrations make: described, recorded, and told apart from what it is now.

An object belongs to the last migration that changed it. `yoyo.structure` keeps what each migration
left of the objects it changed; when one is rolled back its records go, those of the one before
count again, and the object has to be what they say.
"""

import re
from dataclasses import astuple
from typing import Any

import psycopg
from psycopg.rows import class_row

from app.migrations.sources import File
from app.migrations.steps import Part, State

Connection = psycopg.Connection[Any]

TABLE = """
    create table if not exists yoyo.structure (
        migration text, object text, parent text, definition text, made_on text not null,
        primary key (migration, object)
    );
    comment on table yoyo.structure is
        'What each migration left of the objects it changed; no definition: it took it away.';
"""

# Every object that a migration may make, what it is a part of, and a text to compare. Left out: row
# security, policies and grants of tables, which are a policy file's; passwords, expiry and limits
# of roles, storage and statistics targets of columns, which are the administrator's.
#
# The partitions of a table are one object, described by what is true of any of them: months come
# and go, and as long as all are alike, nothing changes. No policy file speaks of them, so here
# stand their row security, policies and grants too.
CATALOG = r"""
    with tables as (
        select *, oid::regclass::text as name,
            (array['table', 'table', 'foreign table', 'view', 'materialized view', 'sequence',
                'type'])[position(relkind in 'rpfvmSc')] || ' ' || oid::regclass as object
        from pg_class
        where relnamespace = to_regnamespace('app')
            and relkind in ('r', 'p', 'f', 'v', 'm', 'S', 'c') and not relispartition
    ), parts (object, parent, catalog, oid, number, owner, acl, body) as (
        select 'role ' || rolname, null, 'pg_authid'::regclass, r.oid, 0, null::oid,
            null::aclitem[], concat_ws(E'\n',
                format('login %s, inherit %s, superuser %s, bypass row security %s', rolcanlogin,
                    rolinherit, rolsuper, rolbypassrls),
                format('create roles %s, create databases %s, replication %s', rolcreaterole,
                    rolcreatedb, rolreplication),
                (select string_agg(format('member of %s', roleid::regrole), E'\n'
                        order by roleid::regrole::text)
                    from pg_auth_members where member = r.oid),
                (select string_agg('set ' || setting, E'\n' order by setdatabase, setting)
                    from pg_db_role_setting, unnest(setconfig) setting
                    where setrole = r.oid and setdatabase in (0, d.oid)))
        from pg_roles r
        join pg_database d on d.datname = current_database()
        where rolname like 'app\_%'
        union all
        select 'database', null, 'pg_database', oid, 0, datdba,
            coalesce(datacl, acldefault('d', datdba)), (
                select string_agg('set ' || setting, E'\n' order by setting)
                from pg_db_role_setting, unnest(setconfig) setting
                where setrole = 0 and setdatabase = d.oid)
        from pg_database d
        where datname = current_database()
        union all
        select 'default privileges', null, 'pg_default_acl', 0, 0, null, null,
            string_agg(format('of %s in %s on %s: %s', defaclrole::regrole,
                coalesce(nspname, 'every schema'), defaclobjtype, defaclacl), E'\n'
                order by defaclrole::regrole::text, nspname, defaclobjtype)
        from pg_default_acl
        left join pg_namespace n on n.oid = defaclnamespace
        where defaclrole::regrole::text like 'app\_%' or nspname = 'app'
        having count(*) > 0
        union all
        select 'schema app', null, 'pg_namespace', oid, 0, nspowner, nspacl, null
        from pg_namespace
        where nspname = 'app'
        union all
        select 'type ' || oid::regtype, 'schema app', 'pg_type', oid, 0, typowner,
            coalesce(typacl, acldefault('T', typowner)),
            concat_ws(' ', (select string_agg(enumlabel, ', ' order by enumsortorder)
                from pg_enum where enumtypid = t.oid), nullif(typbasetype, 0)::regtype,
                case when typnotnull then 'not null' end, 'default ' || typdefault)
        from pg_type t
        where typnamespace = to_regnamespace('app') and typtype in ('e', 'd', 'r')
        union all
        select object, 'schema app', 'pg_class', oid, 0, relowner,
            case when relkind in ('f', 'm', 'S') then relacl end,
            concat_ws(E'\n', (array['permanent', 'unlogged', 'temporary'])
                    [position(relpersistence in 'put')],
                'partition by ' || pg_get_partkeydef(oid), 'with ' || reloptions::text,
                'replica identity ' || nullif(relreplident, 'd')::text,
                case when relkind in ('v', 'm') then pg_get_viewdef(oid) end)
        from tables
        union all
        select 'partitions of ' || object, object, 'pg_class', 0, 0, null, null,
            case when bool_or(pg_get_expr(p.relpartbound, p.oid) = 'DEFAULT') then E'default\n'
                else '' end
            || string_agg(distinct concat_ws(', ', format('of %s, row security %s, forced %s',
                    p.relowner::regrole, p.relrowsecurity, p.relforcerowsecurity),
                'with ' || p.reloptions::text,
                (select string_agg(pg_get_constraintdef(c.oid), ', ' order by conname)
                    from pg_constraint c
                    where conrelid = p.oid and conislocal and contype <> 'n' and conparentid = 0),
                (select string_agg(pg_get_indexdef(i.indexrelid), ', ' order by indexrelid)
                    from pg_index i join pg_class x on x.oid = indexrelid
                    where indrelid = p.oid and not x.relispartition),
                (select string_agg('policy ' || polname, ', ' order by polname)
                    from pg_policy where polrelid = p.oid),
                (select string_agg(format('%s granted to %s', privilege_type,
                        coalesce(nullif(grantee::regrole::text, '-'), 'public')), ', '
                        order by grantee::regrole::text, privilege_type)
                    from (select p.relacl as acl union all
                        select attacl from pg_attribute where attrelid = p.oid) as granted,
                        aclexplode(acl)
                    where grantee <> p.relowner),
                (select string_agg(concat(replace(pg_get_triggerdef(g.oid),
                        p.oid::regclass::text, '…'), ' ', tgenabled), ', ' order by tgname)
                    from pg_trigger g where tgrelid = p.oid and not tgisinternal)), E'\n')
        from tables t
        join pg_inherits on inhparent = t.oid
        join pg_class p on p.oid = inhrelid and p.relkind = 'r'
        group by object
        union all
        select format('column %s.%I', name, attname), object, 'pg_class', t.oid, attnum, null, null,
            concat_ws(' ', format_type(atttypid, atttypmod),
                case when attcollation <> typcollation
                    then 'collate ' || attcollation::regcollation end,
                case when attnotnull then 'not null' end,
                case attidentity when 'a' then 'always' when 'd' then 'by default' end,
                case attgenerated when '' then 'default ' else 'generated ' end
                    || pg_get_expr(adbin, adrelid),
                -- PostgreSQL 15.20 numbers columns there by itself.
                (select 'with ' || string_agg(o, ', ' order by o)
                    from unnest(attoptions) o where o !~ '^pg_attver='))
        from tables t
        join pg_attribute a on attrelid = t.oid and attnum > 0 and not attisdropped
        join pg_type y on y.oid = atttypid
        left join pg_attrdef on (adrelid, adnum) = (attrelid, attnum)
        where relkind <> 'S'
        union all
        select format('constraint %I on %s', conname, coalesce(name, contypid::regtype::text)),
            coalesce(object, 'type ' || contypid::regtype), 'pg_constraint', c.oid, 0, null, null,
            pg_get_constraintdef(c.oid) || case when exists (
                select from pg_trigger where tgconstraint = c.oid and tgenabled <> 'O'
            ) then ' disabled' else '' end
        from pg_constraint c
        left join tables t on t.oid = conrelid
        where connamespace = to_regnamespace('app') and contype not in ('n', 't')
            and (t.oid is not null or contypid <> 0)
        union all
        select 'index ' || indexrelid::regclass, object, 'pg_class', indexrelid, 0, null, null,
            pg_get_indexdef(indexrelid) || case when indisvalid then '' else ' invalid' end
        from tables t
        join pg_index on indrelid = t.oid
        union all
        select format('trigger %I on %s', tgname, name), object, 'pg_trigger', g.oid, 0, null, null,
            concat(pg_get_triggerdef(g.oid), ' ' || case tgenabled when 'D' then 'disabled'
                when 'R' then 'enabled replica' when 'A' then 'enabled always' end)
        from tables t
        join pg_trigger g on tgrelid = t.oid and not tgisinternal
        union all
        select format('rule %I on %s', rulename, name), object, 'pg_rewrite', w.oid, 0, null, null,
            concat(pg_get_ruledef(w.oid), ' ', ev_enabled)
        from tables t
        join pg_rewrite w on ev_class = t.oid and rulename <> '_RETURN'
        union all
        select format('statistics %s.%I', stxnamespace::regnamespace, stxname), object,
            'pg_statistic_ext', s.oid, 0, null, null, pg_get_statisticsobjdef(s.oid)
        from tables t
        join pg_statistic_ext s on stxrelid = t.oid
    )
    select object, parent, concat_ws(E'\n', nullif(body, ''),
        'owner ' || case object when 'database' then null else owner::regrole end,
        granted, 'comment ' || description) as definition
    from parts
    left join (
        select objoid, classoid, objsubid, description from pg_description
        union all
        select objoid, classoid, 0, description from pg_shdescription
    ) comments on (objoid, classoid, objsubid) = (oid, catalog, number) and object <> 'database'
    left join lateral (
        select string_agg(format('grant %s to %s%s', privilege_type, who,
            case when is_grantable then ' with grant option' end), E'\n'
            order by who, privilege_type) as granted
        from aclexplode(acl)
        cross join lateral coalesce(nullif(grantee::regrole::text, '-'), 'public') who
        where grantee <> owner
    ) grants on true
"""

RECORDED = """
    select distinct on (object) object, parent, migration, definition, made_on
    from yoyo.structure
    order by object, migration desc
"""


def look(connection: Connection) -> dict[str, Part]:
    """Describe every object of the structure as it is now."""
    rows = connection.cursor(row_factory=class_row(Part)).execute(CATALOG)
    return {part.object: part for part in rows}


def recorded(connection: Connection) -> dict[str, Part]:
    """Return the record that counts of every object: that of the last migration to change it."""
    rows = connection.cursor(row_factory=class_row(Part)).execute(RECORDED)
    return {part.object: part for part in rows}


def record(connection: Connection, file: File, before: State) -> None:
    """Record what a migration has changed since `before`.

    What it names and nobody has recorded is its as well: a role that another database of the
    cluster has made already, an index that was built by hand before the migration for it came.
    """
    after = look(connection)
    for name, part in {**before.structure, **after}.items():
        is_changed = before.structure.get(name) != after.get(name)
        if is_changed or (name not in before.recorded and _names(file, name)):
            definition = part.definition if name in after else None
            _write(connection, Part(name, part.parent, definition, file.name, before.server))


def adopt(connection: Connection, migration: str, state: State) -> None:
    """Take the structure for right as it is: nothing is recorded, or by another server.

    Another major version may describe the same object in other words.
    """
    connection.execute("update yoyo.structure set made_on = %s", [state.server])
    for name, part in state.structure.items():
        if not state.recorded or name in state.recorded:
            owner = state.recorded[name].migration if state.recorded else migration
            _write(connection, Part(name, part.parent, part.definition, owner, state.server))


def forget(connection: Connection, migration: str) -> None:
    """Drop the records of a migration that no longer stands."""
    connection.execute("delete from yoyo.structure where migration = %s", [migration])


def _write(connection: Connection, part: Part) -> None:
    connection.execute(
        "insert into yoyo.structure (object, parent, definition, migration, made_on)"
        " values (%s, %s, %s, %s, %s)"
        " on conflict (migration, object) do update set parent = excluded.parent,"
        " definition = excluded.definition, made_on = excluded.made_on",
        astuple(part),
    )


def _names(file: File, name: str) -> bool:
    """Tell whether a file speaks of `index app.by_body`, whatever it says of it."""
    word = name.split()[1 if " " in name else 0].rpartition(".")[2].strip('"')
    return re.search(rf"\b{re.escape(word)}\b", file.text) is not None
