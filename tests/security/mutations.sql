-- Mutants: each way to weaken the schema by one step, for each object that the catalog has.
--
-- A named block is a kind. It yields what is weakened and the statement that does it; a third
-- column, where there is one, undoes it, because roles belong to the cluster and not to the copy of
-- the database that dies with its mutant. A new table, policy, function or role brings its own
-- mutants by being there.
--
-- Not here: grants taken away and policies narrowed, which weaken nothing.
--
-- Where no DDL weakens one property and keeps the rest, a comment above all, the superuser writes
-- to the catalog: nothing but the weakening is to be seen. A copy of a database keeps its oids.

-- name: views
-- What the kinds are about. The months of the audit trail are not made yet; its default partition
-- stands for them.
create temporary view tables as
select c.oid, c.oid::regclass::text as name, c.relispartition as is_partition, c.relacl
from pg_class as c
where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p');

create temporary view columns as
select t.oid, t.name as in_table, a.attname::text as name, a.attacl, a.attnotnull as is_not_null,
    a.attgenerated <> '' as is_generated,
    a.attnum = any(i.indkey::smallint[]) as is_in_primary_key
from tables as t
join pg_attribute as a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
left join pg_index as i on i.indrelid = t.oid and i.indisprimary
where not t.is_partition;

create temporary view constraints as
select c.oid, c.contype, c.conname::text as name, t.oid as in_oid, t.name as in_table,
    pg_get_constraintdef(c.oid) as definition,
    format('comment on constraint %I on %s is %L', c.conname, t.name,
        obj_description(c.oid, 'pg_constraint')) as comment,
    array(
        select a.attname::text
        from unnest(c.conkey) with ordinality as k (number, place)
        join pg_attribute as a on (a.attrelid, a.attnum) = (c.conrelid, k.number)
        order by k.place
    ) as columns
from tables as t
join pg_constraint as c on c.conrelid = t.oid
where not t.is_partition;

-- A clause that is true already cannot be weakened.
create temporary view clauses as
select format('%I on %s', p.polname, p.polrelid::regclass) as policy, clause, expression
from pg_policy as p
cross join lateral (
    values
        ('using', pg_get_expr(p.polqual, p.polrelid)),
        ('with check', pg_get_expr(p.polwithcheck, p.polrelid))
) as clauses (clause, expression)
where expression <> 'true';

create temporary view triggers as
select g.*, format('%I on %s', g.tgname, t.name) as name, t.name as in_table
from tables as t
join pg_trigger as g on g.tgrelid = t.oid
where not g.tgisinternal;

create temporary view functions as
select p.*, p.oid::regprocedure::text as name,
    regexp_replace(pg_get_functiondef(p.oid), '\s*--[^\n]*', '', 'g') as definition
from pg_proc as p
where p.pronamespace = 'app'::regnamespace;

-- Who has been given anything, and everybody; the owner has it all.
create temporary view runtime as
select r.*, r.rolname::text as name
from pg_roles as r
where r.rolname ~ '^app_' and r.rolname <> 'app_owner';

create temporary view grantees as
select oid, name from runtime
union all
select 0, 'public';

create temporary view grants as
select t.oid as table_oid, a.grantee, lower(a.privilege_type) as privilege, null as in_column
from tables as t, aclexplode(t.relacl) as a
union all
select c.oid, a.grantee, lower(a.privilege_type), c.name
from columns as c, aclexplode(c.attacl) as a;

-- name: row_level_security_disabled
select name, format('alter table %s disable row level security', name)
from tables;

-- name: row_level_security_not_forced
select name, format('alter table %s no force row level security', name)
from tables;

-- name: policy_dropped
select policy, format('drop policy %s', policy)
from (select format('%I on %s', polname, polrelid::regclass) as policy from pg_policy) as policies;

-- name: policy_clause_true
select policy || ', ' || clause, format('alter policy %s %s (true)', policy, clause)
from clauses;

-- name: policy_check_true
-- Without a check of its own, a policy checks new rows as it checks old ones.
select policy, format('alter policy %s with check (true)', policy)
from (
    select format('%I on %s', polname, polrelid::regclass) as policy
    from pg_policy
    where polcmd in ('w', '*') and polwithcheck is null
) as policies;

