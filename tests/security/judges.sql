-- What the exceptions of pgrls.toml may ask of an object of schema app, beside its name.

-- Whom a policy is for and by which command, the columns it compares that lead no index, and
-- whether a floor stands below it for everybody it is for.
select
    format('app.%s.%s', c.relname, p.polname) as name,
    jsonb_build_object(
        'to', array(
            select case role when 0 then 'public' else role::regrole::text end
            from unnest(p.polroles) as role
            order by 1
        ),
        'command', case p.polcmd
            when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
            when 'd' then 'delete' else 'all'
        end,
        'without_index', array(
            select distinct a.attname::text
            from pg_depend as d
            join pg_attribute as a on (a.attrelid, a.attnum) = (d.refobjid, d.refobjsubid)
            where (d.classid, d.objid) = ('pg_policy'::regclass, p.oid)
                and not exists (
                    select from pg_index as i
                    where i.indrelid = a.attrelid and i.indkey[0] = a.attnum
                )
            order by 1
        ),
        'has_floor', p.polpermissive and exists (
            select from pg_policy as f
            where f.polrelid = p.polrelid and not f.polpermissive and f.polcmd = '*'
                and f.polroles @> p.polroles
        )
    ) as facts
from pg_policy as p
join pg_class as c on c.oid = p.polrelid
where c.relnamespace = 'app'::regnamespace
union all
-- Which function a trigger calls, and as whom that runs.
select
    format('app.%s.%s', c.relname, t.tgname),
    jsonb_build_object(
        'calls', format('%s.%s', f.pronamespace::regnamespace, f.proname),
        'runs_as', case when f.prosecdef then f.proowner::regrole::text else 'invoker' end
    )
from pg_trigger as t
join pg_class as c on c.oid = t.tgrelid
join pg_proc as f on f.oid = t.tgfoid
where c.relnamespace = 'app'::regnamespace and not t.tgisinternal
union all
-- Who may call a function that lends the rights of its owner.
select
    format('app.%s', f.proname),
    jsonb_build_object(
        'may_call', coalesce(
            (
                select jsonb_agg(role order by role)
                from unnest(array['app_api', 'app_ops', 'app_reader']) as role
                where has_function_privilege(role, f.oid, 'execute')
            ),
            '["nobody"]'
        )
    )
from pg_proc as f
where f.pronamespace = 'app'::regnamespace and f.prosecdef
union all
-- What a partition is a part of.
select format('app.%s', c.relname), jsonb_build_object('part_of', format('app.%s', p.relname))
from pg_inherits as i
join pg_class as c on c.oid = i.inhrelid
join pg_class as p on p.oid = i.inhparent
where c.relnamespace = 'app'::regnamespace and c.relispartition and c.relkind = 'r';
