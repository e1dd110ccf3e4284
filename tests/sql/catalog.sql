-- The hygiene of a multi-tenant database, as rules that the catalog keeps or breaks.
--
-- A rule is a sentence and a query that finds what breaks it; what it may find stands beside it.
--
--     grep '^-- rule' tests/sql/catalog.sql       lists the rules
--     make rules URL=postgresql://…           says which a database breaks, and where to mend it
--
-- The second as a superuser, who may have every function compiled; it leaves nothing behind.
-- tests/sql/test_catalog.py holds a fresh database against them, each time the tests run. Below the
-- sentence stand:
--
--     -- but NAME: REASON     What the query finds and may. An exception that is not found any more
--                             fails like a fault that is.
--     -- finds NAME:          A bad example, in the lines below: run before the query, it makes it
--                             find NAME, besides the exceptions, and nothing else. `since 17` after
--                             the name: PostgreSQL before 17 knows no such thing.
--
-- A section names the folder in which its rules are mended. Nothing here lasts longer than the
-- session.

set search_path = pg_catalog;

-- Short names for what every rule is about. Partitions are tables too, unless a rule says not.

create temporary view tables as
select c.*, c.relname::text as name, c.relispartition as is_partition,
    c.relname = 'families' or exists (
        select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'family_id'
    ) as is_tenants
from pg_class as c
where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p');

create temporary view columns as
select t.oid, t.name as in_table, t.is_tenants, a.attnum as number, a.attname::text as name,
    a.attacl, a.attgenerated <> '' as is_generated, a.attgenerated = 's' as is_stored,
    a.attnotnull as is_not_null, format_type(a.atttypid, a.atttypmod) as type,
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
    ) as columns,
    array(
        select a.attname::text
        from unnest(c.confkey) with ordinality as k (number, place)
        join pg_attribute as a on (a.attrelid, a.attnum) = (c.confrelid, k.number)
        order by k.place
    ) as parent_columns,
    array(
        select a.attname::text
        from pg_attribute as a
        where a.attrelid = c.conrelid and a.attnum = any(coalesce(c.confdelsetcols, c.conkey))
    ) as emptied_columns
from tables as t
join pg_constraint as c on c.conrelid = t.oid
where not t.is_partition and c.contype not in ('n', 't');

create temporary view indexes as
select i.*, c.relname::text as name, t.name as in_table, t.is_tenants,
    pg_get_expr(i.indpred, i.indrelid) as predicate,
    array(
        select pg_get_indexdef(i.indexrelid, n, true)
        from generate_series(1, i.indnatts) as n
    ) as columns,
    array(
        select concat_ws(
            ' ', pg_get_indexdef(i.indexrelid, n, true),
            i.indclass[n - 1], i.indcollation[n - 1], i.indoption[n - 1])
        from generate_series(1, i.indnkeyatts) as n
    ) as sort_keys,
    exists (
        select from pg_constraint as k
        where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x')
    ) as is_constraints
from tables as t
join pg_index as i on i.indrelid = t.oid
join pg_class as c on c.oid = i.indexrelid
where not t.is_partition;

-- Which index finds the rows that refer to one parent: it begins with those columns of the key that
-- name the parent, or all of its columns are in the key and name a single row.
create temporary view foreign_keys_served as
select distinct c.oid as foreign_key, parent.name as parent, i.indexrelid as by_index
from constraints as c
join tables as parent on parent.oid = c.confrelid
join constraints as named on named.conrelid = c.confrelid
    and named.contype in ('p', 'u')
    and named.conkey <@ c.confkey
cross join lateral (
    select array_agg(pair.ours) as naming
    from unnest(c.conkey, c.confkey) as pair (ours, theirs)
    where pair.theirs = any(named.conkey)
) as key
join indexes as i on i.indrelid = c.conrelid
    and i.indisvalid
    and i.indpred is null
    and (
        i.indkey::smallint[] @> key.naming
        and (i.indkey::smallint[])[0 : cardinality(key.naming) - 1] <@ key.naming
        or i.indisunique and i.indkey::smallint[] <@ c.conkey
    )
where c.contype = 'f';

create temporary view triggers as
select g.*, t.name as in_table, t.is_partition, g.tgname::text as name,
    g.tgfoid::regproc::text as function
from tables as t
join pg_trigger as g on g.tgrelid = t.oid
where not g.tgisinternal and g.tgparentid = 0;

create temporary view policies as
select p.*, t.name as in_table, t.is_tenants, p.polname::text as name,
    array(
        select coalesce(r.rolname::text, 'public')
        from unnest(p.polroles) as role
        left join pg_roles as r on r.oid = role
        order by 1
    ) as roles,
    pg_get_expr(p.polqual, p.polrelid) as condition,
    pg_get_expr(p.polwithcheck, p.polrelid) as outcome
from tables as t
join pg_policy as p on p.polrelid = t.oid;

create temporary view functions as
select p.*, p.proname::text as name, pg_get_userbyid(p.proowner)::text as owner
from pg_proc as p
where p.pronamespace = 'app'::regnamespace;

create temporary view grants as
select t.name as in_table, t.is_partition, null as in_column, a.*,
    coalesce(r.rolname::text, 'public') as role
from tables as t
cross join aclexplode(t.relacl) as a
left join pg_roles as r on r.oid = a.grantee
where a.grantee <> t.relowner
union all
select t.name, t.is_partition, c.attname::text, a.*, coalesce(r.rolname::text, 'public')
from tables as t
join pg_attribute as c on c.attrelid = t.oid
cross join aclexplode(c.attacl) as a
left join pg_roles as r on r.oid = a.grantee
where a.grantee <> t.relowner;

create temporary view roles as
select r.*, r.rolname::text as name
from pg_roles as r
where r.rolname ~ '^app_';

-- Those that work while the service runs; app_owner only migrates.
create temporary view runtime as
select * from roles where name <> 'app_owner';

-- What the database does not know, and the tests fill in: the names of sql/queries, and what the
-- migrations say above each index.
create temporary table queries (name text);
create temporary table reasons (index_name text primary key, sentence text not null);

-- What the language itself says against the body of a function; null if nothing.
create function pg_temp.complaint(body oid, validator regproc)
    returns text
    language plpgsql
    set check_function_bodies = on
as $$
begin
    execute format('select %s(%L::oid)', validator, body);
    return null;
exception
    when others then
        return sqlerrm;
end
$$;


-- # Row level security: sql/policies

-- rule: row level security is enabled and forced on every table
-- Enabled, it holds for those whom policies name; forced, for the owner of the table as well. A
-- partition inherits neither (sql/functions/ops/ensure_audit_partitions.sql).
-- finds tasks:
--     alter table app.tasks disable row level security;
-- finds tasks:
--     alter table app.tasks no force row level security;
-- finds audit_log_default:
--     alter table app.audit_log_default disable row level security;
-- finds audit_log_1999:
--     create table app.audit_log_1999 partition of app.audit_log
--         for values from ('1999-01-01') to ('2000-01-01');
select name from tables where not relrowsecurity or not relforcerowsecurity;

-- rule: a table belongs to families or says why not
-- but account_events: of an account, which may be in many families
-- but credentials: of a person
-- but refresh_tokens: of a session
-- but rate_limit_hits: of nobody who has signed in yet
-- but users: people, who may be in many families
-- finds stray_rows:
--     create table app.stray_rows (id uuid primary key, title text not null);
select name from tables where not is_tenants;

-- rule: the tenant floor lies under every table of a family
-- A restrictive policy for all commands. Whatever mistake another policy makes, it stops at the
-- family.
-- but sessions: belongs to a user, and moves from family to family
-- finds tasks:
--     drop policy tenant_floor on app.tasks;
-- finds tasks:
--     drop policy tenant_floor on app.tasks;
--     create policy tenant_floor on app.tasks to app_api, app_reader
--         using (family_id = app.current_family_id());
-- finds tasks:
--     drop policy tenant_floor on app.tasks;
--     create policy tenant_floor on app.tasks as restrictive for select to app_api, app_reader
--         using (family_id = app.current_family_id());
-- finds tasks:
--     alter policy tenant_floor on app.tasks rename to floor;
-- finds tasks:
--     alter policy tenant_floor on app.tasks to app_api;
-- finds tasks:
--     alter policy tenant_floor on app.tasks with check (true);
-- finds families:
--     alter policy tenant_floor on app.families
--         using (id = app.current_family_id() or is_active);
select name
from tables as t
where is_tenants and not is_partition and not exists (
    select from policies as p
    where p.in_table = t.name
        and p.name = 'tenant_floor'
        and not p.polpermissive
        and p.polcmd = '*'
        and p.roles = array['app_api', 'app_reader']
        and p.outcome is null
        and p.condition = format(
            '(%s = app.current_family_id())',
            case t.name when 'families' then 'id' else 'family_id' end)
);

-- rule: nothing but the floor restricts
-- Who may do what is read from one permissive policy; a restrictive one elsewhere would hide in it.
-- finds tasks select_open:
--     create policy select_open on app.tasks as restrictive for select to app_api
--         using (not is_completed);
select in_table, name from policies where not polpermissive and name <> 'tenant_floor';

-- rule: a policy names the family although the floor does
-- Two locks, so that one mistake opens none; and a comparison that an index can answer.
-- but sessions select_own: a session moves from family to family, so its user is compared
-- finds tasks select_own_or_shared:
--     alter policy select_own_or_shared on app.tasks using (user_id = app.current_user_id());
-- finds tasks select_own_or_shared:
--     alter policy select_own_or_shared on app.tasks using (
--         family_id = app.current_family_id() or visibility = 'family');
-- finds tasks insert_own:
--     alter policy insert_own on app.tasks with check (user_id = app.current_user_id());
select p.in_table, p.name
from policies as p
cross join lateral (values (p.condition), (p.outcome)) as either (expression)
where p.is_tenants
    and p.roles && array['app_api', 'app_reader']
    and ltrim(either.expression, '(')
        !~ '^(family_id|id) = app\.current_family_id\(\)\)( AND |$)';

-- rule: what a login sees and does depends on its context
-- Without a context there are no rows, on a table of no family either.
-- finds credentials select_all:
--     create policy select_all on app.credentials for select to app_reader using (true);
-- finds users update_own:
--     alter policy update_own on app.users with check (is_active);
select p.in_table, p.name
from policies as p
cross join lateral (values (p.condition), (p.outcome)) as either (expression)
where p.polpermissive
    and p.roles && array['app_api', 'app_reader', 'public']
    and either.expression !~ 'app\.current_(user|family)_id\(\)';