-- name: policy_comparison_true
-- One comparison of several, whether `and` or `or` joins them.
select
    format('%s, %s, %s: %s', policy, clause, n, comparison),
    format('alter policy %s %s (%s)', policy, clause,
        regexp_replace(expression, pattern, 'true', 1, n))
from
    clauses,
    -- The innermost parentheses but for those of a call or an array, or a bare is_….
    (values ('\((?:[^()]|\(\)|\(ARRAY\[[^]]*\]\))*\)|\mis_\w+')) as patterns (pattern),
    generate_series(1, regexp_count(expression, pattern)) as n,
    regexp_substr(expression, pattern, 1, n) as comparison
where comparison <> expression;

-- name: policy_to_public
select policy, format('alter policy %s to public', policy)
from (
    select format('%I on %s', polname, polrelid::regclass) as policy from pg_policy
    where polpermissive
) as policies;

-- name: restrictive_policy_spares_a_role
select
    format('%I on %s, %s', polname, polrelid::regclass, spared::regrole),
    format('alter policy %I on %s to %s', polname, polrelid::regclass, (
        select string_agg(bound::regrole::text, ', ')
        from unnest(array_remove(polroles, spared)) as bound
    ))
from pg_policy, unnest(polroles) as spared
where not polpermissive;

-- name: restrictive_policy_permissive
select
    format('%I on %s', polname, polrelid::regclass),
    format('update pg_policy set polpermissive = true where oid = %s', oid)
from pg_policy
where not polpermissive;

-- name: table_privilege_granted
select
    format('%s on %s to %s', privilege, t.name, g.name),
    format('grant %s on %s to %s', privilege, t.name, g.name)
from
    tables as t,
    grantees as g,
    unnest(
        array['select', 'insert', 'update', 'delete', 'truncate']
        -- What nobody has ever needed here: once for all.
        || case when g.name = 'public' then array['references', 'trigger'] end
        || case when g.name = 'public' and current_setting('server_version_num')::integer >= 170000
            then array['maintain'] end
    ) as privilege
where not exists (
    select from grants as held
    where (held.table_oid, held.grantee, held.privilege) = (t.oid, g.oid, privilege)
        and held.in_column is null
);

-- name: column_privilege_granted
-- To who has the privilege on other columns of the table.
select
    format('%s (%s) on %s to %s', h.privilege, c.name, c.in_table, g.name),
    format('grant %s (%I) on %s to %s', h.privilege, c.name, c.in_table, g.name)
from columns as c
join (select distinct table_oid, grantee, privilege from grants) as h on h.table_oid = c.oid
join grantees as g on g.oid = h.grantee
where (h.privilege = 'select' or not c.is_generated)  -- which nobody can write
    and not exists (
        select from grants as held
        where (held.table_oid, held.grantee, held.privilege) = (c.oid, g.oid, h.privilege)
            and coalesce(held.in_column, c.name) = c.name
    );

-- name: privilege_with_grant_option
select
    format('%s on %s to %s', h.privilege, t.name, g.name),
    format('grant %s%s on %s to %s with grant option', h.privilege,
        ' (' || string_agg(quote_ident(h.in_column), ', ') || ')', t.name, g.name)
from grants as h
join tables as t on t.oid = h.table_oid
join grantees as g on g.oid = h.grantee
group by h.privilege, t.name, g.name, h.in_column is null;

-- name: foreign_key_dropped
select name, format('alter table %s drop constraint %I', in_table, name)
from constraints
where contype = 'f';

-- name: foreign_key_without_the_tenant
-- What it refers to has to be unique without the tenant too, or PostgreSQL would refuse it.
select
    name,
    format(
        'alter table %1$s drop constraint %2$I; '
        'create unique index on %3$s (%4$s); '
        'alter table %1$s add constraint %2$I %5$s; %6$s',
        in_table, name, confrelid::regclass,
        (regexp_match(single, 'REFERENCES [^(]+\(([^)]+)'))[1], single, comment
    )
