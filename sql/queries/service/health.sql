-- What the service asks about the database and about itself in it.

-- name: get_server
-- May this login be trusted with tenants? Any true answer but the first is a reason not to serve.
select
    json_build_object(
        'server_version', current_setting('server_version'),
        'role', current_user,
        'is_superuser', r.rolsuper,
        'bypasses_rls', r.rolbypassrls,
        'owns_tables', exists (
            select from pg_catalog.pg_class as c
            where
                c.relnamespace = 'app'::regnamespace
                and pg_catalog.pg_has_role(c.relowner, 'usage')
        ),
        'holds_roles', exists (
            select from pg_catalog.pg_roles as o
            where o.rolname <> current_user and pg_catalog.pg_has_role(o.oid, 'member')
        ),
        'new_id', (
            select case when p.prosrc like '%uuidv7%' then 'uuidv7' else 'gen_random_uuid' end
            from pg_catalog.pg_proc as p
            where p.oid = 'app.new_id()'::regprocedure
        )
    )::text
from pg_catalog.pg_roles as r
where r.rolname = current_user;

-- name: list_constraints
-- The sentence for a broken constraint is the comment on it, or on its index where it is only one.
-- A check that is named after one of its columns blames that one; every other blames all it looks
-- at.
select
    c.conname as name,
    obj_description(c.oid, 'pg_constraint') as comment,
    coalesce(
        array_agg(a.attname::text order by a.attnum) filter (
            where c.contype = 'c' and starts_with(c.conname, concat(t.relname, '_', a.attname, '_'))
        ),
        array_agg(a.attname::text order by a.attnum) filter (where a.attname is not null)
    ) as fields
from pg_catalog.pg_constraint as c
left join pg_catalog.pg_class as t on t.oid = c.conrelid
left join pg_catalog.pg_attribute as a on
    a.attrelid = c.conrelid
    and a.attnum = any(c.conkey)
where
    c.connamespace = 'app'::regnamespace
    and c.conparentid = 0
    and obj_description(c.oid, 'pg_constraint') is not null
group by c.oid, c.conname, t.relname
union all
select
    i.relname as name, obj_description(i.oid, 'pg_class') as comment,
    array_agg(a.attname::text order by a.attnum) as fields
from pg_catalog.pg_class as i
inner join pg_catalog.pg_index as x on x.indexrelid = i.oid
-- Also those within an expression, such as app.text_key(email), are what the index depends on.
inner join pg_catalog.pg_depend as d
    on
        d.classid = 'pg_class'::regclass
        and d.objid = i.oid
        and d.refclassid = 'pg_class'::regclass
        and d.refobjid = x.indrelid
inner join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where
    i.relnamespace = 'app'::regnamespace
    and x.indisunique
    and obj_description(i.oid, 'pg_class') is not null
group by i.oid, i.relname;

-- name: get_installed_files
-- What `hearth migrate` has run here, with the checksum of each file's content.
select coalesce(json_object_agg(f.kind || '/' || f.name, f.sha256), '{}')::text
from yoyo.files as f
where f.state = 'applied';