-- rule: a policy is flat
-- It compares columns with the context: no subquery, no other table, no function that reads one.
-- finds tasks select_own_or_shared:
--     alter policy select_own_or_shared on app.tasks using (
--         family_id = app.current_family_id() and user_id in (
--             select m.user_id from app.family_memberships as m
--         ));
-- finds tasks select_own_or_shared:
--     alter policy select_own_or_shared on app.tasks using (
--         family_id = app.current_family_id() and user_id = (select app.current_user_id()));
-- finds tasks insert_own:
--     alter policy insert_own on app.tasks with check (
--         family_id = app.current_family_id() and app.is_time_zone(title));
-- finds tasks insert_own:
--     alter policy insert_own on app.tasks with check (
--         family_id = app.current_family_id() and title = current_setting('app.title'));
select in_table, name
from policies as p
cross join concat(polqual, polwithcheck) as tree
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
    );

-- rule: a command and a role have one permissive policy at most
-- Two are joined by `or`, in two places: what the second lets in, nobody sees in the first.
-- finds tasks app_api r:
--     create policy select_too on app.tasks for select to app_api using (
--         family_id = app.current_family_id());
select in_table, role, command
from policies, unnest(roles) as role, unnest(array['r', 'a', 'w', 'd']) as command
where polpermissive and polcmd in (command, '*')
group by in_table, role, command
having count(*) > 1;

-- rule: a permissive policy is for one command, and its name says which
-- finds users manage_own:
--     create policy manage_own on app.users to app_audit using (id = app.current_user_id());
-- finds tasks read_own:
--     alter policy select_own_or_shared on app.tasks rename to read_own;
select in_table, name
from policies
where polpermissive and (
    polcmd = '*'
    or name !~ concat('^', case polcmd
        when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
    end, '_')
);

-- rule: a policy names its roles
-- `to public`, which is also what no `to` means, lets in whoever comes to be.
-- finds tasks select_own_or_shared:
--     alter policy select_own_or_shared on app.tasks to public;
-- finds tasks select_guest:
--     create policy select_guest on app.tasks for select
--         using (family_id = app.current_family_id());
select in_table, name from policies where 'public' = any(roles);

-- rule: a policy for update says what may become of a row
-- Left out, the outcome is held against `using`: right by chance, and not for who reads it.
-- finds tasks update_own_or_shared:
--     drop policy update_own_or_shared on app.tasks;
--     create policy update_own_or_shared on app.tasks for update to app_api using (
--         family_id = app.current_family_id() and user_id = app.current_user_id());
select in_table, name from policies where polcmd = 'w' and outcome is null;

-- rule: who updates or deletes rows also sees them
-- Without a policy for select a `where` finds nothing, and the command says 0 rows and no error.
-- finds users app_ops:
--     drop policy select_ops on app.users;
select distinct in_table, role
from policies as p, unnest(roles) as role
where polcmd in ('w', 'd') and not exists (
    select from policies as s
    where s.in_table = p.in_table and s.polpermissive and s.polcmd = 'r' and role = any(s.roles)
);

-- rule: a grant and a policy go together
-- Without its policy a grant shows nothing and says nothing; without its grant a policy is dead.
-- finds families app_api delete:
--     grant delete on app.families to app_api;
-- finds families app_api delete:
--     create policy delete_own on app.families for delete to app_api
--         using (id = app.current_family_id());
-- finds tasks app_api update:
--     drop policy update_own_or_shared on app.tasks;
-- finds tasks app_reader select:
--     revoke select on app.tasks from app_reader;
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
);


-- # Grants: sql/policies

-- Who reads and writes which table, column by column, is in docs/generated/access-matrix.md. These
-- rules say what no table may give a role, so a new one has no line here.

-- rule: who looks reads, and no more
-- finds tasks INSERT:
--     grant insert (title) on app.tasks to app_reader;
-- finds tasks DELETE:
--     grant delete on app.tasks to app_reader;
select in_table, privilege_type
from grants
where role = 'app_reader' and privilege_type <> 'SELECT';

-- rule: a login reaches what belongs to families
-- What belongs to accounts is reached through functions of app_auth, which check their callers.
-- but users app_api: who somebody is, and what they are called
-- but users app_reader: the same
-- finds credentials app_api:
--     grant select (user_id) on app.credentials to app_api;
-- finds refresh_tokens app_reader:
--     grant select on app.refresh_tokens to app_reader;
select distinct g.in_table, g.role
from grants as g
join tables as t on t.name = g.in_table
where g.role in ('app_api', 'app_reader') and not t.is_tenants;

-- rule: the service deletes nothing that can be retired
-- It sets deleted_at, which app_ops purges later, and which can be undone until then.
-- finds habits:
--     grant delete on app.habits to app_api;
select g.in_table
from grants as g
join columns as c on c.in_table = g.in_table and c.name = 'deleted_at'
where g.role = 'app_api' and g.privilege_type = 'DELETE';

-- rule: app_audit appends to the trail, nobody else does, and it does nothing else
-- finds audit_log app_audit SELECT:
--     grant select on app.audit_log to app_audit;
-- finds tasks app_audit INSERT:
--     grant insert (title) on app.tasks to app_audit;
-- finds audit_log app_ops INSERT:
--     grant insert (table_name) on app.audit_log to app_ops;
-- finds audit_log app_api DELETE:
--     grant delete on app.audit_log to app_api;
select distinct in_table, role, privilege_type
from grants
where case role
    when 'app_audit' then (in_table, privilege_type) <> ('audit_log', 'INSERT')
    else in_table = 'audit_log' and privilege_type <> 'SELECT'
end;

-- rule: maintenance deletes what was retired or ran out, restores, and writes no more
-- but account_events INSERT event_type: that it restored or purged an account
-- but account_events INSERT metadata: how
-- but account_events INSERT user_id: whose
-- finds tasks DELETE:
--     grant delete on app.tasks to app_ops;
-- finds habits UPDATE name:
--     grant update (name, deleted_at) on app.habits to app_ops;
-- finds sessions UPDATE expires_at:
--     grant update (expires_at) on app.sessions to app_ops;
-- finds tasks INSERT title:
--     grant insert (title) on app.tasks to app_ops;
select concat_ws(' ', g.in_table, g.privilege_type, g.in_column)
from grants as g
where g.role = 'app_ops' and case g.privilege_type
    when 'SELECT' then false
    when 'UPDATE' then g.in_column is distinct from 'deleted_at'
    when 'DELETE' then not exists (
        select from columns as c
        where c.in_table = g.in_table and c.name in ('deleted_at', 'expires_at')
    )
    else true
end;

-- rule: app_auth writes accounts, and of what belongs to families no more than this
-- Its functions lend its rights to whoever may call them.
-- but families INSERT: a sign-up makes one
-- but families UPDATE: its owner retires it
-- but family_memberships INSERT: of who founds a family, or accepts an invitation
-- but family_memberships UPDATE: who retires their account leaves, and who was removed comes back
-- but idempotency_keys DELETE: forgets what is old
-- but invitations UPDATE: accepts them
-- but rate_limit_hits DELETE: forgets what is old
-- but score_entries INSERT: the ledger, which the service may not write
-- but sessions INSERT: opens them
-- but sessions UPDATE: refreshes and closes them
-- finds tasks INSERT:
--     grant insert (title) on app.tasks to app_auth;
-- finds tasks DELETE:
--     grant delete on app.tasks to app_auth;
-- finds users DELETE:
--     grant delete on app.users to app_auth;
select distinct g.in_table, g.privilege_type
from grants as g
join tables as t on t.name = g.in_table
where g.role = 'app_auth' and (
    g.privilege_type = 'DELETE' or t.is_tenants and g.privilege_type <> 'SELECT'
);

-- rule: nobody is granted anything on a partition
-- Rows go in and come out through the parent, under its policies.
-- finds audit_log_default app_ops SELECT:
--     grant select on app.audit_log_default to app_ops;
-- finds audit_log_default app_audit INSERT:
--     grant insert (table_name) on app.audit_log_default to app_audit;
select in_table, role, privilege_type from grants where is_partition;

-- rule: nobody may truncate, refer to, put triggers on or maintain a table
-- Row level security is asked by none of the four.
-- finds tasks app_api TRUNCATE:
--     grant truncate on app.tasks to app_api;
-- finds tasks app_api REFERENCES:
--     grant references (family_id, id) on app.tasks to app_api;
-- finds tasks app_ops TRIGGER:
--     grant trigger on app.tasks to app_ops;
-- finds tasks app_ops MAINTAIN since 17:
--     grant maintain on app.tasks to app_ops;
select distinct in_table, role, privilege_type
from grants
where privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE');

-- rule: insert and update are granted by column
-- A column that comes later is nobody's until somebody says whose.
-- finds tasks app_api INSERT:
--     grant insert on app.tasks to app_api;
-- finds users app_ops UPDATE:
--     grant update on app.users to app_ops;
select in_table, role, privilege_type
from grants
where in_column is null and privilege_type in ('INSERT', 'UPDATE');

-- rule: maintenance reads the columns it works with, not tables
-- but account_events: it answers for accounts
-- but audit_log: it answers for the trail, from which nothing is hidden from it
-- finds users:
--     grant select on app.users to app_ops;
select in_table
from grants
where role = 'app_ops' and in_column is null and privilege_type = 'SELECT';

-- rule: no grant can be passed on
-- finds tasks app_api:
--     grant delete on app.tasks to app_api with grant option;
-- finds users app_api:
--     grant select (email) on app.users to app_api with grant option;
select in_table, role from grants where is_grantable;

-- rule: only our runtime roles are granted anything
-- finds tasks public:
--     grant select on app.tasks to public;
-- finds tasks hearth_deployer:
--     grant select on app.tasks to hearth_deployer;
select in_table, role from grants where role not in (select name from runtime);

-- rule: nobody may update keys and what the base pattern keeps
-- A row changes neither its name nor hands nor its history.
-- but sessions family_id app_auth: a session moves from family to family
-- finds tasks user_id app_api:
--     grant update (user_id) on app.tasks to app_api;
-- finds families row_version app_api:
--     grant update (row_version) on app.families to app_api;
select in_table, in_column, role
from grants
where privilege_type = 'UPDATE' and in_column in
    ('id', 'family_id', 'user_id', 'created_at', 'updated_at', 'row_version');