from
    constraints
    join pg_constraint using (oid),
    regexp_replace(
        replace(definition, 'family_id, ', ''), 'ON DELETE SET NULL.*', 'ON DELETE CASCADE'
    ) as single
where constraints.contype = 'f' and columns[1] = 'family_id' and cardinality(columns) > 1;

-- name: foreign_key_deletes_otherwise
select
    format('%s, on delete %s', name, action),
    format('alter table %1$s drop constraint %2$I; alter table %1$s add constraint %2$I %3$s; %4$s',
        in_table, name, regexp_replace(definition, 'ON DELETE .*', 'ON DELETE ' || action), comment)
from constraints, unnest(array['NO ACTION', 'CASCADE', 'SET NULL']) as action
where contype = 'f' and definition !~ ('ON DELETE ' || action);

-- name: key_dropped
-- With the foreign keys that refer to it.
select
    coalesce(c.conname, k.relname),
    case when c.oid is not null
        then format('alter table %s drop constraint %I cascade', t.name, c.conname)
        else format('drop index %s', i.indexrelid::regclass)
    end
from tables as t
join pg_index as i on i.indrelid = t.oid and i.indisunique
join pg_class as k on k.oid = i.indexrelid
left join pg_constraint as c on c.conindid = i.indexrelid and c.contype in ('p', 'u')
where not t.is_partition;

-- name: key_across_tenants
-- A second key, without the tenant: it would tell what exists in other families.
select
    name,
    format('create unique index on %s (%s)', in_table,
        array_to_string(columns[2:], ', '))
from constraints
where contype in ('p', 'u') and columns[1] = 'family_id'
    and in_oid not in (select partrelid from pg_partitioned_table);

-- name: check_dropped
select name, format('alter table %s drop constraint %I', in_table, name)
from constraints
where contype = 'c';

-- name: not_null_dropped
select
    format('%s.%I', in_table, name),
    format('alter table %s alter %I drop not null', in_table, name)
from columns
where is_not_null
    and is_in_primary_key is not true
    and not is_generated;  -- from what is never null itself

-- name: trigger_dropped
select name, format('drop trigger %s', name)
from triggers
where tgparentid = 0;

-- name: trigger_disabled
select name, format('alter table %s disable trigger %I', in_table, tgname)
from triggers;

-- name: trigger_blind_to_an_event
select
    format('%s, %s', name, event),
    format('update pg_trigger set tgtype = tgtype & ~%s where %s in (oid, tgparentid)', bit, oid)
from triggers, (values (4, 'insert'), (8, 'delete'), (16, 'update')) as events (bit, event)
where tgtype & bit <> 0 and tgtype & 60 <> bit and tgparentid = 0;

-- name: trigger_blind_to_a_column
-- Of those that fire only where one of some columns is written.
select
    format('%s, %I', name, a.attname),
    format(
        'update pg_trigger set tgattr = %L where oid = %s',
        array_to_string(array_remove(tgattr::smallint[], a.attnum), ' '), g.oid
    )
from triggers as g
join pg_attribute as a on a.attrelid = g.tgrelid and a.attnum = any(tgattr::smallint[])
where tgparentid = 0;

-- name: trigger_without_arguments
select
    name,
    format($$update pg_trigger set tgnargs = 0, tgargs = '' where %s in (oid, tgparentid)$$, oid)
from triggers
where tgnargs > 0
    and tgfoid <> 'app.tg_refuse_change()'::regprocedure;  -- whose argument is what it says

-- name: function_to_public
select name, format('grant execute on function %s to public', name)
from functions;

-- name: function_to_a_role
select
    format('%s to %s', f.name, r.name),
    format('grant execute on function %s to %s', f.name, r.name)
from functions as f, runtime as r
where not has_function_privilege(r.oid, f.oid, 'execute');

-- name: function_with_other_rights
select
    name,
    format('alter function %s security %s', name,
        case when prosecdef then 'invoker' else 'definer' end)
from functions;

-- name: function_of_the_owner
-- A definer function that lends what app_owner may, and not what a narrow role may.
select name, format('alter function %s owner to app_owner', name)
from functions
where prosecdef and proowner <> 'app_owner'::regrole;

