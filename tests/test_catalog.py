"""The rules of docs/conventions.md, held against the catalog: a new table meets them by itself.

Each test lists what breaks a rule. An exception stands beside the rule, with its reason.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

# Short names for what every rule is about. Partitions are tables too, unless a rule says not.
_VIEWS = """
    select app.ensure_audit_partitions(1);

    create temporary view tables as
    select c.oid, c.relname::text as name, c.relispartition as is_partition, c.relacl,
        c.relname = 'families' or exists (
            select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'family_id'
        ) as is_tenants
    from pg_class as c
    where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p');

    create temporary view columns as
    select t.oid, t.name as in_table, a.attnum as number, a.attname::text as name, a.attacl,
        a.attgenerated <> '' as is_generated, a.attnotnull as is_not_null,
        format_type(a.atttypid, a.atttypmod) as type,
        pg_get_expr(d.adbin, d.adrelid) as expression
    from tables as t
    join pg_attribute as a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef as d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    where not t.is_partition;

    create temporary view constraints as
    select c.*, c.conname::text as name, t.name as in_table, t.is_tenants,
        array(
            select a.attname::text
            from unnest(c.conkey) with ordinality as k (number, place)
            join pg_attribute as a on (a.attrelid, a.attnum) = (c.conrelid, k.number)
            order by k.place
        ) as columns
    from tables as t
    join pg_constraint as c on c.conrelid = t.oid
    where not t.is_partition and c.contype not in ('n', 't');

    create temporary view indexes as
    select i.*, c.relname::text as name, t.name as in_table, t.is_tenants,
        pg_get_indexdef(i.indexrelid, 1, true) as first_column,
        exists (select from pg_constraint where conindid = i.indexrelid and contype in ('p', 'u'))
            as is_constraints
    from tables as t
    join pg_index as i on i.indrelid = t.oid
    join pg_class as c on c.oid = i.indexrelid
    where not t.is_partition;

    create temporary view triggers as
    select g.*, t.name as in_table, g.tgname::text as name, g.tgfoid::regproc::text as function
    from tables as t
    join pg_trigger as g on g.tgrelid = t.oid
    where not g.tgisinternal and g.tgparentid = 0;

    create temporary view policies as
    select p.*, t.name as in_table, p.polname::text as name,
        array(select r::regrole::text from unnest(p.polroles) as r order by 1) as roles,
        pg_get_expr(p.polqual, p.polrelid) as condition
    from tables as t
    join pg_policy as p on p.polrelid = t.oid;

    create temporary view functions as
    select p.*, p.proname::text as name, p.proowner::regrole::text as owner
    from pg_proc as p
    where p.pronamespace = 'app'::regnamespace;

    create temporary view grants as
    select t.name as in_table, t.is_partition, null as in_column, a.*,
        a.grantee::regrole::text as role
    from tables as t, aclexplode(t.relacl) as a
    union all
    select c.in_table, false, c.name, a.*, a.grantee::regrole::text
    from columns as c, aclexplode(c.attacl) as a;

    create temporary view runtime as
    select r.*, r.rolname::text as name
    from pg_roles as r
    where r.rolname in ('app_api', 'app_reader', 'app_auth', 'app_audit', 'app_ops');