-- rule: nobody may update rows that never change
-- finds messages app_api:
--     grant update (content) on app.messages to app_api;
select g.in_table, g.role
from grants as g
where g.privilege_type = 'UPDATE' and not exists (
    select from triggers as t where t.in_table = g.in_table and t.name = '_100_touch'
);

-- rule: schema app is for our roles, and only its owner makes anything there
-- finds public USAGE:
--     grant usage on schema app to public;
-- finds hearth_deployer USAGE:
--     grant usage on schema app to hearth_deployer;
-- finds app_auth CREATE:
--     grant create on schema app to app_auth;
-- finds app_ops USAGE:
--     grant usage on schema app to app_ops with grant option;
select coalesce(r.rolname, 'public'), a.privilege_type
from pg_namespace as n
cross join aclexplode(n.nspacl) as a
left join pg_roles as r on r.oid = a.grantee
where n.nspname = 'app' and a.grantee <> n.nspowner and (
    a.privilege_type <> 'USAGE'
    or a.is_grantable
    or r.rolname is null
    or r.rolname not in (select name from runtime)
);

-- rule: what comes to be is granted to nobody
-- A default privilege gives rights on tables and functions that nobody has thought of yet.
-- finds app_owner r app_api:
--     alter default privileges for role app_owner in schema app grant select on tables to app_api;
-- finds app_auth f app_ops:
--     alter default privileges for role app_auth grant execute on functions to app_ops;
select pg_get_userbyid(d.defaclrole), d.defaclobjtype::text, coalesce(r.rolname, 'public')
from pg_default_acl as d
cross join aclexplode(d.defaclacl) as a
left join pg_roles as r on r.oid = a.grantee
where a.grantee <> d.defaclrole;

-- rule: whoever owns functions has taken from public the right to call new ones
-- PostgreSQL lets everybody call a new function; `alter default privileges`, said once for each
-- owner, does not.
-- finds app_auth:
--     alter default privileges for role app_auth grant execute on functions to public;
select distinct owner from functions
where owner not in (
    select pg_get_userbyid(defaclrole) from pg_default_acl
    where defaclobjtype = 'f' and defaclnamespace = 0
);

-- rule: the bookkeeping of migrations is read and not written
-- finds app_api files INSERT:
--     grant insert on yoyo.files to app_api;
-- finds public history DELETE:
--     grant delete on yoyo.history to public;
select coalesce(r.rolname, 'public'), c.relname, a.privilege_type
from pg_class as c
cross join aclexplode(c.relacl) as a
left join pg_roles as r on r.oid = a.grantee
where c.relnamespace = 'yoyo'::regnamespace and a.privilege_type <> 'SELECT'
    and a.grantee <> c.relowner;


-- # Roles and the database: sql/migrations/0001_roles.sql

-- rule: no role of ours has a power of its own
-- finds app_api SUPERUSER:
--     alter role app_api superuser;
-- finds app_ops BYPASSRLS:
--     alter role app_ops bypassrls;
-- finds app_auth CREATEROLE:
--     alter role app_auth createrole;
-- finds app_api CREATEDB:
--     alter role app_api createdb;
-- finds app_reader REPLICATION:
--     alter role app_reader replication;
select r.name, power
from roles as r
cross join lateral (
    values ('SUPERUSER', rolsuper), ('BYPASSRLS', rolbypassrls), ('CREATEROLE', rolcreaterole),
        ('CREATEDB', rolcreatedb), ('REPLICATION', rolreplication)
) as powers (power, has_it)
where has_it;

-- rule: the deployer may create roles and no more
-- That much managed services give. It takes the rights of other roles only by `set role`.
-- finds hearth_deployer BYPASSRLS:
--     alter role hearth_deployer bypassrls;
-- finds hearth_deployer INHERIT:
--     alter role hearth_deployer inherit;
-- finds hearth_deployer CREATEDB:
--     alter role hearth_deployer createdb;
select r.rolname, power
from pg_database as d
join pg_roles as r on r.oid = d.datdba
cross join lateral (
    values ('SUPERUSER', rolsuper), ('BYPASSRLS', rolbypassrls), ('INHERIT', rolinherit),
        ('CREATEDB', rolcreatedb), ('REPLICATION', rolreplication)
) as powers (power, has_it)
where d.datname = current_database() and has_it;

-- rule: no role of ours is a member of any role
-- finds app_api app_owner:
--     grant app_owner to app_api;
-- finds app_reader pg_read_all_data:
--     grant pg_read_all_data to app_reader;
select m.name, pg_get_userbyid(roleid)
from pg_auth_members
join roles as m on m.oid = member;

-- rule: only the deployer is a member of roles of ours
-- but hearth_deployer: works as app_owner, app_auth, app_audit and app_ops, by `set role`
-- finds intern:
--     create role intern;
--     grant app_reader to intern;
select distinct pg_get_userbyid(member)
from pg_auth_members
join roles as r on r.oid = roleid;

-- rule: nobody has the rights of a role of ours without taking it
-- finds hearth_robot app_owner:
--     create role hearth_robot;
--     grant app_owner to hearth_robot;
select p.rolname, r.name
from pg_roles as p
join roles as r on r.oid <> p.oid and pg_has_role(p.oid, r.oid, 'usage')
where not p.rolsuper;

-- rule: nobody logs in as a role of ours
-- but app_api: the login of the service
-- but app_reader: the login of people who look
-- finds app_ops:
--     alter role app_ops login;
select name from roles where rolcanlogin;

-- rule: no login runs out, of time or of connections
-- The pool and the server set the limits; one on the role is met in the middle of a night.
-- finds app_api:
--     alter role app_api valid until '2038-01-19';
-- finds app_reader:
--     alter role app_reader connection limit 3;
select name from roles where rolvaliduntil is not null or rolconnlimit <> -1;

-- rule: each role has these settings and no more
-- They stand on the role because a pooler does not pass on those of a connection string.
-- finds app_api row_security=off is unknown:
--     alter role app_api set row_security = off;
-- finds app_api statement_timeout=5s is missing:
--     alter role app_api reset statement_timeout;
with agreed (role, setting) as (
    values
        ('app_api', 'plan_cache_mode=force_generic_plan'),
        ('app_api', 'statement_timeout=5s'),
        ('app_api', 'lock_timeout=2s'),
        ('app_api', 'idle_in_transaction_session_timeout=10s'),
        ('app_api', 'TimeZone=UTC'),
        ('app_api', 'search_path=pg_catalog'),
        ('app_reader', 'default_transaction_read_only=on'),
        ('app_reader', 'statement_timeout=60s'),
        ('app_reader', 'idle_in_transaction_session_timeout=60s')
), made as (
    select r.name as role, setting
    from roles as r, unnest(r.rolconfig) as setting
)
select role, setting, case when a.role is null then 'is unknown' else 'is missing' end
from agreed as a
full join made as m using (role, setting)
where a.role is null or m.role is null;

-- rule: the database sets nothing, for one role or for all
-- finds all row_security=off:
--     do $$ begin
--         execute format('alter database %I set row_security = off', current_database());
--     end $$;
-- finds app_api statement_timeout=0:
--     do $$ begin
--         execute format('alter role app_api in database %I set statement_timeout = 0',
--             current_database());
--     end $$;
select coalesce(r.rolname, 'all'), unnest(s.setconfig)
from pg_db_role_setting as s
join pg_database as d on d.oid = s.setdatabase and d.datname = current_database()
left join pg_roles as r on r.oid = s.setrole;

-- rule: only the logins connect to the database, and they do no more
-- No temporary tables, to shadow one of ours; and no other role of the cluster.
-- finds app_api TEMPORARY:
--     do $$ begin
--         execute format('grant temporary on database %I to app_api', current_database());
--     end $$;
-- finds public CONNECT:
--     do $$ begin
--         execute format('grant connect on database %I to public', current_database());
--     end $$;
-- finds app_ops CREATE:
--     do $$ begin
--         execute format('grant create on database %I to app_ops', current_database());
--     end $$;
select coalesce(r.rolname, 'public'), a.privilege_type
from pg_database as d
cross join aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as a
left join pg_roles as r on r.oid = a.grantee
where d.datname = current_database() and a.grantee <> d.datdba
    and (a.privilege_type <> 'CONNECT' or a.is_grantable or r.rolcanlogin is not true);

-- rule: what is in schema app belongs to app_owner, or to whom its function lends
-- finds tasks:
--     alter table app.tasks owner to app_api;
-- finds tg_touch:
--     alter function app.tg_touch() owner to app_ops;
-- finds visibility:
--     alter type app.visibility owner to app_auth;
-- finds app:
--     alter schema app owner to app_auth;
select nspname from pg_namespace where nspname = 'app' and pg_get_userbyid(nspowner) <> 'app_owner'
union all
select relname from pg_class
where relnamespace = 'app'::regnamespace and relkind not in ('i', 'I')
    and pg_get_userbyid(relowner) <> 'app_owner'
union all
select typname from pg_type
where typnamespace = 'app'::regnamespace and typtype in ('e', 'd', 'r')
    and pg_get_userbyid(typowner) <> 'app_owner'
union all
select name from functions where owner not in ('app_owner', 'app_auth', 'app_audit');

-- rule: runtime roles own nothing but definer functions
-- An owner is not bound by grants, and may take the force from row level security.
-- but app_audit pg_default_acl: that nobody may call what it owns
-- but app_audit pg_proc: the trigger function of the trail
-- but app_auth pg_default_acl: that nobody may call what it owns
-- but app_auth pg_proc: the functions of accounts and sessions, and of the ledger of points
-- finds app_ops pg_class:
--     create schema elsewhere;
--     create table elsewhere.export ();
--     alter table elsewhere.export owner to app_ops;
-- finds app_api pg_namespace:
--     create schema elsewhere authorization app_api;
select distinct r.name, d.classid::regclass
from pg_shdepend as d
join runtime as r on r.oid = d.refobjid
where d.deptype = 'o' and d.refclassid = 'pg_authid'::regclass and d.dbid =
    (select oid from pg_database where datname = current_database());


-- # Keys: sql/migrations