-- name: function_without_a_search_path
select name, format('alter function %s reset search_path', name)
from functions
where proconfig::text like '%search_path%';

-- name: function_leakproof
select name, format('alter function %s leakproof', name)
from functions;

-- name: function_immutable
-- Without arguments, and so made a constant of the first plan that is kept.
select name, format('alter function %s immutable', name)
from functions
where pronargs = 0 and provolatile <> 'i' and not proretset and prorettype <> 'trigger'::regtype;

-- name: guard_without_effect
-- What a function raises, it lets pass.
select
    format('%s, %s: %s', name, n, message),
    regexp_replace(definition, pattern, 'null;', 1, n)
from
    functions,
    (values ('raise exception [^;]*;')) as patterns (pattern),
    generate_series(1, regexp_count(definition, pattern)) as n,
    regexp_substr(definition, $$'([^']*)'$$, regexp_instr(definition, pattern, 1, n)) as message;

-- name: condition_dropped
-- One condition of a query in a function.
select
    format('%s, %s: %s', name, n, btrim(condition, E' \n')),
    regexp_replace(definition, pattern, '', 1, n)
from
    functions,
    -- `and` and what follows in its line; not the upper bound of a `between`.
    (values ('\s+and (?![0-9])(?:(?! then\M)[^\n;()]|\([^\n()]*\))+?(?=\s+and | then\M|\n|;|\))'))
        as patterns (pattern),
    generate_series(1, regexp_count(definition, pattern)) as n,
    regexp_substr(definition, pattern, 1, n) as condition
where proname <> 'explain_access';  -- which tells, and lets nobody do anything

-- name: default_privileges_to_public
select
    defaclrole::regrole::text,
    format('alter default privileges for role %s grant execute on functions to public',
        defaclrole::regrole)
from pg_default_acl
where defaclobjtype = 'f';

-- name: schema_privilege_granted
select
    format('%s on schema %s to %s', privilege, n.nspname, g.name),
    format('grant %s on schema %I to %s', privilege, n.nspname, g.name)
from pg_namespace as n, grantees as g, unnest(array['usage', 'create']) as privilege
where n.nspname in ('app', 'yoyo', 'public') and not exists (
    select from aclexplode(n.nspacl) as a
    where a.grantee in (0, g.oid) and lower(a.privilege_type) = privilege
);

-- name: database_privilege_granted
select
    format('%s to %s', privilege, g.name),
    -- Of the copy, whatever its name will be.
    format(
        'do $$ begin execute format(%L, current_database()); end $$',
        format('grant %s on database %%I to %s', privilege, g.name)
    )
from grantees as g, unnest(array['connect', 'create', 'temporary']) as privilege
where not exists (
    select from pg_database as d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as a
    where d.datname = current_database()
        and a.grantee = g.oid
        and lower(a.privilege_type) = privilege
);

-- name: role_with_a_power
select
    format('%s %s', name, power),
    format('alter role %I %s', name, power),
    format('alter role %I no%s', name, power)
from
    runtime,
    unnest(array['superuser', 'bypassrls', 'createrole', 'createdb', 'replication', 'login'])
        as power
where power <> 'login' or not rolcanlogin;

-- name: role_in_a_role
select
    format('%s in %s', member.name, lent.rolname),
    format('grant %I to %I', lent.rolname, member.name),
    format('revoke %I from %I', lent.rolname, member.name)
from runtime as member, pg_roles as lent
where member.oid <> lent.oid
    and lent.rolname ~ '^(app_|hearth_deployer|pg_read_all_data|pg_write_all_data)'
    and not pg_has_role(lent.oid, member.oid, 'member');

-- name: role_without_a_limit
select
    format('%s, %s', rolname, setting),
    format('alter role %I reset %I', rolname, split_part(setting, '=', 1)),
    format('alter role %I set %I = %s', rolname, split_part(setting, '=', 1),
        quote_literal(split_part(setting, '=', 2)))
from pg_db_role_setting
join pg_roles on pg_roles.oid = setrole
cross join unnest(setconfig) as setting
where setdatabase = 0;