"""

Found = Callable[[str], Awaitable[set[str]]]


@pytest.fixture
async def found(root: asyncpg.Connection) -> AsyncIterator[Found]:
    """Return what asks the catalog for names."""
    await root.execute(_VIEWS)

    async def ask(query: str) -> set[str]:
        return {" ".join(str(value) for value in row.values()) for row in await root.fetch(query)}

    yield ask


# Row level security.


async def test_row_level_security_is_enabled_and_forced_on_every_table(found: Found) -> None:
    assert not await found("""
        select t.name
        from tables as t
        join pg_class as c using (oid)
        where not c.relrowsecurity or not c.relforcerowsecurity
    """)


async def test_a_table_belongs_to_families_or_says_why_not(found: Found) -> None:
    assert await found("select name from tables where not is_tenants") == {
        "account_events",  # of an account, which may be in many families
        "credentials",  # of a person
        "refresh_tokens",  # of a session
        "users",  # people, who may be in many families
    }


async def test_the_tenant_floor_lies_under_every_table_of_a_family(found: Found) -> None:
    assert await found("""
        select name from tables as t
        where is_tenants and not is_partition and not exists (
            select from policies as p
            where p.in_table = t.name
                and p.name = 'tenant_floor'
                and not p.polpermissive
                and p.polcmd = '*'
                and p.roles = array['app_api', 'app_reader']
                and p.polwithcheck is null
                and p.condition = format('(%s = app.current_family_id())',
                    case t.name when 'families' then 'id' else 'family_id' end)
        )
    """) == {
        "sessions",  # belongs to a user, and moves from family to family
    }


async def test_a_policy_names_the_family_although_the_floor_does(found: Found) -> None:
    assert not await found(r"""
        select p.in_table, p.name
        from policies as p
        join tables as t on t.oid = p.polrelid and t.is_tenants and t.name <> 'sessions'
        cross join lateral (
            values (p.condition), (pg_get_expr(p.polwithcheck, p.polrelid))
        ) as either (condition)
        where p.roles && array['app_api', 'app_reader']
            and ltrim(either.condition, '(')
                !~ '^(family_id|id) = app\.current_family_id\(\)\)( AND |$)'
    """)


async def test_policies_are_flat(found: Found) -> None:
    assert not await found(r"""
        select in_table, name
        from policies as p, concat(polqual, polwithcheck) as tree
        where tree like '%{SUBLINK %'
            or exists (
                select from regexp_matches(tree, ':funcid (\d+)', 'g') as called
                where called[1]::oid::regproc::text not in (
                    'app.current_user_id', 'app.current_family_id', 'app.current_member_role')
            )
            or exists (
                select from pg_depend
                where classid = 'pg_policy'::regclass and objid = p.oid
                    and refclassid = 'pg_class'::regclass and refobjid <> p.polrelid
            )
    """)


async def test_a_command_and_a_role_have_one_permissive_policy_at_most(found: Found) -> None:
    assert not await found("""
        select in_table, role, command
        from policies, unnest(roles) as role, unnest(array['r', 'a', 'w', 'd']) as command
        where polpermissive and polcmd in (command, '*')
        group by in_table, role, command
        having count(*) > 1
    """)


async def test_policies_name_their_command_and_their_roles(found: Found) -> None:
    assert not await found("""
        select in_table, name
        from policies
        where 0 = any(polroles)
            or name <> 'tenant_floor' and name not like case polcmd
                when 'r' then 'select\\_%' when 'a' then 'insert\\_%'
                when 'w' then 'update\\_%' when 'd' then 'delete\\_%'
            end
            or polpermissive and polcmd = '*'
    """)


async def test_a_grant_and_a_policy_go_together(found: Found) -> None:
    # Without its policy a grant shows nothing and says nothing; without its grant a policy is dead.
    assert not await found("""
        select t.name as in_table, r.name as role, command
        from tables as t, runtime as r, unnest(array['select', 'insert', 'update', 'delete'])
            with ordinality as commands (command, place)
        where (
            has_table_privilege(r.oid, t.oid, command)
            or place < 4 and has_any_column_privilege(r.oid, t.oid, command)
        ) <> exists (
            select from policies as p
            where p.in_table = t.name
                and p.polpermissive
                and r.name = any(p.roles)
                and p.polcmd in ('*', ('{r,a,w,d}'::"char"[])[place])
        )
    """)


# Keys.


async def test_keys_and_indexes_of_a_family_lead_with_the_family(found: Found) -> None:
    assert await found("""
        select name from constraints
        where is_tenants and contype in ('p', 'u', 'f') and columns[1] <> 'family_id'
        union
        select name from indexes where is_tenants and first_column <> 'family_id'
    """) == {
        "families_pkey",  # a family's id is its family_id
        "family_memberships_user_id_fkey",  # to users, who are in no family
        "family_memberships_user_id_idx",  # for that key, and for one person's families
        "sessions_pkey",  # a session moves from family to family
        "sessions_user_id_fkey",  # to users
        "sessions_user_id_idx",  # for that key
    }


async def test_every_foreign_key_says_what_a_deletion_does(found: Found) -> None:
    assert not await found("""
        select name from constraints
        where contype = 'f' and (
            confdeltype = 'a'
            or confdeltype in ('n', 'd') and cardinality(conkey) > 1 and confdelsetcols is null
        )
    """)


async def test_every_foreign_key_has_an_index_that_serves_it(found: Found) -> None:
    assert not await found("""
        select name from constraints as c
        where contype = 'f' and not exists (
            select from indexes as i
            where i.indrelid = c.conrelid
                and i.indisvalid
                and i.indpred is null
                and i.indkey::smallint[] @> c.conkey
                and (i.indkey::smallint[])[0:cardinality(c.conkey) - 1] <@ c.conkey
        )
    """)


async def test_constraints_are_named_by_the_conventions(found: Found) -> None:
    # Keys as PostgreSQL names them; a check is a true statement, so it has a verb.
    assert not await found("""
        select in_table, name
        from constraints, concat(in_table, '_', array_to_string(columns, '_'), '_') as stem
        where not case contype
            when 'p' then name = in_table || '_pkey'
            when 'u' then name = stem || 'key'
            when 'f' then name = stem || 'fkey'
            when 'c' then name ~ concat('^', in_table, '_\\w+_(is|are|has|fit|looks)_')
            else false
        end
    """)


async def test_indexes_and_triggers_are_named_by_the_conventions(found: Found) -> None:
    assert await found("""
        select name from indexes
        where not is_constraints and name !~ concat('^', in_table, '_\\w+_idx$')
        union
        select name from triggers where name !~ '^_[0-9]{3}_[a-z_]+$'
    """) == {
        "users_lower_email_key",  # unique, so it breaks like a constraint, and has its name
    }


# Columns, and the base pattern.


async def test_names_of_columns_tell_their_types(found: Found) -> None:
    assert not await found("""
        select in_table, name
        from columns
        where (name ~ '_at$') <> (type = 'timestamp with time zone')
            or (name ~ '_on$') <> (type = 'date')
            or (name ~ '^is_') <> (type = 'boolean')
            or (name ~ '(^|_)id$') <> (type = 'uuid') and name <> 'private_to'
    """)


async def test_no_time_is_without_its_zone(found: Found) -> None:
    assert not await found("select in_table, name from columns where type ~ 'without time zone'")


async def test_rows_are_named_by_an_id_or_by_a_natural_key(found: Found) -> None:
    assert await found("""
        select in_table, array_to_string(array_remove(columns, 'family_id'), ', ')
        from constraints
        where contype = 'p' and array_remove(columns, 'family_id') <> array['id']
    """) == {
        "audit_log occurred_at, id",  # the partition key has to be part of it
        "credentials user_id",  # a user has one password
        "family_memberships user_id",  # a relation
        "refresh_tokens token_hash",  # what a client presents
    }
    assert not await found("""
        select name from tables
        where name not in (select in_table from constraints where contype = 'p')
            and not is_partition
    """)


async def test_an_id_is_made_by_new_id(found: Found) -> None:
    assert not await found("""
        select in_table from columns
        where name = 'id' and expression is distinct from 'app.new_id()'
    """)


async def test_every_row_knows_when_it_was_made(found: Found) -> None:
    assert await found("""
        select name from tables as t
        where not is_partition and not exists (
            select from columns as c
            where c.in_table = t.name
                and c.name = 'created_at'
                and c.is_not_null
                and c.expression in ('now()', 'clock_timestamp()')
        )
    """) == {
        "account_events",  # says occurred_at
        "audit_log",  # says occurred_at
    }


async def test_rows_that_change_have_the_base_pattern_and_others_nothing_of_it(
    found: Found,
) -> None:
    assert await found("""
        select name, pattern
        from tables as t, concat_ws(', ',
            (
                select string_agg(c.name, ', ' order by c.name)
                from columns as c
                where c.in_table = t.name and c.is_not_null and (
                    c.name = 'updated_at' and c.expression = 'now()'
                    or c.name = 'row_version' and c.type = 'bigint' and c.expression = '1'
                )
            ),
            (
                -- before, for each row, on update; never disabled
                select g.name from triggers as g
                where g.in_table = t.name and g.function = 'app.touch'
                    and g.name = '_100_touch' and g.tgtype = 19 and g.tgenabled = 'O'
            )
        ) as pattern
        where not is_partition and pattern <> 'row_version, updated_at, _100_touch'
    """) == {
        "account_events ",  # append-only
        "audit_log ",  # append-only
        "messages ",  # immutable
        "refresh_tokens ",  # a link of the chain never changes
    }


async def test_nobody_may_update_rows_that_never_change(found: Found) -> None:
    assert not await found("""
        select g.in_table, g.role
        from grants as g
        where g.privilege_type = 'UPDATE' and g.grantee <> g.grantor and not exists (
            select from triggers as t where t.in_table = g.in_table and t.name = '_100_touch'
        )
    """)


async def test_nobody_may_update_keys_and_what_the_base_pattern_keeps(found: Found) -> None:
    assert await found("""
        select in_table, in_column, role
        from grants
        where privilege_type = 'UPDATE' and in_column in
            ('id', 'family_id', 'user_id', 'created_at', 'updated_at', 'row_version')
    """) == {
        "sessions family_id app_auth",  # a session moves from family to family
    }


async def test_what_can_be_retired_is_active_until_then(found: Found) -> None:
    assert not await found("""
        select name from tables as t
        where not is_partition and exists (
            select from columns as c where c.in_table = t.name and c.name = 'deleted_at'
        ) <> exists (
            select from columns as c
            where c.in_table = t.name and c.name = 'is_active'
                and c.is_generated and c.expression = '(deleted_at IS NULL)'
        )
    """)


async def test_every_write_to_a_familys_table_is_audited(found: Found) -> None:
    assert await found("""
        select name, case written when 13 then 'update' else 'all' end
        from tables as t
        left join lateral (
            -- after, for each row: 1; on insert 4, delete 8, update 16; never disabled
            select g.tgtype as written from triggers as g
            where g.in_table = t.name and g.name = '_900_audit' and g.tgqual is null
                and g.function = 'app.record_audit' and g.tgenabled = 'O'
        ) as audit on true
        where t.is_tenants and not t.is_partition and written is distinct from 29
    """) == {
        "audit_log all",  # is the trail
        "messages update",  # which another trigger refuses
        "sessions all",  # of an account: what happens to them is in account_events
    }


# Comments, and where things are.


async def test_everything_has_a_comment(found: Found) -> None:
    # A partition's columns, constraints, indexes and row triggers are its parent's.
    assert not await found("""
        select 'schema app' where obj_description('app'::regnamespace, 'pg_namespace') is null
        union
        select 'role ' || rolname from pg_roles
        where rolname like 'app\\_%' and shobj_description(oid, 'pg_authid') is null
        union
        select 'table ' || name from tables where obj_description(oid, 'pg_class') is null
        union
        select 'column ' || in_table || '.' || name from columns
        where col_description(oid, number) is null
        union
        select 'constraint ' || name from constraints
        where obj_description(oid, 'pg_constraint') is null
        union
        select 'index ' || name from indexes
        where not is_constraints and obj_description(indexrelid, 'pg_class') is null
        union
        select 'trigger ' || in_table || '.' || name from triggers
        where obj_description(oid, 'pg_trigger') is null
        union
        select 'policy ' || in_table || '.' || name from policies
        where obj_description(oid, 'pg_policy') is null
        union
        select 'function ' || name from functions where obj_description(oid, 'pg_proc') is null
        union
        select 'type ' || typname from pg_type
        where typnamespace = 'app'::regnamespace and typtype in ('e', 'd', 'r')
            and obj_description(oid, 'pg_type') is null
    """)


async def test_nothing_is_in_schema_public(found: Found) -> None:
    assert not await found("""
        select relname from pg_class where relnamespace = 'public'::regnamespace
        union
        select proname from pg_proc where pronamespace = 'public'::regnamespace
        union
        select typname from pg_type where typnamespace = 'public'::regnamespace
    """)


# Who may do what.


async def test_no_runtime_role_has_a_power_of_its_own(found: Found) -> None:
    assert not await found("""
        select name from runtime
        where rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
            or exists (select from pg_auth_members where member = runtime.oid)
            or has_schema_privilege(oid, 'app', 'create')
            or has_schema_privilege(oid, 'public', 'create')
    """)


async def test_runtime_roles_own_nothing_but_definer_functions(found: Found) -> None:
    assert await found("""
        select r.name, d.classid::regclass
        from pg_shdepend as d
        join runtime as r on r.oid = d.refobjid
        where d.deptype = 'o' and d.dbid =
            (select oid from pg_database where datname = current_database())
    """) == {
        "app_audit pg_default_acl",  # that nobody may call what it owns
        "app_audit pg_proc",
        "app_auth pg_default_acl",
        "app_auth pg_proc",
    }


async def test_each_role_reaches_these_tables_by_these_commands_and_no_more(found: Found) -> None:
    # a: insert, r: select, w: update, d: delete; as psql's \dp has it, columns taken together.
    assert await found("""
        select role, in_table, string_agg(distinct
            translate(left(privilege_type, 1), 'ISUD', 'arwd'), '' order by
            translate(left(privilege_type, 1), 'ISUD', 'arwd'))
        from grants
        where grantee <> grantor
        group by role, in_table
    """) == {
        *("app_api audit_log r", "app_api conversations adrw", "app_api families rw"),
        *("app_api family_memberships rw", "app_api messages ar", "app_api sessions r"),
        *("app_api tasks adrw", "app_api users rw"),
        *("app_reader audit_log r", "app_reader conversations r", "app_reader families r"),
        *("app_reader family_memberships r", "app_reader messages r", "app_reader sessions r"),
        *("app_reader tasks r", "app_reader users r"),
        *("app_auth account_events a", "app_auth credentials arw", "app_auth families arw"),
        *("app_auth family_memberships arw", "app_auth refresh_tokens ar"),
        *("app_auth sessions arw", "app_auth users arw"),
        *("app_ops account_events ar", "app_ops audit_log r", "app_ops families drw"),
        *("app_ops family_memberships rw", "app_ops users drw"),
        *("app_ops conversations r", "app_ops messages r", "app_ops sessions r", "app_ops tasks r"),
        "app_audit audit_log a",
    }


async def test_grants_name_columns_and_nobody_may_truncate(found: Found) -> None:
    assert not await found("""
        select in_table, role, privilege_type
        from grants
        where grantee <> grantor and (
            in_column is null and privilege_type not in ('SELECT', 'DELETE')
            or is_grantable
            or is_partition
            or role not in (select name from runtime)
        )
    """)


async def test_functions_set_their_search_path_unless_they_inline(found: Found) -> None:
    assert await found("""
        select name from functions
        where not coalesce('search_path=pg_catalog, pg_temp' = any(proconfig), false)
    """) == {
        # so that a policy's comparison becomes an index condition
        *("current_family_id", "current_member_role", "current_user_id"),
        # their like, for the audit trail and assert_membership
        *("current_request_id", "current_session_id"),
        # so that it costs nothing over a bare default
        "new_id",
        # so that a list costs what its expressions cost
        *("conversation_json", "family_json", "member_json", "message_json", "task_json"),
        *("user_json", "cursor_of"),
    }


async def test_nobody_may_call_a_function_unless_a_file_says_so(found: Found) -> None:
    assert not await found("""
        select name
        from functions, aclexplode(coalesce(proacl, acldefault('f', proowner)))
        where grantee = 0
    """)
    assert await found("""
        select defaclrole::regrole
        from pg_default_acl
        where defaclobjtype = 'f' and not exists (
            select from aclexplode(defaclacl) where grantee = 0
        )
    """) >= await found("select owner from functions")


async def test_each_role_calls_these_functions_and_no_more(found: Found) -> None:
    assert await found("""
        select r.name, f.name
        from functions as f, runtime as r
        where has_function_privilege(r.oid, f.oid, 'execute') and f.owner <> r.name
            and f.name !~ '^current_' and r.name <> 'app_api'
    """) == {
        "app_reader assert_membership",
        *("app_auth new_id", "app_auth is_time_zone"),
        "app_audit new_id",
        *("app_ops new_id", "app_ops is_time_zone", "app_ops event_metadata"),
        *("app_ops restore_account", "app_ops restore_family", "app_ops ensure_audit_partitions"),
        *("app_ops conditions_of", "app_ops condition_holds", "app_ops explain_access"),
    }
    assert await found("""
        select name from functions where not has_function_privilege('app_api', oid, 'execute')
    """) == {
        *("touch", "refuse_change", "record_audit", "keep_an_owner"),  # of triggers
        *("begin_session", "standing_of", "revoke_sessions", "event_metadata"),  # of app_auth
        *("restore_account", "restore_family", "ensure_audit_partitions"),  # of app_ops
        *("conditions_of", "condition_holds", "explain_access"),  # of app_ops
    }


async def test_definer_functions_lend_the_rights_of_a_narrow_role(found: Found) -> None:
    assert await found("""
        select name, owner from functions
        where prosecdef and owner not in ('app_auth', 'app_audit')
    """) == {
        "ensure_audit_partitions app_owner",  # makes tables, of names and bounds of its own making
    }