-- rule: keys and indexes of a family lead with the family
-- So a key finds its rows in one family, an index reads one family, and a shard holds one. But the
-- index by which what was retired is purged, whosever it is.
-- but families_pkey: a family's id is its family_id
-- but family_memberships_user_id_fkey: to users, who are in no family
-- but family_memberships_user_id_family_id_idx: for that key, and for one person's families
-- but idempotency_keys_created_at_idx: to forget what is old, whosever it is
-- but invitations_expires_at_idx: to purge what is old, whosever it is
-- but invitations_token_hash_idx: whoever comes with a token does not say of which family
-- but sessions_expires_at_idx: to purge what is old, whosever it is
-- but sessions_network_hash_idx: who signs in stands in no family yet
-- but sessions_pkey: a session moves from family to family
-- but sessions_user_id_fkey: to users
-- but sessions_user_id_idx: for that key
-- finds tasks_user_id_fkey:
--     alter table app.tasks add foreign key (user_id) references app.users (id) on delete cascade;
-- finds tasks_due_on_idx:
--     create index tasks_due_on_idx on app.tasks (due_on, family_id);
-- finds tasks_title_idx:
--     create index tasks_title_idx on app.tasks (lower(title));
-- finds habits_deleted_at_too_idx:
--     create index habits_deleted_at_too_idx on app.habits (deleted_at);
select name from constraints
where is_tenants and contype in ('p', 'u', 'f') and columns[1] <> 'family_id'
union
select name from indexes
where is_tenants and columns[1] <> 'family_id'
    and (columns, predicate) is distinct from ('{deleted_at}'::text[], '(deleted_at IS NOT NULL)');

-- rule: a foreign key between tables of families carries the family, in its place
-- PostgreSQL checks it without row level security. With the family in it, it points into no other
-- family, tells nothing of one and deletes nothing there.
-- but refresh_tokens_session_id_fkey: a session moves from family to family, its chain with it
-- finds tasks_parent_id_fkey:
--     alter table app.conversations add unique (id);
--     alter table app.tasks add parent_id uuid references app.conversations (id);
-- finds tasks_family_id_user_id_fkey1:
--     alter table app.family_memberships add unique (user_id, family_id);
--     alter table app.tasks add foreign key (family_id, user_id)
--         references app.family_memberships (user_id, family_id) on delete cascade;
-- finds tasks_user_id_fkey:
--     alter table app.tasks add foreign key (user_id) references app.families (id);
select c.name
from constraints as c
join tables as parent on parent.oid = c.confrelid and parent.is_tenants
where not exists (
    select
    from unnest(c.columns, c.parent_columns) as pair (ours, theirs)
    where ours = 'family_id'
        and theirs = case parent.name when 'families' then 'id' else 'family_id' end
);

-- rule: what is unique in a family's table is unique within the family
-- A key across families tells one what another has: the insert is refused.
-- but families_pkey: a family's id is its family_id
-- but sessions_pkey: a session moves from family to family
-- finds tasks_title_key:
--     alter table app.tasks add unique (title);
-- finds tasks_lower_title_key:
--     create unique index tasks_lower_title_key on app.tasks (lower(title)) where not is_completed;
-- finds tasks_title_excl:
--     alter table app.tasks add exclude using hash (title with =);
select name from indexes
where is_tenants and (indisunique or indisexclusion) and not 'family_id' = any(columns);

-- rule: what is unique is not null
-- Nulls are all different, so a key over a column that may be empty is none for those rows.
-- but refresh_tokens_replaces_hash_key: the first link of each chain replaces none
-- finds tasks_family_id_description_key:
--     alter table app.tasks add unique (family_id, description);
select distinct i.name
from indexes as i
join columns as c on c.oid = i.indrelid and c.number = any(i.indkey)
where i.indisunique and not c.is_not_null;

-- rule: every foreign key says what a deletion does
-- Unsaid, it refuses, and nobody decided that.
-- finds tasks_family_id_user_id_fkey1:
--     alter table app.tasks add foreign key (family_id, user_id)
--         references app.family_memberships (family_id, user_id);
select name from constraints where confdeltype = 'a';

-- rule: a deletion takes no row out of its family
-- `on delete set null` over a composite key empties all of it, unless it says which columns.
-- but sessions_family_id_user_id_fkey: the session goes on, and stands in no family
-- finds tasks_family_id_user_id_fkey1:
--     alter table app.tasks add foreign key (family_id, user_id)
--         references app.family_memberships (family_id, user_id) on delete set null;
-- finds tasks_family_id_user_id_fkey1:
--     alter table app.tasks add foreign key (family_id, user_id)
--         references app.family_memberships (family_id, user_id)
--         on delete set default (family_id);
select name from constraints
where confdeltype in ('n', 'd') and 'family_id' = any(emptied_columns);

-- rule: no key moves when its parent does
-- but habit_logs_family_id_habit_id_user_id_visibility_type_fkey: is as visible as its habit
-- but routine_versions_family_id_routine_id_user_id_routine_visi_fkey: knows if its routine is shared
-- but routine_steps_family_id_user_id_routine_id_version_visibil_fkey: is as visible as its version
-- but routine_completions_family_id_routine_id_owner_id_visibili_fkey: is as visible as its routine
-- finds tasks_family_id_user_id_fkey1:
--     alter table app.tasks add foreign key (family_id, user_id)
--         references app.family_memberships (family_id, user_id)
--         on delete cascade on update cascade;
select name from constraints where contype = 'f' and confupdtype <> 'a';

-- rule: every foreign key has an index that serves it
-- A deletion of the parent would read the whole table, for each row. Where only maintenance deletes
-- parents, one family's part of an index by ids will do.
-- finds tasks_family_id_user_id_fkey:
--     drop index app.tasks_family_id_user_id_idx;
-- finds tasks_family_id_user_id_fkey:
--     drop index app.tasks_family_id_user_id_idx;
--     create index on app.tasks (family_id, user_id) where not is_completed;
-- finds tasks_family_id_user_id_fkey:
--     drop index app.tasks_family_id_user_id_idx;
--     create index on app.tasks (family_id, created_at, user_id);
select name from constraints as c
where contype = 'f'
    and oid not in (select foreign_key from foreign_keys_served)
    and (has_table_privilege('app_api', c.confrelid, 'delete') or not exists (
        select from indexes as i
        where i.indrelid = c.conrelid
            and i.indisvalid
            and i.indpred is null
            and i.columns[1] = 'family_id'
            and i.columns @> c.columns
            and 'uuid' = all (
                select t.type from columns as t
                where t.oid = c.conrelid
                    and t.name = any(i.columns[: (
                        select max(array_position(i.columns, k)) from unnest(c.columns) as k
                    )])
            )
    ));

-- rule: a constraint holds at once and for every row
-- finds tasks_family_id_title_key:
--     alter table app.tasks add unique (family_id, title) deferrable;
-- finds tasks_title_is_short:
--     alter table app.tasks add constraint tasks_title_is_short
--         check (length(title) < 50) not valid;
-- finds tasks_title_is_short since 18:
--     alter table app.tasks add constraint tasks_title_is_short
--         check (length(title) < 50) not enforced;
-- finds tasks_title_not_null since 18:
--     alter table app.tasks alter title drop not null;
--     alter table app.tasks add constraint tasks_title_not_null not null title not valid;
-- finds _500_late:
--     create constraint trigger _500_late after insert on app.tasks deferrable
--         for each row execute function app.tg_refuse_change('-');
select conname from pg_constraint
where connamespace = 'app'::regnamespace and (condeferrable or not convalidated);

-- rule: neither a check nor an index asks the collation what is blank, a letter or its small form
-- As app.is_line and app.text_key do not.
-- finds tasks_title_is_not_blank:
--     alter table app.tasks add constraint tasks_title_is_not_blank check (title ~ '\S');
-- finds tasks_title_is_not_blank:
--     alter table app.tasks add constraint tasks_title_is_not_blank check (title !~ '[[:space:]]');
-- finds tasks_title_is_not_blank:
--     alter table app.tasks add constraint tasks_title_is_not_blank check (btrim(title) <> '');
-- finds tasks_lower_title_idx:
--     create index tasks_lower_title_idx on app.tasks (family_id, lower(title));
select name
from constraints
where contype = 'c' and pg_get_constraintdef(oid) ~* '\\[swd]|\[\[:|trim\(|lower\(|upper\('
union all
select name
from indexes
where pg_get_indexdef(indexrelid) ~* 'trim\(|lower\(|upper\(|\\[swd]|\[\[:';

-- rule: no constraint says what another one says
-- finds tasks_title_is_there_twice:
--     alter table app.tasks add constraint tasks_title_is_there_twice
--         check (app.is_line(title) and length(title) <= 200);
-- finds tasks_family_id_user_id_fkey1:
--     alter table app.tasks add foreign key (family_id, user_id)
--         references app.family_memberships (family_id, user_id) on delete cascade;
select later.name
from constraints as later
join constraints as c on c.conrelid = later.conrelid and c.oid < later.oid
where pg_get_constraintdef(c.oid) = pg_get_constraintdef(later.oid);

-- rule: constraints are named by the conventions
-- Keys as PostgreSQL names them, which cuts them to 63 bytes; a check is a true statement, so it
-- has a verb.
-- finds tasks chk_title:
--     alter table app.tasks add constraint chk_title check (title <> '');
-- finds tasks tasks_title_length:
--     alter table app.tasks add constraint tasks_title_length check (length(title) < 50);
-- finds tasks titles:
--     alter table app.tasks add constraint titles unique (family_id, title);
-- finds tasks tasks_pkey1:
--     alter table app.tasks rename constraint tasks_pkey to tasks_pkey1;
select in_table, name
from constraints, concat(in_table, '_', array_to_string(columns, '_'), '_') as stem
where not case contype
    when 'p' then name = in_table || '_pkey'
    when 'u' then name = left(rtrim(stem, '_'), 59) || '_key'
    when 'f' then name = left(rtrim(stem, '_'), 58) || '_fkey'
    when 'c' then name ~ concat('^', in_table, '_\w+_(is|are|has|fit|looks)_')
    else false
end;


-- # Indexes: sql/migrations

-- rule: indexes are named by the conventions
-- but exercises_family_id_name_key: unique, so it breaks like a constraint, and has its name
-- but users_email_key: unique, so it breaks like a constraint, and has its name
-- but invitations_family_id_email_key: the same
-- finds ix_tasks_title:
--     create index ix_tasks_title on app.tasks (family_id, title);
select name from indexes
where not is_constraints and name !~ concat('^', in_table, '_\w+_idx$');

-- rule: every index is valid
-- A `create index concurrently` that failed leaves one that costs and serves nothing.
-- finds tasks_family_id_due_on_idx:
--     update pg_index set indisvalid = false
--     where indexrelid = 'app.tasks_family_id_due_on_idx'::regclass;
-- finds tasks_pkey:
--     update pg_index set indisready = false where indexrelid = 'app.tasks_pkey'::regclass;
-- finds tasks_pkey:
--     update pg_index set indislive = false where indexrelid = 'app.tasks_pkey'::regclass;
select name from indexes where not indisvalid or not indisready or not indislive;

