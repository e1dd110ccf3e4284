-- explain_access: which grant, setting and policy admits one row to one person, or hides it.
--
-- The policies are asked, not paraphrased: each condition that the catalog has for app_api is
-- evaluated in the person's context, on the row as it stands. The statement itself is not run, so
-- what triggers and checks would say of a change is not in the answer.
--
-- Invoker, for app_ops: of the row it reads the key and the columns that policies compare.
--
-- requires: 0004_families conditions_of condition_holds

create or replace function app.explain_access(
    table_name text,
    row_id uuid,
    command text,
    user_id uuid,
    family_id uuid,
    member_role app.member_role
)
    returns jsonb
    language plpgsql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_api constant oid := 'app_api'::regrole;
    -- A row has to be found before it is changed: whatever the command, select is asked first.
    v_commands constant text[] :=
        array_remove(array['select', nullif(explain_access.command, 'select')], null);
    v_table oid;
    v_key name;
    v_asked oid[];
    v_grants jsonb;
    v_row jsonb;
    v_policies jsonb;
    v_verdict text;
begin
    select c.oid into v_table
    from pg_class as c
    where c.relnamespace = 'app'::regnamespace
        and c.relname = explain_access.table_name
        and c.relkind in ('r', 'p')
        and not c.relispartition;
    if not found then
        return null;
    end if;

    -- The grants, by command: the columns that it may name, * for all.
    select jsonb_object_agg(asked.command, case
        when has_table_privilege(v_api, v_table, asked.command) then '["*"]'
        else (
            select coalesce(jsonb_agg(a.attname order by a.attnum), '[]')
            from pg_attribute as a
            where a.attrelid = v_table
                and a.attnum > 0
                and asked.command <> 'delete'
                and has_column_privilege(v_api, v_table, a.attnum, asked.command)
        )
    end)
    into v_grants
    from unnest(v_commands) as asked (command);
    if '[]' in (select value from jsonb_each(v_grants)) then
        return jsonb_build_object('verdict', 'refused', 'role', 'app_api', 'grants', v_grants);
    end if;

    -- The policies that are asked: for app_api, for everybody, for a role whose rights it inherits.
    select coalesce(array_agg(p.oid), '{}') into v_asked
    from pg_policy as p
    where p.polrelid = v_table
        and exists (
            select from unnest(p.polroles) as r (role)
            where case r.role when 0 then true else pg_has_role(v_api, r.role, 'usage') end
        );

    -- The row, as far as it decides. Ids may repeat, in another family or from day to day; one's
    -- own comes first.
    select a.attname into v_key
    from pg_index as i
    inner join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
    where i.indrelid = v_table and i.indisprimary and a.atttypid = 'uuid'::regtype
    order by a.attname = 'id' desc, a.attname = 'family_id', a.attname = 'user_id', a.attnum
    limit 1;

    execute (
        select format(
            'select to_jsonb(t) from (select %s from app.%I where %I = $1) as t'
            ' order by to_jsonb(t) ->> ''family_id'' = $2 desc nulls last,'
            ' to_jsonb(t) ->> ''user_id'' = $3 desc nulls last limit 1',
            string_agg(quote_ident(a.attname), ', ' order by a.attnum), table_name, v_key
        )
        from pg_attribute as a
        where a.attrelid = v_table
            and a.attnum > 0
            and (
                a.attname = v_key
                or exists (
                    select
                    from pg_depend as d
                    where d.classid = 'pg_policy'::regclass
                        and d.objid = any(v_asked)
                        and d.refobjid = v_table
                        and d.refobjsubid = a.attnum
                )
            )
    )
    into v_row
    using row_id, family_id::text, user_id::text;
    if v_row is null then
        return jsonb_build_object('verdict', 'absent');
    end if;

    perform set_config('app.user_id', coalesce(user_id::text, ''), true);
    perform set_config('app.family_id', coalesce(family_id::text, ''), true);
    perform set_config('app.member_role', coalesce(member_role::text, ''), true);

    -- The policies, each with its conditions. Where there is no check, the condition for the old
    -- row holds for the new one.
    select coalesce(
        jsonb_agg(
            to_jsonb(p)
            order by array_position(v_commands, p.command), p.kind desc, p.name, p.clause desc
        ),
        '[]'
    )
    into v_policies
    from (
        select asked.command, p.polname as name, e.clause,
            case when p.polpermissive then 'permissive' else 'restrictive' end as kind,
            bool_and(c.holds) as holds,
            jsonb_agg(
                jsonb_build_object('condition', c.condition, 'holds', c.holds) order by c.place
            ) as conditions
        from pg_class as t
        inner join pg_policy as p on p.oid = any(v_asked)
        inner join unnest(v_commands) as asked (command)
            on p.polcmd in ('*', case asked.command
                when 'select' then 'r' when 'update' then 'w' when 'delete' then 'd'
            end)
        cross join lateral (
            select 'using' as clause, p.polqual as tree
            union all
            select 'with check', coalesce(p.polwithcheck, p.polqual) where asked.command = 'update'
        ) as e
        cross join lateral (
            select c.place, c.condition,
                app.condition_holds(c.condition, table_name, v_row) as holds
            from unnest(app.conditions_of(pg_get_expr(e.tree, t.oid)))
                with ordinality as c (condition, place)
        ) as c
        where t.oid = v_table and t.relrowsecurity and e.tree is not null
        group by asked.command, p.polname, e.clause, p.polpermissive
    ) as p;

    -- As PostgreSQL joins them: every restrictive policy, and one of the permissive.
    with walls as (
        select asked.clause,
            coalesce(bool_or(p.holds) filter (where p.kind = 'permissive'), false)
                and coalesce(bool_and(p.holds) filter (where p.kind = 'restrictive'), true)
                as is_open
        from (
            select w.command, 'using' as clause from unnest(v_commands) as w (command)
            union all
            select 'update', 'with check' where 'update' = any(v_commands)
        ) as asked
        left join jsonb_to_recordset(v_policies)
            as p (command text, kind text, clause text, holds boolean)
            on p.command = asked.command and p.clause = asked.clause
        group by asked.command, asked.clause
    )

    select case
        when not t.relrowsecurity then 'admitted'
        when exists (select from walls where clause = 'using' and not is_open) then 'hidden'
        when exists (select from walls where clause = 'with check' and not is_open) then 'refused'
        else 'admitted'
    end
    into v_verdict
    from pg_class as t
    where t.oid = v_table;

    return jsonb_build_object(
        'verdict', v_verdict,
        'role', 'app_api',
        'grants', v_grants,
        'settings', jsonb_build_object(
            'app.user_id', user_id, 'app.family_id', family_id, 'app.member_role', member_role
        ),
        'row', v_row,
        'policies', v_policies
    );
end
$$;

comment on function app.explain_access(text, uuid, text, uuid, uuid, app.member_role) is
    'Says of one row and one person what admits it to them, or hides it; null: no such table.';

revoke all on function app.explain_access(text, uuid, text, uuid, uuid, app.member_role)
    from public;
grant execute on function app.explain_access(text, uuid, text, uuid, uuid, app.member_role)
    to app_ops;
