-- tg_record_audit: the one trigger function of the audit trail, after every write to a family's
-- table.
--
-- Arguments of the trigger, all optional:
--     first     'private' when every row of the table is its user's alone, else 'family'. A row
--               that says so itself, by visibility = 'private', needs no argument.
--     the rest  columns whose text is not kept twice: the record holds its SHA-256 instead.
--
-- Definer, owned by app_audit: it lends the one privilege of appending to the trail. Nobody calls
-- it but triggers. The record names the user of the context and, because whoever is at a psql
-- prompt may have none, or somebody else's, the login and the database role as well.
--
-- owner: app_audit
-- requires: 0006_audit

create or replace function app.tg_record_audit()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
    set timezone = 'UTC'
as $$
declare
    v_old jsonb := case when TG_OP <> 'INSERT' then to_jsonb(OLD) end;
    v_new jsonb := case when TG_OP <> 'DELETE' then to_jsonb(NEW) end;
    v_row jsonb := coalesce(v_new, v_old);
    -- A family is its own tenant.
    v_family_id uuid := coalesce(v_row ->> 'family_id', v_row ->> 'id')::uuid;
    v_before jsonb := v_old;
    v_after jsonb := v_new;
    v_private boolean;
    v_columns jsonb;
    v_column text;
    v_key jsonb;
begin
    -- An update is told by the columns it changed. In a loop, for a query over the columns would be
    -- a statement, with a start of its own.
    if TG_OP = 'UPDATE' then
        v_before := '{}';
        v_after := '{}';
        v_columns := jsonb_path_query_array(v_old, '$.keyvalue().key');
        for i in 0 .. jsonb_array_length(v_columns) - 1 loop
            v_column := v_columns ->> i;
            if v_old -> v_column is distinct from v_new -> v_column
                and v_column not in ('updated_at', 'row_version')
            then
                v_before[v_column] := v_old -> v_column;
                v_after[v_column] := v_new -> v_column;
            end if;
        end loop;
    end if;

    -- What was private before or is private now stays private in the trail.
    v_private := TG_NARGS > 0 and TG_ARGV[0] = 'private'
        or 'private' in (v_old ->> 'visibility', v_new ->> 'visibility');

    for i in 1 .. TG_NARGS - 1 loop
        v_column := TG_ARGV[i];
        if v_before ? v_column then
            v_before[v_column] := to_jsonb('sha256:'
                || encode(sha256(convert_to(v_before ->> v_column, 'UTF8')), 'hex'));
        end if;
        if v_after ? v_column then
            v_after[v_column] := to_jsonb('sha256:'
                || encode(sha256(convert_to(v_after ->> v_column, 'UTF8')), 'hex'));
        end if;
    end loop;

    -- What names the row within its family: its id, or else the rest of its primary key. It stands
    -- apart, for a statement that may read the catalog is planned anew for every row.
    if v_row ? 'id' then
        v_key := jsonb_build_object('id', v_row -> 'id');
    else
        v_key := (
            select jsonb_object_agg(a.attname, v_row -> a.attname::text)
            from pg_index as i
            inner join pg_attribute as a
                on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
            where i.indrelid = TG_RELID and i.indisprimary and a.attname <> 'family_id'
        );
    end if;

    insert into app.audit_log (
        family_id, action_type, table_name, row_key, before, after,
        actor_id, actor_role, private_to, metadata
    )
    values (
        v_family_id,
        lower(TG_OP collate "C")::app.audit_action,
        TG_TABLE_NAME,
        v_key,
        v_before,
        v_after,
        app.current_user_id(),
        -- The role is one in the family of the context; a new family's first rows are not in it.
        case when v_family_id = app.current_family_id() then app.current_member_role() end,
        case when v_private then (v_row ->> 'user_id')::uuid end,
        jsonb_strip_nulls(jsonb_object(array[
            'login', session_user,
            'database_role', coalesce(nullif(current_setting('role'), 'none'), session_user),
            -- The service puts the request's id there, which is said below.
            'application', nullif(
                rtrim(replace(
                    current_setting('application_name'),
                    coalesce(app.current_request_id()::text, ''),
                    ''
                )),
                ''
            ),
            'request_id', app.current_request_id()::text
        ]::text[]))
    );

    return null;
end
$$;

comment on function app.tg_record_audit() is
    'Trigger: appends a record of the write to the audit trail.';

revoke all on function app.tg_record_audit() from public;
grant execute on function app.tg_record_audit() to app_owner;  -- who makes the triggers