-- rule: no index is another one, or the beginning of it
-- The longer one serves both; each costs at every write.
-- finds tasks_family_id_idx:
--     create index tasks_family_id_idx on app.tasks (family_id);
-- finds tasks_family_id_idx:
--     create index tasks_family_id_idx on app.tasks (family_id);
--     create index tasks_is_fine_idx on app.tasks (family_id, created_at) where due_on is null;
--     create unique index tasks_is_fine_too_idx on app.tasks (family_id, created_at);
-- finds tasks_again_idx:
--     create index tasks_again_idx on app.tasks (family_id, user_id);
-- finds tasks_again_idx:
--     create unique index tasks_again_idx on app.tasks (family_id, id);
-- finds tasks_due_idx:
--     create index tasks_due_idx on app.tasks (family_id) where due_on is not null;
select distinct i.name
from indexes as i
join indexes as other on other.indrelid = i.indrelid and other.indexrelid <> i.indexrelid
    and other.predicate is not distinct from i.predicate
    and other.sort_keys[1 : cardinality(i.sort_keys)] = i.sort_keys
where not i.is_constraints and i.indnatts = i.indnkeyatts and case
    when i.indisunique then other.indisunique and cardinality(other.sort_keys) = i.indnkeyatts
    when cardinality(other.sort_keys) > i.indnkeyatts then true
    else other.indisunique or other.indexrelid < i.indexrelid
end;

-- rule: every index says which query, function or foreign key it serves
-- In the line above it. Or it is unique, and serves that. A name in the line is one of sql/queries
-- or sql/functions.
-- but account_events_user_id_occurred_at_idx: people who look into one account, as app_ops
-- finds tasks_family_id_due_on_idx:
--     update reasons set sentence = 'Makes it fast.'
--     where index_name = 'tasks_family_id_due_on_idx';
-- finds tasks_family_id_due_on_idx:
--     update reasons set sentence = 'Serves everybody.'
--     where index_name = 'tasks_family_id_due_on_idx';
-- finds tasks_family_id_due_on_idx:
--     update reasons set sentence = 'Serves list_tasks and list_strays.'
--     where index_name = 'tasks_family_id_due_on_idx';
-- finds tasks_family_id_due_on_idx:
--     update reasons set sentence = 'Serves the cascade from users.'
--     where index_name = 'tasks_family_id_due_on_idx';
-- finds tasks_family_id_due_on_idx:
--     update reasons set sentence = 'Serves list_tasks and a foreign key.'
--     where index_name = 'tasks_family_id_due_on_idx';
-- finds tasks_family_id_title_idx:
--     create index tasks_family_id_title_idx on app.tasks (family_id, title);
with named as (
    select name from queries union select name from functions
), serving as (
    select i.name, coalesce(r.sentence, '') as sentence,
        array(select parent from foreign_keys_served where by_index = i.indexrelid) as parents
    from indexes as i
    left join reasons as r on r.index_name = i.name
    where not i.indisunique
), said as (
    select s.*,
        array(select w[1] from regexp_matches(sentence, '(\w+_\w+)', 'g') as w) as names,
        substring(sentence from 'cascade from (\w+)') as cascade_from
    from serving as s
)
select name
from said
where sentence !~ '^Serves '
    or exists (
        select from unnest(names) as n
        where n not in (select name from named union all select name from tables)
    )
    or cascade_from is not null and not cascade_from = any(parents)
    or sentence ~ 'foreign key' and parents = '{}'
    or sentence !~ 'cascade from|foreign key' and not names && array(select name from named);


-- # Columns: sql/migrations

-- rule: names of columns tell their types
-- but audit_log private_to: to whom; it is read as a sentence with the policy
-- finds tasks started:
--     alter table app.tasks add started timestamptz;
-- finds tasks start_at:
--     alter table app.tasks add start_at date;
-- finds tasks starts:
--     alter table app.tasks add starts date;
-- finds tasks urgent:
--     alter table app.tasks add urgent boolean;
-- finds tasks parent:
--     alter table app.tasks add parent uuid;
-- finds tasks foreign_id:
--     alter table app.tasks add foreign_id text;
select in_table, name
from columns
where (name ~ '_at$') <> (type = 'timestamp with time zone')
    or (name ~ '_on$') <> (type = 'date')
    or (name ~ '^is_') <> (type = 'boolean')
    or (name ~ '(^|_)id$') <> (type = 'uuid');

-- rule: no time is without its zone, and no zone without its date
-- finds tasks reminder:
--     alter table app.tasks add reminder timestamp;
-- finds tasks alarm:
--     alter table app.tasks add alarm timetz;
-- finds tasks alarms:
--     alter table app.tasks add alarms timestamp(0)[];
select in_table, name
from columns
where type ~ '^timestamp.* without time zone' or type ~ '^time\M.* with time zone';

-- rule: text is text, json is jsonb, and a number is exact
-- A limit is a check that has a sentence; money has no currency; char(n) pads; json keeps what it
-- was given, twice the same key too.
-- finds tasks code:
--     alter table app.tasks add code varchar(20);
-- finds tasks code:
--     alter table app.tasks add code char(3);
-- finds tasks price:
--     alter table app.tasks add price money;
-- finds tasks extra:
--     alter table app.tasks add extra json;
-- finds tasks weight:
--     alter table app.tasks add weight real;
-- finds tasks weight:
--     alter table app.tasks add weight double precision;
select in_table, name
from columns
where type ~ '^(character|"char"|money|json\M|real|double|xml|name|oid)';

-- rule: every text is under a check
-- Else a row is as long as its writer likes. The check has the sentence that the writer reads.
-- but audit_log table_name: written by a trigger, the name of a table
-- finds tasks note:
--     alter table app.tasks add note text;
-- finds families name:
--     alter table app.families drop constraint families_name_is_1_to_100_characters;
select in_table, name
from columns as c
where type = 'text' and not exists (
    select from constraints as k
    where k.conrelid = c.oid and k.contype = 'c' and c.name = any(k.columns)
);

-- rule: nothing counts
-- A number from a sequence tells each family how much the others do, and is a guess away.
-- finds tasks_number_seq:
--     alter table app.tasks add number bigint generated always as identity;
-- finds tasks_number_seq:
--     alter table app.tasks add number bigserial;
select relname from pg_class where relnamespace = 'app'::regnamespace and relkind = 'S';

-- rule: what a policy compares is not null
-- Compared with null nothing is true, and nothing is false either.
-- but audit_log private_to: null says that the family shares the row, and the policy asks for it
-- but exercises user_id: null says that whoever wrote it is gone, and is nobody
-- but routine_versions author_id: null says that they were purged, and nobody can insert it
-- but sessions revoked_at: null says that it lives, and the policies ask for it
-- finds tasks user_id:
--     alter table app.tasks alter user_id drop not null;
-- finds tasks visibility:
--     alter table app.tasks alter visibility drop not null;
select distinct c.in_table, c.name
from policies as p
join pg_depend as d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
    and d.refclassid = 'pg_class'::regclass
join columns as c on c.oid = d.refobjid and c.number = d.refobjsubid
where not c.is_not_null;

-- rule: the family of a row is not null
-- but sessions: null when the user has no family
-- finds stray_rows:
--     create table app.stray_rows (family_id uuid, id uuid);
select in_table from columns where name = 'family_id' and not is_not_null;

-- rule: what a row computes calls functions of PostgreSQL and of schema app only
-- Defaults, generated columns, checks, indexes, triggers and policies: another schema's function is
-- another owner's code, run by whoever writes.
-- finds for app.tasks.title:
--     create function public.guess() returns text language sql as $$ select 'A guess' $$;
--     alter table app.tasks alter title set default public.guess();
-- finds tasks_title_is_nice on app.tasks:
--     create function public.is_nice(title text) returns boolean language sql as $$ select true $$;
--     alter table app.tasks add constraint tasks_title_is_nice check (public.is_nice(title));
-- finds app.tasks_nice_idx:
--     create function public.nice(title text) returns text language sql immutable
--         as $$ select title $$;
--     create index tasks_nice_idx on app.tasks (family_id, public.nice(title));
-- finds _500_elsewhere on app.tasks:
--     create function public.elsewhere() returns trigger language plpgsql
--         as $$ begin return null; end $$;
--     create trigger _500_elsewhere after insert on app.tasks
--         for each row execute function public.elsewhere();
select o.identity
from pg_depend as d
join pg_proc as p on p.oid = d.refobjid
cross join pg_identify_object(d.classid, d.objid, d.objsubid) as o
where d.refclassid = 'pg_proc'::regclass
    and d.classid in (
        'pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_class'::regclass,
        'pg_trigger'::regclass, 'pg_policy'::regclass
    )
    and p.pronamespace not in ('app'::regnamespace, 'pg_catalog'::regnamespace);

-- rule: a generated column is stored
-- Before PostgreSQL 18 there is no other, and the schema is the same on all.
-- finds tasks is_late since 18:
--     alter table app.tasks add is_late boolean generated always as (due_on is null) virtual;
select in_table, name from columns where is_generated and not is_stored;


-- # The base pattern: sql/migrations

-- rule: a row is named by an id or by a natural key
-- but audit_log id, occurred_at: the partition key has to be part of it
-- but credentials user_id: a user has one password
-- but family_memberships user_id: a relation
-- but refresh_tokens token_hash: what a client presents
-- but idempotency_keys user_id, idempotency_key: what a client presents
-- but habit_logs habit_id, logged_on: a day of a habit
-- but routine_versions routine_id, version: counted
-- but routine_steps routine_id, version, position: counted
-- but routine_completions user_id, routine_id, completed_on: a relation, for a day
-- finds stray_rows title:
--     create table app.stray_rows (family_id uuid, title text, primary key (family_id, title));
select in_table, array_to_string(array_remove(columns, 'family_id'), ', ')
from constraints
where contype = 'p' and array_remove(columns, 'family_id') <> array['id'];

-- rule: every table has a primary key
-- finds stray_rows:
--     create table app.stray_rows (family_id uuid not null, title text);
select name from tables
where not is_partition and name not in (select in_table from constraints where contype = 'p');

-- rule: an id is made by new_id
-- finds tasks:
--     alter table app.tasks alter id set default gen_random_uuid();
-- finds families:
--     alter table app.families alter id drop default;
select in_table from columns
where name = 'id' and expression is distinct from 'app.new_id()';

