-- Roles: who may do what.
--
-- Roles belong to the cluster, not to the database: another Hearth beside this one may have made
-- them already, so this is the one migration that looks before it creates. It is also the only one
-- that runs as the deployer, who needs CREATEROLE and the database's ownership, and no more.
--
-- Passwords are not set here: a migration is no place for a secret (see sql/bootstrap.sql).

do $$
declare
    v_server integer := pg_catalog.current_setting('server_version_num')::integer;
    v_role record;
    v_made boolean;
    v_wrong text;
begin
    for v_role in
        select *
        from (
            values
                (
                    'app_owner', 'nologin',
                    'Owns every object of Hearth. Migrations run as it; nobody logs in as it.'
                ),
                (
                    'app_auth', 'nologin',
                    'Owns the few security definer functions that must look across families.'
                ),
                (
                    'app_audit', 'nologin',
                    'Owns the trigger function of the audit trail, which nobody else may append to.'
                ),
                (
                    'app_ops', 'nologin',
                    'Maintenance by people: restore and purge, each by a policy that says so.'
                ),
                (
                    'app_api', 'login',
                    'The login of the HTTP service. Owns nothing, sees one family at a time.'
                ),
                (
                    'app_reader', 'login',
                    'The login of people who look: read-only, under the same row level security.'
                )
        ) as roles (name, may_login, purpose)
    loop
        v_made := not exists (select from pg_catalog.pg_roles as r where r.rolname = v_role.name);

        if v_made then
            execute pg_catalog.format('create role %I %s', v_role.name, v_role.may_login);
        end if;

        -- One that somebody else made, for something else, is not taken over in silence.
        select pg_catalog.concat_ws(
            ', ',
            case when r.rolcanlogin and v_role.may_login = 'nologin' then 'LOGIN' end,
            case when not r.rolcanlogin and v_role.may_login = 'login' then 'NOLOGIN' end,
            case when r.rolsuper then 'SUPERUSER' end,
            case when r.rolbypassrls then 'BYPASSRLS' end,
            case when r.rolcreaterole then 'CREATEROLE' end,
            case when r.rolcreatedb then 'CREATEDB' end,
            case when r.rolreplication then 'REPLICATION' end,
            (
                select pg_catalog.string_agg('a membership of ' || m.roleid::regrole::text, ', ')
                from pg_catalog.pg_auth_members as m
                where m.member = r.oid
            )
        )
        into v_wrong
        from pg_catalog.pg_roles as r
        where r.rolname = v_role.name;
        if v_wrong <> '' then
            raise exception 'role % is there already, with %', v_role.name, v_wrong
                using errcode = 'duplicate_object',
                    hint = 'Take that from it, or rename it.';
        end if;

        -- Only who administers a role may describe it. Whoever made it has done so.
        if v_made or pg_catalog.pg_has_role(v_role.name, 'member with admin option') then
            execute pg_catalog.format('comment on role %I is %L', v_role.name, v_role.purpose);
        end if;

        -- The deployer works as app_owner, app_auth and app_audit to migrate, as app_ops to purge
        -- and restore, and as app_api to look at what a person sees (hearth psql --as).
        if not pg_catalog.pg_has_role(
            v_role.name, case when v_server >= 160000 then 'set' else 'member' end)
        then
            execute pg_catalog.format('grant %I to current_user', v_role.name);
        end if;
    end loop;
end
$$;

-- Limits stand on the role and not in a connection string, because a pooler does not pass those on.
-- Whoever administers a role may set them; before PostgreSQL 16, so may whoever creates roles.
do $$
declare
    v_server integer := pg_catalog.current_setting('server_version_num')::integer;
    v_any boolean := v_server < 160000 and (
        select r.rolcreaterole from pg_catalog.pg_roles as r where r.rolname = current_user
    );
begin
    if v_any or pg_catalog.pg_has_role('app_api', 'member with admin option') then
        alter role app_api set statement_timeout = '5s';
        alter role app_api set lock_timeout = '2s';
        alter role app_api set idle_in_transaction_session_timeout = '10s';
        alter role app_api set timezone = 'UTC';
        alter role app_api set search_path = pg_catalog;
        -- One plan for all values of a query: docs/generated/query-plans.md has it. Planned for its
        -- values, a list may take the rows that a policy shows for few, and sort them all.
        alter role app_api set plan_cache_mode = 'force_generic_plan';
    end if;

    if v_any or pg_catalog.pg_has_role('app_reader', 'member with admin option') then
        alter role app_reader set default_transaction_read_only = 'on';
        alter role app_reader set statement_timeout = '60s';
        alter role app_reader set idle_in_transaction_session_timeout = '60s';
    end if;
end
$$;

-- A database is open to every role of the cluster unless it is told otherwise.
do $$
declare
    v_database text := pg_catalog.current_database();
begin
    execute pg_catalog.format('revoke all on database %I from public', v_database);
    execute pg_catalog.format('grant connect on database %I to app_api, app_reader', v_database);
end
$$;
