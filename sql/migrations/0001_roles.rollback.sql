-- Loses no rows: by now there are none. The roles go unless another database still needs them. The
-- two logins stay, with their limits and comments: they have passwords, which no migration could
-- give back.

do $$
declare
    v_database text := pg_catalog.current_database();
begin
    execute pg_catalog.format('revoke all on database %I from app_api, app_reader', v_database);
    execute pg_catalog.format('grant connect, temporary on database %I to public', v_database);
end
$$;

do $$
declare
    v_roles text[] := array['app_ops', 'app_audit', 'app_auth', 'app_owner'];
    v_role text;
begin
    foreach v_role in array v_roles loop
        begin
            execute pg_catalog.format('drop role %I', v_role);
        exception
            when dependent_objects_still_exist then
                raise notice 'role % stays: another database of this cluster uses it', v_role;
            when insufficient_privilege then
                raise notice 'role % stays: it was made by somebody else', v_role;
        end;
    end loop;
end
$$;