-- rule: every row knows when it was made
-- but account_events: says occurred_at
-- but audit_log: says occurred_at
-- finds tasks:
--     alter table app.tasks alter created_at drop not null;
-- finds tasks:
--     alter table app.tasks alter created_at set default '2000-01-01';
-- finds stray_rows:
--     create table app.stray_rows (family_id uuid not null, id uuid primary key);
select name from tables as t
where not is_partition and not exists (
    select from columns as c
    where c.in_table = t.name
        and c.name = 'created_at'
        and c.is_not_null
        and c.expression in ('now()', 'clock_timestamp()')
);

-- rule: rows that change have the whole base pattern, others nothing of it
-- Named with what a table has of it. The trigger: before, for each row, on update, switched on.
-- but account_events: append-only
-- but audit_log: append-only
-- but messages: immutable
-- but score_entries: append-only
-- but rate_limit_hits: counted, not changed
-- but idempotency_keys: an answer was given and stays what it was
-- but refresh_tokens: a link of the chain never changes
-- but routine_versions: immutable
-- but routine_steps: immutable
-- finds tasks row_version, updated_at:
--     drop trigger _100_touch on app.tasks;
-- finds tasks row_version, updated_at:
--     alter table app.tasks disable trigger _100_touch;
-- finds tasks row_version, updated_at:
--     drop trigger _100_touch on app.tasks;
--     create trigger _100_touch before update on app.tasks
--         for each row when (NEW.title <> OLD.title) execute function app.tg_touch();
-- finds tasks row_version, updated_at:
--     drop trigger _100_touch on app.tasks;
--     create trigger _100_touch before update on app.tasks
--         for each row execute function app.tg_refuse_change('-');
-- finds tasks updated_at, _100_touch:
--     alter table app.tasks alter row_version type integer;
-- finds tasks updated_at, _100_touch:
--     alter table app.tasks alter row_version set default 0;
-- finds tasks row_version, _100_touch:
--     alter table app.tasks alter updated_at drop default;
-- finds messages updated_at:
--     alter table app.messages add updated_at timestamptz not null default now();
select concat_ws(' ', t.name, nullif(pattern, ''))
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
        select g.name from triggers as g
        where g.in_table = t.name and g.function = 'app.tg_touch' and g.name = '_100_touch'
            and g.tgtype = 19 and g.tgenabled = 'O' and g.tgqual is null
    )
) as pattern
where not is_partition and pattern <> 'row_version, updated_at, _100_touch';

-- rule: what can be retired is active until then
-- finds tasks:
--     alter table app.tasks add deleted_at timestamptz;
-- finds users:
--     alter table app.users alter is_active drop expression;
-- finds stray_rows:
--     create table app.stray_rows (
--         deleted_at timestamptz,
--         is_active boolean not null generated always as (deleted_at is not null) stored
--     );
-- finds stray_rows:
--     create table app.stray_rows (
--         deleted_at timestamptz,
--         is_active boolean not null default (null is null)
--     );
select name from tables as t
where not is_partition and exists (
    select from columns as c where c.in_table = t.name and c.name = 'deleted_at'
) <> exists (
    select from columns as c
    where c.in_table = t.name and c.name = 'is_active'
        and c.is_generated and c.expression = '(deleted_at IS NULL)'
);

-- rule: what can be retired can be purged, by app_ops, once it is retired and not before
-- By a query of sql/queries/ops/purge.sql, which begins at the oldest and has an index for it.
-- finds users:
--     drop policy delete_ops on app.users;
-- finds families:
--     alter policy delete_ops on app.families using (true);
-- finds families:
--     drop index app.families_deleted_at_idx;
-- finds tasks:
--     alter table app.tasks add deleted_at timestamptz,
--         add is_active boolean not null generated always as (deleted_at is null) stored;
--     create index tasks_deleted_at_idx on app.tasks (deleted_at) where deleted_at is not null;
--     create policy delete_ops on app.tasks for delete to app_ops using (not is_active);
select t.name from tables as t
where not is_partition
    and exists (select from columns as c where c.in_table = t.name and c.name = 'deleted_at')
    and not (
        exists (
            select from policies as p
            where p.in_table = t.name and p.name = 'delete_ops' and p.roles = '{app_ops}'
                and p.condition = '(NOT is_active)'
        )
        and exists (
            select from indexes as i
            where i.in_table = t.name and i.columns = '{deleted_at}'
                and i.predicate = '(deleted_at IS NOT NULL)'
        )
        and exists (
            select from queries as q
            where q.name = 'purge_' || case t.name
                when 'users' then 'accounts'
                when 'family_memberships' then 'memberships'
                else t.name
            end
        )
    );


-- # Triggers: sql/policies

-- rule: every write to a family's table is audited
-- After each row, without a condition, switched on.
-- but audit_log insert delete update: is the trail
-- but messages update: which another trigger refuses
-- but score_entries update: which another trigger refuses
-- but sessions insert delete update: of an account: what happens to them is in account_events
-- but idempotency_keys insert delete update: a copy for a day; what it answers is in the trail
-- but routine_versions update: which another trigger refuses, but for what follows the routine
-- but routine_steps update: which another trigger refuses, but for what follows the routine
-- finds tasks insert delete update:
--     drop trigger _900_audit on app.tasks;
-- finds tasks insert delete update:
--     alter table app.tasks disable trigger _900_audit;
-- finds tasks insert delete update:
--     drop trigger _900_audit on app.tasks;
--     create trigger _900_audit after insert or update or delete on app.tasks
--         for each row when (pg_trigger_depth() = 0) execute function app.tg_record_audit();
-- finds tasks insert delete update:
--     drop trigger _900_audit on app.tasks;
--     create trigger _900_audit after insert or update or delete on app.tasks
--         for each row execute function app.tg_refuse_change('-');
-- finds tasks insert delete update:
--     alter trigger _900_audit on app.tasks rename to _100_audit;
-- finds tasks delete:
--     drop trigger _900_audit on app.tasks;
--     create trigger _900_audit after insert or update on app.tasks
--         for each row execute function app.tg_record_audit();
-- finds stray_rows insert delete update:
--     create table app.stray_rows (family_id uuid not null, id uuid not null);
select t.name, string_agg(command, ' ' order by bit)
from tables as t
cross join (values ('insert', 4), ('delete', 8), ('update', 16)) as commands (command, bit)
where t.is_tenants and not t.is_partition and not exists (
    select from triggers as g
    where g.in_table = t.name and g.name = '_900_audit' and g.function = 'app.tg_record_audit'
        and g.tgtype & 67 = 1 and g.tgtype & bit <> 0 and g.tgqual is null and g.tgenabled = 'O'
)
group by t.name;

-- rule: a table whose rows leave one by one cannot be truncated
-- A statement's trigger, on each partition too. What is not audited and may change is not held to.
-- but credentials: of an account, which is not audited row by row
-- but refresh_tokens: of an account
-- but sessions: of an account
-- but rate_limit_hits: of nobody who has signed in yet
-- but idempotency_keys: a copy for a day, of which nothing refers to
-- but users: of an account
-- finds tasks:
--     drop trigger _110_refuse_truncate on app.tasks;
-- finds tasks:
--     drop trigger _110_refuse_truncate on app.tasks;
--     create trigger _110_refuse_truncate before truncate on app.tasks
--         for each statement execute function app.tg_touch();
-- finds tasks:
--     drop trigger _110_refuse_truncate on app.tasks;
--     create trigger _110_refuse_truncate before truncate on app.tasks
--         for each statement when (pg_trigger_depth() = 0) execute function app.tg_refuse_change('-');
-- finds audit_log_default:
--     drop trigger _100_refuse_truncate on app.audit_log_default;
-- finds audit_log:
--     alter table only app.audit_log disable trigger _100_refuse_truncate;
select name from tables as t
where not exists (
    select from triggers as g
    where g.in_table = t.name and g.function = 'app.tg_refuse_change'
        and g.tgtype = 34 and g.tgenabled = 'O' and g.tgqual is null
);

-- rule: no trigger is switched off, or on for replicas only
-- finds tasks _110_refuse_truncate:
--     alter table app.tasks disable trigger _110_refuse_truncate;
-- finds messages _110_refuse_delete:
--     alter table app.messages enable replica trigger _110_refuse_delete;
-- finds audit_log_default _100_refuse_change:
--     alter table app.audit_log_default disable trigger _100_refuse_change;
select t.name, g.tgname
from tables as t
join pg_trigger as g on g.tgrelid = t.oid
where g.tgenabled <> 'O';

-- rule: triggers are named for their order, which begins at 100 and ends with the trail at 900
-- They fire in the order of their names; a change made after the trail would not be in it.
-- finds tasks check_title:
--     create trigger check_title before update on app.tasks
--         for each row execute function app.tg_refuse_change('-');
-- finds tasks _910_late:
--     create trigger _910_late after update on app.tasks
--         for each row execute function app.tg_refuse_change('-');
-- finds tasks _050_early:
--     create trigger _050_early before update on app.tasks
--         for each row execute function app.tg_refuse_change('-');
select in_table, name from triggers where name !~ '^_([1-8][0-9]{2}_[a-z_]+|900_audit)$';

-- rule: a trigger that looks for a parent names it as a foreign key does
-- Else every insert fails, or looks for another row than the one referred to.
-- finds habit_logs _150_require_visible_parent:
--     create or replace trigger _150_require_visible_parent before insert on app.habit_logs
--         for each row execute function app.tg_require_visible_parent('routines', 'habit_id');
-- finds habit_logs _150_require_visible_parent:
--     create or replace trigger _150_require_visible_parent before insert on app.habit_logs
--         for each row execute function app.tg_require_visible_parent('habits', 'user_id');
-- finds habit_logs _150_require_visible_parent:
--     create or replace trigger _150_require_visible_parent before insert on app.habit_logs
--         for each row execute function app.tg_require_visible_parent('habits');
select g.in_table, g.name
from triggers as g
cross join string_to_array(encode(g.tgargs, 'escape'), '\000') as arguments
where g.function = 'app.tg_require_visible_parent' and not exists (
    select
    from constraints as c
    join tables as parent on parent.oid = c.confrelid
    cross join unnest(c.columns, c.parent_columns) as pair (ours, theirs)
    where c.conrelid = g.tgrelid
        and c.contype = 'f'
        and parent.name = arguments[1]
        and pair.ours = arguments[2]
        and pair.theirs = 'id'
);


-- # Functions: sql/functions

-- rule: a function is plain, and written in sql or plpgsql
-- No procedure ends its caller's transaction, and no language reaches out of the database.
-- finds clear:
--     create procedure app.clear() language sql as $$ select 1 $$;
-- finds add_up:
--     create aggregate app.add_up(integer) (sfunc = int4pl, stype = integer);
-- finds nap:
--     create function app.nap(double precision) returns void language internal as 'pg_sleep';
select p.name
from functions as p
join pg_language as l on l.oid = p.prolang
where p.prokind <> 'f' or l.lanname not in ('sql', 'plpgsql');

-- rule: a function has one signature
-- Its file is named as it is, and owns all that has the name.
-- finds task_json:
--     create function app.task_json(id uuid) returns json language sql as $$ select null::json $$;
select name from functions group by name having count(*) > 1;

-- rule: every body compiles
-- finds broken: relation "app.stray_rows" does not exist:
--     set local check_function_bodies = off;
--     create function app.broken() returns bigint language sql
--         as $$ select count(*) from app.stray_rows $$;
-- finds broken: syntax error at or near "app":
--     set local check_function_bodies = off;
--     create function app.broken() returns void language plpgsql
--         as $$ begin perform title form app.tasks; end $$;
-- finds event_metadata: function app.current_request_id() does not exist:
--     drop function app.current_request_id();
select concat_ws(': ', f.name, complaint)
from functions as f
join pg_language as l on l.oid = f.prolang and l.lanvalidator <> 0
cross join pg_temp.complaint(f.oid, l.lanvalidator::regproc) as complaint
where complaint is not null;

-- rule: a definer function pins its search path, pg_temp last
-- Else whoever calls it decides whose functions and tables it finds.
-- finds lend:
--     create function app.lend() returns bigint language sql security definer
--         as $$ select count(*) from app.users $$;
-- finds find_credentials:
--     alter function app.find_credentials(text) set search_path = pg_catalog;
select name from functions
where prosecdef and not coalesce('search_path=pg_catalog, pg_temp' = any(proconfig), false);

-- rule: a function sets its search path unless it inlines
-- As does what makes JSON of a table's row, so that a list costs what its expressions cost; that
-- each leaves no call in a plan is seen in tests/sql/test_functions.py.
-- but current_family_id: so that a policy's comparison becomes an index condition
-- but current_member_role: so that a policy's comparison becomes an index condition
-- but current_user_id: so that a policy's comparison becomes an index condition
-- but current_request_id: like them, for the audit trail
-- but current_session_id: like them, for assert_membership
-- but new_id: so that it costs nothing over a bare default
-- but occurrence_of: so that statistics cost what their expressions cost
-- but visible: so that a check costs what its expressions cost
-- but text_key: so that a look-up costs what its expressions cost
-- but display_name_of: like visible, of which it is made
-- but with_steps: so that a list costs what its expressions cost
-- but cursor_of: so that a list costs what its expressions cost
-- but invitation_json: so that a list costs what its expressions cost
-- but page_of: so that a list costs what its expressions cost
-- but begin_request: it pins the path, which would be taken back
-- finds tg_touch:
--     alter function app.tg_touch() reset search_path;
-- finds is_time_zone:
--     alter function app.is_time_zone(text) set search_path = public;
-- finds task_json:
--     alter function app.task_json(app.tasks) security definer;
-- finds task_json:
--     alter function app.task_json(app.tasks) set search_path = public;
-- finds title_json:
--     create function app.title_json(title text) returns json language sql
--         as $$ select to_json(title) $$;
-- finds plain_json:
--     create function app.plain_json(app.tasks) returns json language plpgsql
--         as $$ begin return to_json($1); end $$;
select f.name
from functions as f
join pg_language as l on l.oid = f.prolang
where not coalesce('search_path=pg_catalog, pg_temp' = any(f.proconfig), false) and not (
    f.name ~ '_json$'
    and l.lanname = 'sql'
    and f.proconfig is null
    and not f.prosecdef
    and f.pronargs = 1
    and f.proargtypes[0] in (select reltype from tables)
);

-- rule: a definer function lends the rights of a narrow role
-- but ensure_audit_partitions app_owner: makes tables, of names and bounds of its own making
-- finds restore_family app_owner:
--     alter function app.restore_family(uuid) security definer;
-- finds find_credentials app_owner:
--     alter function app.find_credentials(text) owner to app_owner;
select name, owner from functions
where prosecdef and owner not in ('app_auth', 'app_audit');

-- rule: the context is read by functions that the planner sees through
-- One `select`, stable, of the caller, with nothing set: so it inlines, and an index answers it.
-- finds current_user_id:
--     alter function app.current_user_id() volatile;
-- finds current_family_id:
--     alter function app.current_family_id() set search_path = pg_catalog;
-- finds current_member_role:
--     alter function app.current_member_role() security definer;
-- finds current_session_id:
--     alter function app.current_session_id() strict;
-- finds current_families:
--     create function app.current_families() returns setof uuid language sql stable
--         as $$ select app.current_family_id() $$;
-- finds current_place:
--     create function app.current_place() returns text language plpgsql stable
--         as $$ begin return current_setting('app.place', true); end $$;
select f.name
from functions as f
join pg_language as l on l.oid = f.prolang
where f.name ~ '^current_' and (
    l.lanname <> 'sql' or f.provolatile <> 's' or f.prosecdef or f.proisstrict or f.proretset
    or f.proconfig is not null
);

-- rule: no function is trusted not to leak
-- A leakproof one is run on rows that the policies have not been asked about.
-- finds current_user_id:
--     alter function app.current_user_id() leakproof;
select name from functions where proleakproof;

-- rule: no function builds statements
-- but ensure_audit_partitions: makes tables, of names and bounds of its own making
-- but condition_holds: asks a policy's condition, as whoever calls it
-- but explain_access: reads one row of a table, of names that the catalog has
-- but tg_require_visible_parent: reads a parent, of names that the file of the trigger has
-- finds count_rows:
--     create function app.count_rows(name text) returns bigint language plpgsql as $$
--     declare
--         v_rows bigint;
--     begin
--         execute 'select count(*) from ' || name into v_rows;
--         return v_rows;
--     end $$;
select name from functions where prosrc ~* '\mexecute\M';

-- rule: no function sets the context
-- It comes with the transaction, by a literal `set local`, and stays until its end.
-- but sign_up: before it there is no user; the newcomer is named in the trail, no policy is asked
-- but explain_access: asks as another would be asked; what it runs as, app_ops, has no family
-- but begin_request: it is what brings the context, of a login that can set it, and asserts it
-- finds become:
--     create function app.become(user_id uuid) returns text language sql
--         as $$ select set_config('app.user_id', user_id::text, true) $$;
-- finds become:
--     create function app.become() returns void language plpgsql
--         as $$ begin set local app.member_role = 'owner'; end $$;
-- finds tg_touch:
--     alter function app.tg_touch() set app.user_id = '';
select name from functions
where prosrc ~* '\mset_config\M|\mset\s+(local\s+|session\s+)?app\.|\mset\s+(local\s+)?role\M'
    or array_to_string(proconfig, ' ') ~ '\mapp\.';

-- rule: nobody may call a function unless a file says so
-- finds tg_touch:
--     grant execute on function app.tg_touch() to public;
-- finds new_function:
--     create function app.new_function() returns integer language sql as $$ select 1 $$;
select f.name
from functions as f
cross join aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) as a
where a.grantee = 0;

-- rule: trigger functions are called by triggers
-- Only app_owner, who makes the triggers, may be granted them.
-- finds tg_record_audit app_api:
--     grant execute on function app.tg_record_audit() to app_api;
select f.name, pg_get_userbyid(a.grantee)
from functions as f
cross join aclexplode(f.proacl) as a
where f.prorettype = 'trigger'::regtype
    and pg_get_userbyid(a.grantee) not in (f.owner, 'app_owner');

-- rule: the service calls every function, but those of triggers
-- but begin_session: of app_auth
-- but resolve_membership: of app_auth
-- but revoke_sessions: of app_auth
-- but record_score: of app_auth
-- but event_metadata: of app_auth
-- but restore_account: of app_ops
-- but restore_family: of app_ops
-- but ensure_audit_partitions: of app_ops
-- but explain_access: of app_ops
-- but contexts_of: of app_ops
-- but conditions_of: of app_ops
-- but condition_holds: of app_ops
-- finds task_json:
--     revoke execute on function app.task_json(app.tasks) from app_api;
-- finds restore_user:
--     create function app.restore_user() returns integer language sql as $$ select 1 $$;
--     revoke execute on function app.restore_user() from public;
select name
from functions
where prorettype <> 'trigger'::regtype and not has_function_privilege('app_api', oid, 'execute');

-- rule: nobody but the service calls functions, besides their owners
-- Those of the context are for all.
-- but app_reader assert_membership: who looks has a context that must hold too
-- but app_auth new_id: of the defaults of rows that it makes
-- but app_auth is_time_zone: of the checks on rows that it makes
-- but app_auth visible: of the checks on rows that it makes
-- but app_auth is_line: of the checks on rows that it makes
-- but app_auth display_name_of: of the memberships that it makes
-- but app_auth text_key: of the checks and keys of rows that it makes
-- but app_audit new_id: of the default of the trail
-- but app_ops new_id: of the default of account_events
-- but app_ops is_time_zone: of the checks on rows that it restores
-- but app_ops visible: of the checks on rows that it restores
-- but app_ops is_line: of the checks on rows that it restores
-- but app_ops text_key: of the checks and keys of rows that it restores
-- but app_ops event_metadata: of restore_account, which runs as its caller
-- but app_ops restore_account: its work
-- but app_ops restore_family: its work
-- but app_ops ensure_audit_partitions: its work
-- but app_ops explain_access: its work
-- but app_ops contexts_of: its work
-- but app_ops conditions_of: of explain_access, which runs as its caller
-- but app_ops condition_holds: of explain_access, which runs as its caller
-- finds app_reader find_credentials:
--     grant execute on function app.find_credentials(text) to app_reader;
-- finds app_ops retire_family:
--     grant execute on function app.retire_family() to app_ops;
select r.name, f.name
from functions as f, runtime as r
where has_function_privilege(r.oid, f.oid, 'execute') and f.owner <> r.name
    and f.name !~ '^current_' and r.name <> 'app_api';


-- # What there is: sql/migrations

-- rule: schemas are app for the product, yoyo for its migrations, and an empty public
-- finds staging:
--     create schema staging;
select nspname from pg_namespace
where nspname !~ '^pg_' and nspname not in ('app', 'yoyo', 'public', 'information_schema');

-- rule: nothing is in schema public
-- finds backup:
--     create table public.backup (id uuid primary key);
-- finds helper:
--     create function public.helper() returns integer language sql as $$ select 1 $$;
-- finds mood:
--     create type public.mood as enum ('good');
select relname from pg_class
where relnamespace = 'public'::regnamespace and relkind not in ('i', 'I')
union
select proname from pg_proc where pronamespace = 'public'::regnamespace
union
select typname from pg_type
where typnamespace = 'public'::regnamespace and typrelid = 0 and typelem = 0;

-- rule: only their owners make anything in the schemas public and yoyo
-- finds public app_api:
--     grant create on schema public to app_api;
-- finds public app_api app_audit app_auth app_ops app_owner app_reader:
--     grant create on schema public to public;
-- finds yoyo app_ops:
--     grant create on schema yoyo to app_ops;
select n.nspname, string_agg(r.name, ' ' order by r.name)
from pg_namespace as n
cross join roles as r
where n.nspname in ('public', 'yoyo') and has_schema_privilege(r.oid, n.oid, 'create')
group by n.nspname;

-- rule: a view has its reader's rights
-- Without security_invoker it reads as its owner, under the owner's policies.
-- finds open_tasks:
--     create view app.open_tasks as select title from app.tasks where not is_completed;
-- finds open_tasks:
--     create view app.open_tasks with (security_invoker = false) as select title from app.tasks;
--     create view app.is_fine with (security_invoker = true) as select title from app.tasks;
--     create view app.is_fine_too with (security_invoker = on) as select title from app.tasks;
select relname from pg_class
where relnamespace = 'app'::regnamespace and relkind = 'v'
    and not coalesce(reloptions && array['security_invoker=true', 'security_invoker=on'], false);

-- rule: rows live in tables, which have row level security
-- A materialized view and a foreign table cannot.
-- finds done:
--     create materialized view app.done as select title from app.tasks;
-- finds elsewhere:
--     create foreign data wrapper mail;
--     create server post foreign data wrapper mail;
--     create foreign table app.elsewhere (title text) server post;
select relname from pg_class
where relnamespace = 'app'::regnamespace and relkind in ('m', 'f');

-- rule: nothing is kept in large objects
-- They have no row level security, and whoever may connect may make them.
-- finds 424242:
--     select lo_create(424242);
select oid from pg_largeobject_metadata;

-- rule: a table inherits nothing, unless it is a partition
-- Neither policies nor keys nor grants are inherited with the columns.
-- finds stray_rows:
--     create table app.stray_rows () inherits (app.tasks);
select c.relname
from pg_inherits as i
join pg_class as c on c.oid = i.inhrelid
where c.relnamespace = 'app'::regnamespace and not c.relispartition;

-- rule: no statement is rewritten by a rule
-- finds tasks keep:
--     create rule keep as on delete to app.tasks do instead nothing;
--     create view app.is_fine with (security_invoker = true) as select title from app.tasks;
select c.relname, r.rulename
from pg_rewrite as r
join pg_class as c on c.oid = r.ev_class
where c.relnamespace = 'app'::regnamespace and r.rulename <> '_RETURN';

-- rule: no event trigger looks on
-- finds watch:
--     create function public.watch() returns event_trigger language plpgsql as $$ begin end $$;
--     create event trigger watch on ddl_command_end execute function public.watch();
select evtname from pg_event_trigger;

-- rule: nothing is published
-- A subscriber gets the rows of all families, and no policy is asked.
-- finds everything:
--     create publication everything for table app.tasks;
select pubname from pg_publication;

-- rule: nothing but the core of PostgreSQL is installed
-- finds citext:
--     insert into pg_extension
--         (oid, extname, extowner, extnamespace, extrelocatable, extversion)
--     select 99999, 'citext', extowner, extnamespace, true, '1.6' from pg_extension limit 1;
select extname from pg_extension where extname <> 'plpgsql';

-- rule: every table survives a crash
-- finds tasks:
--     alter table app.tasks set unlogged;
select relname from pg_class
where relnamespace = 'app'::regnamespace and relkind in ('r', 'p', 'S') and relpersistence <> 'p';

-- rule: no table or index has storage options or a place of its own
-- A migration that needs one says why, here.
-- finds tasks:
--     alter table app.tasks set (autovacuum_enabled = off);
-- finds tasks_pkey:
--     alter index app.tasks_pkey set (fillfactor = 70);
select relname from pg_class
where relnamespace = 'app'::regnamespace and relkind in ('r', 'p', 'i', 'I')
    and (reloptions is not null or reltablespace <> 0);


-- # Comments: sql/migrations

-- rule: what does not explain itself has a comment
-- A column where its type does not say what is in it; a constraint or a unique index because the
-- service answers with it, but for a key of ids, which the server makes. Of triggers and indexes the
-- files speak; a partition's columns and constraints are its parent's.
-- finds schema app:
--     comment on schema app is null;
-- finds role app_ops:
--     comment on role app_ops is null;
-- finds table tasks:
--     comment on table app.tasks is null;
-- finds table audit_log_default:
--     comment on table app.audit_log_default is null;
-- finds column tasks.settings:
--     alter table app.tasks add settings jsonb, add color text;
-- finds column tasks.picture_hash:
--     alter table app.tasks add picture_hash bytea, add color text;
-- finds column tasks.colors:
--     alter table app.tasks add colors text[], add color text;
-- finds constraint tasks_title_is_nice:
--     alter table app.tasks add constraint tasks_title_is_nice check (title <> '');
-- finds constraint idempotency_keys_pkey:
--     comment on constraint idempotency_keys_pkey on app.idempotency_keys is null;
-- finds index tasks_family_id_title_key:
--     create unique index tasks_family_id_title_key on app.tasks (family_id, title);
--     create index tasks_is_fine_idx on app.tasks (family_id, title);
-- finds policy tasks.tenant_floor:
--     comment on policy tenant_floor on app.tasks is null;
-- finds function tg_touch:
--     comment on function app.tg_touch() is null;
-- finds type mood:
--     create type app.mood as enum ('good');
-- finds view open_tasks:
--     create view app.open_tasks as select title from app.tasks;
select 'schema app' where obj_description('app'::regnamespace, 'pg_namespace') is null
union
select 'role ' || name from roles where shobj_description(oid, 'pg_authid') is null
union
select 'table ' || name from tables where obj_description(oid, 'pg_class') is null
union
select 'view ' || relname from pg_class
where relnamespace = 'app'::regnamespace and relkind = 'v'
    and obj_description(oid, 'pg_class') is null
union
select 'column ' || in_table || '.' || name from columns
where (type in ('jsonb', 'bytea') or type ~ '\[\]$') and col_description(oid, number) is null
union
select 'constraint ' || name from constraints
where obj_description(oid, 'pg_constraint') is null
    and not (contype in ('p', 'u') and 'id' = any(columns))
union
select 'index ' || name from indexes
where indisunique and not is_constraints and obj_description(indexrelid, 'pg_class') is null
union
select 'policy ' || in_table || '.' || name from policies
where obj_description(oid, 'pg_policy') is null
union
select 'function ' || name from functions where obj_description(oid, 'pg_proc') is null
union
select 'type ' || typname from pg_type
where typnamespace = 'app'::regnamespace and typtype in ('e', 'd', 'r')
    and obj_description(oid, 'pg_type') is null;

-- rule: no comment repeats another
-- What tables have in common is explained once, on the schema. Constraints and policies may: the one
-- says the same of another table, and the other is the same there.
-- finds column created_at of habits tasks:
--     comment on column app.habits.created_at is 'When it was made.';
--     comment on column app.tasks.created_at is 'When it was made.';
--     comment on column app.tasks.updated_at is 'When it was made.';
-- finds trigger _100_touch of habits tasks:
--     comment on trigger _100_touch on app.habits is 'Keeps the times.';
--     comment on trigger _100_touch on app.tasks is 'Keeps the times.';
-- finds index of tasks_private_idx tasks_shared_idx:
--     comment on index app.tasks_private_idx is 'Serves list_tasks.';
--     comment on index app.tasks_shared_idx is 'Serves list_tasks.';
-- finds table of conversations tasks:
--     comment on table app.conversations is 'Rows.';
--     comment on table app.tasks is 'Rows.';
-- finds function of habit_json task_json:
--     comment on function app.habit_json(app.habits) is 'As every endpoint shows it.';
--     comment on function app.task_json(app.tasks) is 'As every endpoint shows it.';
with said as (
    select 'column ' || name as what, in_table as place, col_description(oid, number) as sentence
    from columns
    union all
    select 'trigger ' || name, in_table, obj_description(oid, 'pg_trigger') from triggers
    union all
    select 'index', name, obj_description(indexrelid, 'pg_class') from indexes
    where not indisunique
    union all
    select 'table', name, obj_description(oid, 'pg_class') from tables
    union all
    select 'function', name, obj_description(oid, 'pg_proc') from functions
)
select what, 'of', string_agg(place, ' ' order by place)
from said
where sentence is not null
group by what, sentence
having count(*) > 1;

-- rule: what a person reads who broke a constraint is a sentence
-- Of a capital letter, some words and a full stop; of no name that only we know.
-- finds tasks_title_is_1_to_200_characters:
--     comment on constraint tasks_title_is_1_to_200_characters on app.tasks is 'too long';
-- finds tasks_pkey:
--     comment on constraint tasks_pkey on app.tasks is 'Breaks (family_id, id).';
-- finds users_email_key:
--     comment on index app.users_email_key is 'Unique e-mail';
with sentences as (
    select name, obj_description(oid, 'pg_constraint') as sentence from constraints
    union all
    select name, obj_description(indexrelid, 'pg_class') from indexes
    where indisunique and not is_constraints
)
select name from sentences where sentence !~ '^[A-Z][^_]* [^_]*\.$';

-- rule: two constraints of a table say different things to who breaks them
-- finds users_full_name_is_1_to_200_characters users_time_zone_is_known:
--     comment on constraint users_time_zone_is_known on app.users is
--         'The name must have 1 to 200 characters, not all invisible, and no blank at its ends.';
--     comment on constraint users_full_name_is_1_to_200_characters on app.users is
--         'The name must have 1 to 200 characters, not all invisible, and no blank at its ends.';
select string_agg(name, ' ' order by name)
from constraints, obj_description(oid, 'pg_constraint') as sentence
where sentence is not null
group by in_table, sentence
having count(*) > 1;
