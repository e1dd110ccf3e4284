-- The whole schema as one dump, to read and to diff in a review.
-- Written by `make schema`, from a database made by `hearth migrate` on PostgreSQL 18. Do not edit.

CREATE SCHEMA app;
ALTER SCHEMA app OWNER TO app_owner;
COMMENT ON SCHEMA app IS 'Hearth: households and all that is theirs. What its tables have in common: family_id is the tenant and leads every key; new_id() makes id; user_id is the owner, who never changes; _100_touch freezes created_at, moves updated_at strictly forward and counts row_version from 1; deleted_at says when a row was retired, null while it is_active; _110_refuse_truncate lets rows leave only one by one, and _900_audit writes the audit trail of every change.';

CREATE TYPE app.account_event AS ENUM (
    'signed_up',
    'signed_in',
    'signed_out',
    'password_changed',
    'session_revoked',
    'token_reused',
    'account_retired',
    'account_restored',
    'account_purged'
);
ALTER TYPE app.account_event OWNER TO app_owner;
COMMENT ON TYPE app.account_event IS 'What happened to an account.';

CREATE TYPE app.audit_action AS ENUM (
    'insert',
    'update',
    'delete'
);
ALTER TYPE app.audit_action OWNER TO app_owner;
COMMENT ON TYPE app.audit_action IS 'What was done to a row.';

CREATE TYPE app.habit_type AS ENUM (
    'boolean',
    'numeric',
    'duration'
);
ALTER TYPE app.habit_type OWNER TO app_owner;
COMMENT ON TYPE app.habit_type IS 'What is logged of a habit: whether it was done, a number, or how long it took.';

CREATE TYPE app.member_role AS ENUM (
    'owner',
    'admin',
    'member'
);
ALTER TYPE app.member_role OWNER TO app_owner;
COMMENT ON TYPE app.member_role IS 'owner: everything; admin: all but what concerns owners; member: what is their own.';

CREATE TYPE app.message_role AS ENUM (
    'user',
    'assistant'
);
ALTER TYPE app.message_role OWNER TO app_owner;
COMMENT ON TYPE app.message_role IS 'Who speaks.';

CREATE TYPE app.rate_limit AS ENUM (
    'sign_in',
    'sign_up',
    'password_change'
);
ALTER TYPE app.rate_limit OWNER TO app_owner;
COMMENT ON TYPE app.rate_limit IS 'What somebody attempted.';

CREATE TYPE app.score_kind AS ENUM (
    'task',
    'habit',
    'routine',
    'exercise'
);
ALTER TYPE app.score_kind OWNER TO app_owner;
COMMENT ON TYPE app.score_kind IS 'What points are for.';

CREATE TYPE app.score_period AS ENUM (
    'week',
    'month',
    'all'
);
ALTER TYPE app.score_period OWNER TO app_owner;
COMMENT ON TYPE app.score_period IS 'What a leaderboard spans: from Monday to Sunday, a month of the calendar, everything.';

CREATE TYPE app.visibility AS ENUM (
    'private',
    'family'
);
ALTER TYPE app.visibility OWNER TO app_owner;
COMMENT ON TYPE app.visibility IS 'Who sees a row: its owner alone, or the family.';

CREATE FUNCTION app.is_line(value text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
    return value collate "C" !~ (
            '^[\u0009-\u000D\u001C-\u0020\u0085\u00A0\u1680\u2000-\u200A'
            '\u2028\u2029\u202F\u205F\u3000]'
            '|[\u0009-\u000D\u001C-\u0020\u0085\u00A0\u1680\u2000-\u200A'
            '\u2028\u2029\u202F\u205F\u3000]$'
        )
        and app.visible(value) <> '';
end
$_$;
ALTER FUNCTION app.is_line(value text) OWNER TO app_owner;
COMMENT ON FUNCTION app.is_line(value text) IS 'Whether something can be seen of a text, and no blank is at its ends.';

CREATE FUNCTION app.is_time_zone(name text) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
    return coalesce(
            name = 'UTC'
            or name ~ '^[A-Z][A-Za-z]*(/[A-Z][A-Za-z_]*(-[A-Za-z]+)*)+$'
            or name ~ '^Etc/GMT(\+(\d|1[0-2])|-(\d|1[0-4]))?$',
            false
        )
        and timezone(name, timestamptz 'epoch') is not null;
exception
    when invalid_parameter_value then
        return false;
end
$_$;
ALTER FUNCTION app.is_time_zone(name text) OWNER TO app_owner;
COMMENT ON FUNCTION app.is_time_zone(name text) IS 'Whether it is UTC, or the name of a time zone such as Europe/Vienna that the server knows.';

CREATE FUNCTION app.new_id() RETURNS uuid
    LANGUAGE sql
    AS $$select pg_catalog.uuidv7()$$;
ALTER FUNCTION app.new_id() OWNER TO app_owner;
COMMENT ON FUNCTION app.new_id() IS 'A new id: version 7 (time-ordered) where the server can make them, random otherwise.';

CREATE TABLE app.families (
    id uuid DEFAULT app.new_id() NOT NULL,
    name text NOT NULL,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    deleted_at timestamp with time zone,
    is_active boolean GENERATED ALWAYS AS ((deleted_at IS NULL)) STORED NOT NULL,
    CONSTRAINT families_name_is_1_to_100_characters CHECK ((app.is_line(name) AND (length(name) <= 100))),
    CONSTRAINT families_time_zone_is_known CHECK (app.is_time_zone(time_zone))
);
ALTER TABLE ONLY app.families FORCE ROW LEVEL SECURITY;
ALTER TABLE app.families OWNER TO app_owner;
COMMENT ON TABLE app.families IS 'A household, and the tenant: what belongs to one family no other ever sees.';
COMMENT ON COLUMN app.families.time_zone IS 'IANA name; a day of this family begins at midnight there.';
COMMENT ON CONSTRAINT families_name_is_1_to_100_characters ON app.families IS 'The family name must have 1 to 100 characters, not all invisible, and no blank at its ends.';
COMMENT ON CONSTRAINT families_time_zone_is_known ON app.families IS 'The time zone must be a name such as Europe/Vienna.';

CREATE FUNCTION app.accept_invitation(token_hash bytea) RETURNS TABLE(family app.families, role app.member_role)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_user record;
    v_invitation record;
begin
    select u.id, u.full_name
    into v_user
    from app.users as u
    where u.id = app.current_user_id() and u.is_active
    -- The lock keeps the account from retiring while it joins.
    for share;
    if not found then
        raise exception 'the account is not active' using errcode = 'ZH001';
    end if;

    -- A request that accepts or revokes it at the same moment waits, and then finds it taken. The
    -- lock on the family keeps it from retiring with its only member meanwhile.
    select i.family_id, i.id, i.role
    into v_invitation
    from app.invitations as i
    inner join app.families as f on f.id = i.family_id
    inner join app.family_memberships as host
        on host.family_id = i.family_id and host.user_id = i.user_id
    where
        i.token_hash = accept_invitation.token_hash
        and i.is_pending
        and i.expires_at > now()
        and f.is_active
        and host.is_active
        and (host.role = 'owner' or (host.role = 'admin' and i.role <> 'owner'))
        -- An invitation from before a member left does not bring them back.
        and not exists (
            select from app.family_memberships as m
            where
                m.family_id = i.family_id
                and m.user_id = v_user.id
                and m.deleted_at > i.created_at
        )
    for no key update of i
    for share of f;
    if not found then
        raise exception 'the invitation is not valid' using errcode = 'ZH004';
    end if;

    insert into app.family_memberships as m (family_id, user_id, role, display_name)
    values (
        v_invitation.family_id,
        v_user.id,
        v_invitation.role,
        app.display_name_of(v_user.full_name)
    )
    on conflict (family_id, user_id) do update
    set deleted_at = null, role = excluded.role
    where not m.is_active;
    if not found then
        raise exception 'this person belongs to the family already'
            using errcode = 'unique_violation', constraint = 'family_memberships_pkey';
    end if;

    update app.invitations as i
    set accepted_at = now(), member_id = v_user.id
    where i.family_id = v_invitation.family_id and i.id = v_invitation.id;

    return query
    select f, v_invitation.role
    from app.families as f
    where f.id = v_invitation.family_id;
end
$$;
ALTER FUNCTION app.accept_invitation(token_hash bytea) OWNER TO app_auth;
COMMENT ON FUNCTION app.accept_invitation(token_hash bytea) IS 'Makes the user of the context a member of the family that a token invites to.';

CREATE FUNCTION app.assert_membership() RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_fault text;
begin
    v_fault := case
        when
            not exists (
                select from app.users as u
                where u.id = app.current_user_id() and u.is_active
            )
            then 'the account is not active'
        when
            app.current_session_id() is not null
            and not exists (
                select from app.sessions as s
                where
                    s.id = app.current_session_id()
                    and s.user_id = app.current_user_id()
                    and s.revoked_at is null
                    and s.expires_at > now()
            )
            then 'the session was ended'
        when
            app.current_family_id() is not null
            and not (
                exists (
                    select from app.family_memberships as m
                    where
                        m.family_id = app.current_family_id()
                        and m.user_id = app.current_user_id()
                        and m.role = app.current_member_role()
                        and m.is_active
                )
                and exists (
                    select from app.families as f
                    where f.id = app.current_family_id() and f.is_active
                )
            )
            then 'the membership is not active in this role'
    end;

    if v_fault is not null then
        raise exception '%', v_fault using errcode = 'ZH001';
    end if;
end
$$;
ALTER FUNCTION app.assert_membership() OWNER TO app_owner;
COMMENT ON FUNCTION app.assert_membership() IS 'Raises ZH001 unless user, session, family and role of the context hold right now.';

CREATE FUNCTION app.begin_request(user_id uuid, session_id uuid, family_id uuid, member_role text, request_id uuid, read_only boolean, statement_timeout integer, lock_timeout integer, idle_timeout integer) RETURNS SETOF void
    LANGUAGE plpgsql
    AS $$
declare
    v_done pg_catalog.text;
begin
    v_done := pg_catalog.set_config('search_path', 'pg_catalog', true);

    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'the isolation of the transaction is not read committed'
            using errcode = 'invalid_transaction_state';
    end if;

    if concat_ws(
        '|',
        current_setting('datestyle'),
        current_setting('intervalstyle'),
        current_setting('timezone'),
        current_setting('standard_conforming_strings'),
        current_setting('transform_null_equals'),
        current_setting('array_nulls'),
        current_setting('bytea_output'),
        current_setting('extra_float_digits'),
        current_setting('quote_all_identifiers'),
        current_setting('row_security'),
        current_setting('default_transaction_isolation')
    ) <> 'ISO, MDY|postgres|UTC|on|off|on|hex|1|off|on|read committed' then
        v_done := concat(
            set_config('datestyle', 'ISO, MDY', true),
            set_config('intervalstyle', 'postgres', true),
            set_config('timezone', 'UTC', true),
            set_config('standard_conforming_strings', 'on', true),
            set_config('transform_null_equals', 'off', true),
            set_config('array_nulls', 'on', true),
            set_config('bytea_output', 'hex', true),
            set_config('extra_float_digits', '1', true),
            set_config('quote_all_identifiers', 'off', true),
            set_config('row_security', 'on', true),
            set_config('default_transaction_isolation', 'read committed', true)
        );
    end if;

    if read_only then
        v_done := set_config('transaction_read_only', 'on', true);
    end if;

    if statement_timeout is not null then
        v_done := set_config('statement_timeout', concat(statement_timeout), true);
    end if;
    if lock_timeout is not null then
        v_done := set_config('lock_timeout', concat(lock_timeout), true);
    end if;
    if idle_timeout is not null then
        v_done := set_config('idle_in_transaction_session_timeout', concat(idle_timeout), true);
    end if;

    -- The name is seen in pg_stat_activity, and in the server's log as %a.
    if request_id is not null then
        v_done := set_config('application_name', concat('hearth ', request_id), true);
    end if;

    -- All of them always: nothing that somebody left on a connection of a pooler shines through.
    v_done := concat(
        set_config('app.request_id', concat(request_id), true),
        set_config('app.user_id', concat(user_id), true),
        set_config('app.session_id', concat(session_id), true),
        set_config('app.family_id', concat(family_id), true),
        set_config(
            'app.member_role', concat(case when family_id is not null then member_role end), true
        )
    );

    v_done := concat(app.assert_membership());
end
$$;
ALTER FUNCTION app.begin_request(user_id uuid, session_id uuid, family_id uuid, member_role text, request_id uuid, read_only boolean, statement_timeout integer, lock_timeout integer, idle_timeout integer) OWNER TO app_owner;
COMMENT ON FUNCTION app.begin_request(user_id uuid, session_id uuid, family_id uuid, member_role text, request_id uuid, read_only boolean, statement_timeout integer, lock_timeout integer, idle_timeout integer) IS 'Begins a request: settings, limits and context until the transaction ends, asserted; no row.';

CREATE FUNCTION app.begin_session(event_type app.account_event, user_id uuid, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) RETURNS json
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_standing record;
    v_session_id uuid;
begin
    select s.family_id, s.role
    into v_standing
    from app.resolve_membership(begin_session.user_id, null) as s;

    insert into app.sessions (user_id, family_id, expires_at, network_hash)
    values (
        begin_session.user_id,
        v_standing.family_id,
        begin_session.expires_at,
        begin_session.network_hash
    )
    returning id into v_session_id;

    insert into app.refresh_tokens (token_hash, session_id)
    values (begin_session.token_hash, v_session_id);

    insert into app.account_events (user_id, event_type, metadata)
    values (
        begin_session.user_id,
        begin_session.event_type,
        app.event_metadata() || jsonb_build_object('session_id', v_session_id)
    );

    return json_build_object(
        'session_id', v_session_id,
        'user_id', begin_session.user_id,
        'family_id', v_standing.family_id,
        'role', v_standing.role
    );
end
$$;
ALTER FUNCTION app.begin_session(event_type app.account_event, user_id uuid, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) OWNER TO app_auth;
COMMENT ON FUNCTION app.begin_session(event_type app.account_event, user_id uuid, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) IS 'Makes a session, its first refresh token and its event; for sign_up and open_session.';

CREATE FUNCTION app.change_password(old_hash text, new_hash text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    update app.credentials as c
    set password_hash = change_password.new_hash
    where c.user_id = app.current_user_id() and c.password_hash = change_password.old_hash;
    if not found then
        return false;
    end if;

    insert into app.account_events (user_id, event_type, metadata)
    values (app.current_user_id(), 'password_changed', app.event_metadata());

    perform app.revoke_sessions(app.current_user_id(), app.current_session_id());

    return true;
end
$$;
ALTER FUNCTION app.change_password(old_hash text, new_hash text) OWNER TO app_auth;
COMMENT ON FUNCTION app.change_password(old_hash text, new_hash text) IS 'Replaces the password hash of the user of the context and ends the other sessions.';

CREATE FUNCTION app.close_session() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    update app.sessions as s
    set revoked_at = now()
    where
        s.id = app.current_session_id()
        and s.user_id = app.current_user_id()
        and s.revoked_at is null;
    if not found then
        return false;
    end if;

    insert into app.account_events (user_id, event_type, metadata)
    values (app.current_user_id(), 'signed_out', app.event_metadata());

    return true;
end
$$;
ALTER FUNCTION app.close_session() OWNER TO app_auth;
COMMENT ON FUNCTION app.close_session() IS 'Ends the session of the context; false if there is none to end.';

CREATE FUNCTION app.condition_holds(condition text, table_name text, table_row jsonb) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_holds boolean;
begin
    execute format(
        'select coalesce(%s, false) from jsonb_populate_record(null::app.%I, $1)',
        condition, table_name
    )
    into v_holds
    using table_row;

    return v_holds;
end
$_$;
ALTER FUNCTION app.condition_holds(condition text, table_name text, table_row jsonb) OWNER TO app_owner;
COMMENT ON FUNCTION app.condition_holds(condition text, table_name text, table_row jsonb) IS 'Whether a policy''s condition is true of a row; null counts as false, as for policies.';

CREATE FUNCTION app.conditions_of(expression text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_conditions text[] := '{}';
    v_condition text;
    v_piece text;
    v_bare text;
begin
    foreach v_piece in array
        string_to_array(regexp_replace(expression, '^\((.*)\)$', '\1'), ' AND ')
    loop
        v_condition := concat_ws(' AND ', v_condition, v_piece);

        v_bare := regexp_replace(v_condition, '''[^'']*''', '', 'g');

        if v_bare !~ '''' and regexp_count(v_bare, '\(') = regexp_count(v_bare, '\)') then
            v_conditions := v_conditions || v_condition;
            v_condition := null;
        end if;
    end loop;

    return case when cardinality(v_conditions) > 1 then v_conditions else array[expression] end;
end
$_$;
ALTER FUNCTION app.conditions_of(expression text) OWNER TO app_owner;
COMMENT ON FUNCTION app.conditions_of(expression text) IS 'The conditions that a policy''s expression joins by its outermost and.';

CREATE FUNCTION app.contexts_of(email text) RETURNS TABLE(user_id uuid, family_id uuid, family_name text, member_role app.member_role)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select u.id, f.id, f.name, m.role
    from app.users as u
    left join (
        app.family_memberships as m
        inner join app.families as f on f.id = m.family_id and f.is_active
    ) on m.user_id = u.id and m.is_active
    where app.text_key(u.email) = app.text_key(contexts_of.email) and u.is_active
    order by f.id
$$;
ALTER FUNCTION app.contexts_of(email text) OWNER TO app_owner;
COMMENT ON FUNCTION app.contexts_of(email text) IS 'The contexts that the person with an address can act in.';

CREATE TABLE app.conversations (
    family_id uuid NOT NULL,
    id uuid DEFAULT app.new_id() NOT NULL,
    user_id uuid NOT NULL,
    title text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT conversations_title_is_1_to_200_characters CHECK ((app.is_line(title) AND (length(title) <= 200)))
);
ALTER TABLE ONLY app.conversations ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.conversations FORCE ROW LEVEL SECURITY;
ALTER TABLE app.conversations OWNER TO app_owner;
COMMENT ON TABLE app.conversations IS 'A talk with the assistant; only its owner sees it.';
COMMENT ON CONSTRAINT conversations_title_is_1_to_200_characters ON app.conversations IS 'The title must have 1 to 200 characters, not all invisible, and no blank at its ends.';

CREATE FUNCTION app.conversation_json(c app.conversations) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            c.id,
            c.user_id,
            c.title,
            c.created_at,
            c.updated_at,
            c.row_version
    ) as shown
$$;
ALTER FUNCTION app.conversation_json(c app.conversations) OWNER TO app_owner;
COMMENT ON FUNCTION app.conversation_json(c app.conversations) IS 'A conversation as every endpoint shows it.';

CREATE FUNCTION app.create_family(name text, time_zone text) RETURNS app.families
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_user record;
    v_family app.families;
begin
    select u.full_name, u.time_zone
    into v_user
    from app.users as u
    where u.id = app.current_user_id() and u.is_active
    -- So that the account does not retire while it becomes an owner.
    for share;
    if not found then
        raise exception 'the account is not active' using errcode = 'ZH001';
    end if;

    insert into app.families (name, time_zone)
    values (create_family.name, coalesce(create_family.time_zone, v_user.time_zone))
    returning * into v_family;

    insert into app.family_memberships (family_id, user_id, role, display_name)
    values (
        v_family.id,
        app.current_user_id(),
        'owner',
        app.display_name_of(v_user.full_name)
    );

    return v_family;
end
$$;
ALTER FUNCTION app.create_family(name text, time_zone text) OWNER TO app_auth;
COMMENT ON FUNCTION app.create_family(name text, time_zone text) IS 'Makes a family owned by the user of the context; the time zone defaults to the user''s.';

CREATE FUNCTION app.current_family_id() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ select nullif(pg_catalog.current_setting('app.family_id', true), '')::uuid $$;
ALTER FUNCTION app.current_family_id() OWNER TO app_owner;
COMMENT ON FUNCTION app.current_family_id() IS 'The family the transaction stands in; null outside a context.';

CREATE FUNCTION app.current_member_role() RETURNS app.member_role
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ select nullif(pg_catalog.current_setting('app.member_role', true), '')::app.member_role $$;
ALTER FUNCTION app.current_member_role() OWNER TO app_owner;
COMMENT ON FUNCTION app.current_member_role() IS 'The role that user acts in, in that family; null outside a context.';

CREATE FUNCTION app.current_request_id() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ select nullif(pg_catalog.current_setting('app.request_id', true), '')::uuid $$;
ALTER FUNCTION app.current_request_id() OWNER TO app_owner;
COMMENT ON FUNCTION app.current_request_id() IS 'The request the transaction serves; null outside a context.';

CREATE FUNCTION app.current_session_id() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ select nullif(pg_catalog.current_setting('app.session_id', true), '')::uuid $$;
ALTER FUNCTION app.current_session_id() OWNER TO app_owner;
COMMENT ON FUNCTION app.current_session_id() IS 'The session that brought the request; null outside a context.';

CREATE FUNCTION app.current_user_id() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ select nullif(pg_catalog.current_setting('app.user_id', true), '')::uuid $$;
ALTER FUNCTION app.current_user_id() OWNER TO app_owner;
COMMENT ON FUNCTION app.current_user_id() IS 'The user the transaction acts for; null outside a context.';

CREATE FUNCTION app.cursor_of(at timestamp with time zone, id uuid) RETURNS text
    LANGUAGE sql STABLE
    AS $$ select (extract(epoch from at) * 1000000)::bigint || '_' || id $$;
ALTER FUNCTION app.cursor_of(at timestamp with time zone, id uuid) OWNER TO app_owner;
COMMENT ON FUNCTION app.cursor_of(at timestamp with time zone, id uuid) IS 'The cursor that stands after this row.';

CREATE FUNCTION app.delete_expired_idempotency_keys(idempotency_key text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    -- The caller's own key may be used again, however many are older.
    delete from app.idempotency_keys as k
    where
        k.family_id = app.current_family_id()
        and k.user_id = app.current_user_id()
        and k.idempotency_key = delete_expired_idempotency_keys.idempotency_key
        and k.created_at < now() - interval '24 hours';

    if not pg_try_advisory_xact_lock(
        hashtextextended('app.delete_expired_idempotency_keys', 0)
    ) then
        return;
    end if;

    delete from app.idempotency_keys as k
    where (k.family_id, k.user_id, k.idempotency_key) in (
        select old.family_id, old.user_id, old.idempotency_key
        from app.idempotency_keys as old
        where old.created_at < now() - interval '24 hours'
        order by old.created_at
        limit 20
    );
end
$$;
ALTER FUNCTION app.delete_expired_idempotency_keys(idempotency_key text) OWNER TO app_auth;
COMMENT ON FUNCTION app.delete_expired_idempotency_keys(idempotency_key text) IS 'Deletes idempotency keys that are older than a day: one by its name, and some others.';

CREATE FUNCTION app.display_name_of(full_name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    select case
        when length(full_name) <= 100 then full_name
        else rtrim(left(app.visible(full_name), 100))
    end
$$;
ALTER FUNCTION app.display_name_of(full_name text) OWNER TO app_owner;
COMMENT ON FUNCTION app.display_name_of(full_name text) IS 'The full name, as much of it as a display name may have.';

CREATE FUNCTION app.ensure_audit_partitions(months_ahead integer) RETURNS SETOF text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '750ms'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, MDY'
    AS $_$
declare
    v_now timestamp := date_trunc('month', now());
    v_month timestamp;
    v_months timestamp[];
    v_name text;
    v_waits boolean;
begin
    if months_ahead is null or months_ahead not between 0 and 120 then
        raise exception 'months_ahead must be between 0 and 120'
            using errcode = 'invalid_parameter_value';
    end if;

    -- Two deployers would make the same month.
    perform pg_advisory_xact_lock(hashtextextended('app.ensure_audit_partitions', 0));

    -- Without a month of its own, what is written now goes into the default, until we are done.
    if to_regclass('app.audit_log_' || to_char(v_now, 'YYYY_MM')) is null then
        lock table app.audit_log in access exclusive mode;
    end if;

    -- Policies hide rows from the owner as well, but not how much room they take.
    v_waits := pg_relation_size('app.audit_log_default') > 0;

    if v_waits then
        alter table app.audit_log detach partition app.audit_log_default;
        alter table app.audit_log_default no force row level security;

        v_months := array(
            select distinct date_trunc('month', d.occurred_at at time zone 'UTC')
            from app.audit_log_default as d
        );
    end if;

    for v_month in
        select month
        from unnest(v_months) as month
        union
        select v_now + make_interval(months => n)
        from generate_series(0, months_ahead) as n
        order by month
    loop
        v_name := 'audit_log_' || to_char(v_month, 'YYYY_MM');

        if to_regclass('app.' || v_name) is null then
            execute format(
                'create table app.%I (like app.audit_log including defaults including constraints)',
                v_name
            );
            if v_month = any(v_months) then
                execute format(
                    'insert into app.%I select * from app.audit_log_default as d '
                    'where date_trunc(''month'', d.occurred_at at time zone ''UTC'') = $1',
                    v_name
                )
                using v_month;
            end if;
            execute format('alter table app.%I enable row level security', v_name);
            execute format('alter table app.%I force row level security', v_name);
            execute format(
                'create trigger _100_refuse_truncate before truncate on app.%I '
                'for each statement execute function app.tg_refuse_change(%L)',
                v_name,
                'the audit trail is append-only'
            );
            execute format(
                'comment on table app.%I is %L',
                v_name,
                'The audit trail of ' || to_char(v_month, 'YYYY-MM') || ' (UTC).'
            );
            -- Attached once it is whole: unlike `partition of`, that waits for no reader of the
            -- trail, and so nobody who writes has to wait behind us.
            execute format(
                'alter table app.audit_log attach partition app.%I for values from (%L) to (%L)',
                v_name,
                v_month at time zone 'UTC',
                (v_month + interval '1 month') at time zone 'UTC'
            );
            return next v_name;
        elsif v_month = any(v_months) then
            raise exception 'app.% is no part of the trail any more, but rows of its month wait',
                v_name
                using errcode = 'duplicate_table';
        end if;
    end loop;

    if v_waits then
        drop table app.audit_log_default;
        create table app.audit_log_default partition of app.audit_log default;
        alter table app.audit_log_default enable row level security;
        alter table app.audit_log_default force row level security;
        create trigger _100_refuse_truncate before truncate on app.audit_log_default
            for each statement execute function app.tg_refuse_change(
                'the audit trail is append-only'
            );
        comment on table app.audit_log_default is
            'What no month''s partition takes. Should be empty: hearth migrate makes the months '
            'ahead.';
    end if;
end
$_$;
ALTER FUNCTION app.ensure_audit_partitions(months_ahead integer) OWNER TO app_owner;
COMMENT ON FUNCTION app.ensure_audit_partitions(months_ahead integer) IS 'Makes the missing months of the audit trail, from this one on; returns those it made.';

CREATE FUNCTION app.event_metadata() RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select jsonb_strip_nulls(jsonb_build_object(
        'login', session_user,
        'database_role', coalesce(nullif(current_setting('role'), 'none'), session_user),
        'session_id', app.current_session_id(),
        'request_id', app.current_request_id()
    ))
$$;
ALTER FUNCTION app.event_metadata() OWNER TO app_auth;
COMMENT ON FUNCTION app.event_metadata() IS 'Session and request of the context, for account events.';

CREATE TABLE app.exercises (
    family_id uuid NOT NULL,
    id uuid DEFAULT app.new_id() NOT NULL,
    user_id uuid,
    name text NOT NULL,
    description text,
    points integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    deleted_at timestamp with time zone,
    is_active boolean GENERATED ALWAYS AS ((deleted_at IS NULL)) STORED NOT NULL,
    CONSTRAINT exercises_description_is_at_most_1000_characters CHECK ((length(description) <= 1000)),
    CONSTRAINT exercises_name_is_1_to_100_characters CHECK ((app.is_line(name) AND (length(name) <= 100))),
    CONSTRAINT exercises_points_are_0_to_1000 CHECK (((points >= 0) AND (points <= 1000)))
);
ALTER TABLE ONLY app.exercises ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.exercises FORCE ROW LEVEL SECURITY;
ALTER TABLE app.exercises OWNER TO app_owner;
COMMENT ON TABLE app.exercises IS 'What the members of a family do for exercise; its catalogue.';
COMMENT ON COLUMN app.exercises.user_id IS 'Who wrote it into the catalogue; null once they are purged.';
COMMENT ON COLUMN app.exercises.name IS 'Unique among the active ones, in the form of text_key.';
COMMENT ON COLUMN app.exercises.points IS 'For each log of it.';
COMMENT ON CONSTRAINT exercises_description_is_at_most_1000_characters ON app.exercises IS 'The description must have at most 1000 characters.';
COMMENT ON CONSTRAINT exercises_name_is_1_to_100_characters ON app.exercises IS 'The name must have 1 to 100 characters, not all invisible, and no blank at its ends.';
COMMENT ON CONSTRAINT exercises_points_are_0_to_1000 ON app.exercises IS 'The points must be 0 to 1000.';

CREATE FUNCTION app.exercise_json(e app.exercises) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            e.id,
            e.user_id,
            e.name,
            e.description,
            e.points,
            e.created_at,
            e.updated_at,
            e.row_version
    ) as shown
$$;
ALTER FUNCTION app.exercise_json(e app.exercises) OWNER TO app_owner;
COMMENT ON FUNCTION app.exercise_json(e app.exercises) IS 'An exercise as every endpoint shows it.';

CREATE TABLE app.exercise_logs (
    family_id uuid NOT NULL,
    id uuid DEFAULT app.new_id() NOT NULL,
    exercise_id uuid NOT NULL,
    user_id uuid NOT NULL,
    performed_on date NOT NULL,
    sets integer,
    reps integer,
    weight_kg numeric,
    duration_s integer,
    distance_m numeric,
    volume_kg numeric GENERATED ALWAYS AS ((((COALESCE(sets, 1) * reps))::numeric * weight_kg)) STORED,
    note text,
    entered_on date DEFAULT ((now() AT TIME ZONE 'UTC'::text))::date NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT exercise_logs_distance_m_is_0_01_to_2000000 CHECK (((distance_m >= 0.01) AND (distance_m <= (2000000)::numeric))),
    CONSTRAINT exercise_logs_duration_s_is_1_to_86400 CHECK (((duration_s >= 1) AND (duration_s <= 86400))),
    CONSTRAINT exercise_logs_log_has_reps_duration_or_distance CHECK ((num_nonnulls(reps, duration_s, distance_m) > 0)),
    CONSTRAINT exercise_logs_note_is_at_most_1000_characters CHECK ((length(note) <= 1000)),
    CONSTRAINT exercise_logs_performed_on_is_at_most_a_day_ahead CHECK ((performed_on <= (entered_on + 1))),
    CONSTRAINT exercise_logs_performed_on_is_in_the_calendar CHECK ((performed_on >= '1900-01-01'::date)),
    CONSTRAINT exercise_logs_reps_are_1_to_10000 CHECK (((reps >= 1) AND (reps <= 10000))),
    CONSTRAINT exercise_logs_sets_are_1_to_100 CHECK (((sets >= 1) AND (sets <= 100))),
    CONSTRAINT exercise_logs_weight_kg_is_0_01_to_2000 CHECK (((weight_kg >= 0.01) AND (weight_kg <= (2000)::numeric)))
);
ALTER TABLE ONLY app.exercise_logs ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.exercise_logs FORCE ROW LEVEL SECURITY;
ALTER TABLE app.exercise_logs OWNER TO app_owner;
COMMENT ON TABLE app.exercise_logs IS 'What somebody did of an exercise; only they see it. Measures are those of one set.';
COMMENT ON COLUMN app.exercise_logs.performed_on IS 'In the family''s time zone.';
COMMENT ON COLUMN app.exercise_logs.sets IS 'Null for one.';
COMMENT ON COLUMN app.exercise_logs.reps IS 'Repetitions in each set.';
COMMENT ON COLUMN app.exercise_logs.weight_kg IS 'Kilograms moved in each repetition; null without a weight.';
COMMENT ON COLUMN app.exercise_logs.duration_s IS 'Seconds that each set took.';
COMMENT ON COLUMN app.exercise_logs.distance_m IS 'Metres covered in each set.';
COMMENT ON COLUMN app.exercise_logs.volume_kg IS 'Kilograms moved in all: sets x reps x weight_kg; null without reps or a weight.';
COMMENT ON COLUMN app.exercise_logs.entered_on IS 'The family''s day when it was last written.';
COMMENT ON CONSTRAINT exercise_logs_distance_m_is_0_01_to_2000000 ON app.exercise_logs IS 'The distance must be 0.01 to 2000000 m.';
COMMENT ON CONSTRAINT exercise_logs_duration_s_is_1_to_86400 ON app.exercise_logs IS 'The duration must be 1 to 86400 seconds.';
COMMENT ON CONSTRAINT exercise_logs_log_has_reps_duration_or_distance ON app.exercise_logs IS 'A log needs reps, a duration or a distance.';
COMMENT ON CONSTRAINT exercise_logs_note_is_at_most_1000_characters ON app.exercise_logs IS 'The note must have at most 1000 characters.';
COMMENT ON CONSTRAINT exercise_logs_performed_on_is_at_most_a_day_ahead ON app.exercise_logs IS 'The day must not be after tomorrow.';
COMMENT ON CONSTRAINT exercise_logs_performed_on_is_in_the_calendar ON app.exercise_logs IS 'The day must be in the year 1900 or later.';
COMMENT ON CONSTRAINT exercise_logs_reps_are_1_to_10000 ON app.exercise_logs IS 'The reps must be 1 to 10000.';
COMMENT ON CONSTRAINT exercise_logs_sets_are_1_to_100 ON app.exercise_logs IS 'The sets must be 1 to 100.';
COMMENT ON CONSTRAINT exercise_logs_weight_kg_is_0_01_to_2000 ON app.exercise_logs IS 'The weight must be 0.01 to 2000 kg.';

CREATE FUNCTION app.exercise_log_json(l app.exercise_logs) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            l.id,
            l.exercise_id,
            l.user_id,
            l.performed_on,
            l.sets,
            l.reps,
            l.weight_kg,
            l.duration_s,
            l.distance_m,
            l.volume_kg,
            l.note,
            l.created_at,
            l.updated_at,
            l.row_version
    ) as shown
$$;
ALTER FUNCTION app.exercise_log_json(l app.exercise_logs) OWNER TO app_owner;
COMMENT ON FUNCTION app.exercise_log_json(l app.exercise_logs) IS 'A log of an exercise as every endpoint shows it.';

CREATE FUNCTION app.explain_access(table_name text, row_id uuid, command text, user_id uuid, family_id uuid, member_role app.member_role) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;
ALTER FUNCTION app.explain_access(table_name text, row_id uuid, command text, user_id uuid, family_id uuid, member_role app.member_role) OWNER TO app_owner;
COMMENT ON FUNCTION app.explain_access(table_name text, row_id uuid, command text, user_id uuid, family_id uuid, member_role app.member_role) IS 'Says of one row and one person what admits it to them, or hides it; null: no such table.';

CREATE FUNCTION app.family_json(f app.families) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            f.id,
            f.name,
            f.time_zone,
            f.created_at,
            f.updated_at,
            f.row_version
    ) as shown
$$;
ALTER FUNCTION app.family_json(f app.families) OWNER TO app_owner;
COMMENT ON FUNCTION app.family_json(f app.families) IS 'A family as every endpoint shows it.';

CREATE FUNCTION app.find_credentials(email text) RETURNS TABLE(user_id uuid, password_hash text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select u.id, c.password_hash
    from app.users as u
    inner join app.credentials as c on c.user_id = u.id
    where app.text_key(u.email) = app.text_key(find_credentials.email) and u.is_active
$$;
ALTER FUNCTION app.find_credentials(email text) OWNER TO app_auth;
COMMENT ON FUNCTION app.find_credentials(email text) IS 'User and password hash of an active account, by its address; no row when there is none.';

CREATE TABLE app.habits (
    family_id uuid NOT NULL,
    id uuid DEFAULT app.new_id() NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    description text,
    type app.habit_type NOT NULL,
    target_value numeric(10,3),
    unit text,
    weekdays integer[],
    times_per_week integer,
    points integer DEFAULT 1 NOT NULL,
    visibility app.visibility DEFAULT 'private'::app.visibility NOT NULL,
    retired_days datemultirange DEFAULT '{}'::datemultirange NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    deleted_at timestamp with time zone,
    is_active boolean GENERATED ALWAYS AS ((deleted_at IS NULL)) STORED NOT NULL,
    CONSTRAINT habits_description_is_at_most_1000_characters CHECK ((length(description) <= 1000)),
    CONSTRAINT habits_name_is_1_to_100_characters CHECK ((app.is_line(name) AND (length(name) <= 100))),
    CONSTRAINT habits_points_are_0_to_1000 CHECK (((points >= 0) AND (points <= 1000))),
    CONSTRAINT habits_schedule_is_by_weekdays_or_by_times_per_week CHECK ((num_nonnulls(weekdays, times_per_week) = 1)),
    CONSTRAINT habits_target_value_is_more_than_0_and_at_most_1000000 CHECK (((target_value > (0)::numeric) AND (target_value <= (1000000)::numeric))),
    CONSTRAINT habits_target_value_is_there_unless_boolean CHECK (((target_value IS NULL) = (type = 'boolean'::app.habit_type))),
    CONSTRAINT habits_times_per_week_is_1_to_7 CHECK (((times_per_week >= 1) AND (times_per_week <= 7))),
    CONSTRAINT habits_unit_is_1_to_50_characters CHECK ((app.is_line(unit) AND (length(unit) <= 50))),
    CONSTRAINT habits_unit_is_there_if_numeric CHECK (((unit IS NOT NULL) = (type = 'numeric'::app.habit_type))),
    CONSTRAINT habits_weekdays_are_some_of_1_to_7_in_order CHECK ((((weekdays)::text ~ '^\{[1-7](,[1-7])*\}$'::text) AND (translate((weekdays)::text, '{,}'::text, ''::text) ~ '^1?2?3?4?5?6?7?$'::text)))
);
ALTER TABLE ONLY app.habits ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.habits FORCE ROW LEVEL SECURITY;
ALTER TABLE app.habits OWNER TO app_owner;
COMMENT ON TABLE app.habits IS 'What somebody means to do again and again. Retired by deleted_at; the logs stay.';
COMMENT ON COLUMN app.habits.type IS 'What is logged of it; never changes.';
COMMENT ON COLUMN app.habits.target_value IS 'What completes a day: in the unit, or in minutes for a duration; null for yes or no.';
COMMENT ON COLUMN app.habits.unit IS 'What the numbers count, such as pages; null unless the type is numeric.';
COMMENT ON COLUMN app.habits.weekdays IS 'The days it is due, from 1 for Monday to 7 for Sunday (ISO 8601); null if it is due some times a week.';
COMMENT ON COLUMN app.habits.times_per_week IS 'On how many days of a week, Monday to Sunday, it is due; null if it is due on weekdays.';
COMMENT ON COLUMN app.habits.points IS 'For each day on which it is done.';
COMMENT ON COLUMN app.habits.retired_days IS 'The days on which it was retired, in the family''s time zone; those since deleted_at are added when it is restored.';
COMMENT ON CONSTRAINT habits_description_is_at_most_1000_characters ON app.habits IS 'The description must have at most 1000 characters.';
COMMENT ON CONSTRAINT habits_name_is_1_to_100_characters ON app.habits IS 'The name must have 1 to 100 characters, not all invisible, and no blank at its ends.';
COMMENT ON CONSTRAINT habits_points_are_0_to_1000 ON app.habits IS 'The points must be 0 to 1000.';
COMMENT ON CONSTRAINT habits_schedule_is_by_weekdays_or_by_times_per_week ON app.habits IS 'The schedule must be either weekdays or a number of times a week.';
COMMENT ON CONSTRAINT habits_target_value_is_more_than_0_and_at_most_1000000 ON app.habits IS 'The target must be more than 0 and at most 1000000.';
COMMENT ON CONSTRAINT habits_target_value_is_there_unless_boolean ON app.habits IS 'A yes-or-no habit has no target; every other habit needs one.';
COMMENT ON CONSTRAINT habits_times_per_week_is_1_to_7 ON app.habits IS 'The times a week must be 1 to 7.';
COMMENT ON CONSTRAINT habits_unit_is_1_to_50_characters ON app.habits IS 'The unit must have 1 to 50 characters, not all invisible, and no blank at its ends.';
COMMENT ON CONSTRAINT habits_unit_is_there_if_numeric ON app.habits IS 'A numeric habit needs a unit; every other habit has none.';
COMMENT ON CONSTRAINT habits_weekdays_are_some_of_1_to_7_in_order ON app.habits IS 'The weekdays must be numbers from 1 to 7, each once, in ascending order.';

CREATE FUNCTION app.habit_json(h app.habits) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            h.id,
            h.user_id,
            h.name,
            h.description,
            h.type,
            trim_scale(h.target_value) as target_value,
            h.unit,
            h.weekdays,
            h.times_per_week,
            h.points,
            h.visibility,
            h.created_at,
            h.updated_at,
            h.row_version
    ) as shown
$$;
ALTER FUNCTION app.habit_json(h app.habits) OWNER TO app_owner;
COMMENT ON FUNCTION app.habit_json(h app.habits) IS 'A habit as every endpoint shows it.';

CREATE TABLE app.habit_logs (
    family_id uuid NOT NULL,
    habit_id uuid NOT NULL,
    logged_on date NOT NULL,
    user_id uuid NOT NULL,
    visibility app.visibility NOT NULL,
    type app.habit_type NOT NULL,
    value numeric(10,3),
    target_value numeric(10,3),
    is_done boolean NOT NULL,
    note text,
    entered_on date DEFAULT ((now() AT TIME ZONE 'UTC'::text))::date NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT habit_logs_is_done_is_whether_the_target_was_reached CHECK ((is_done = (value >= target_value))),
    CONSTRAINT habit_logs_logged_on_is_at_most_a_day_ahead CHECK ((logged_on <= (entered_on + 1))),
    CONSTRAINT habit_logs_logged_on_is_in_the_calendar CHECK (((logged_on >= '1900-01-01'::date) AND (logged_on <= '2999-12-31'::date))),
    CONSTRAINT habit_logs_note_is_at_most_1000_characters CHECK ((length(note) <= 1000)),
    CONSTRAINT habit_logs_target_value_is_there_unless_boolean CHECK (((target_value IS NULL) = (type = 'boolean'::app.habit_type))),
    CONSTRAINT habit_logs_value_is_0_to_1000000 CHECK (((value >= (0)::numeric) AND (value <= (1000000)::numeric))),
    CONSTRAINT habit_logs_value_is_absent_if_boolean CHECK (((type <> 'boolean'::app.habit_type) OR (value IS NULL))),
    CONSTRAINT habit_logs_value_is_there_unless_boolean CHECK (((type = 'boolean'::app.habit_type) OR (value IS NOT NULL)))
);
ALTER TABLE ONLY app.habit_logs ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.habit_logs FORCE ROW LEVEL SECURITY;
ALTER TABLE app.habit_logs OWNER TO app_owner;
COMMENT ON TABLE app.habit_logs IS 'What was done of a habit on a day. One row a day.';
COMMENT ON COLUMN app.habit_logs.logged_on IS 'In the family''s time zone.';
COMMENT ON COLUMN app.habit_logs.value IS 'In the unit of the habit, or in minutes for a duration; null for yes or no.';
COMMENT ON COLUMN app.habit_logs.target_value IS 'The habit''s target on that day; null for yes or no.';
COMMENT ON COLUMN app.habit_logs.is_done IS 'What the member said for yes or no, else whether the value reached the target.';
COMMENT ON COLUMN app.habit_logs.entered_on IS 'The day it was last written, in the family''s time zone.';
COMMENT ON CONSTRAINT habit_logs_is_done_is_whether_the_target_was_reached ON app.habit_logs IS 'A day is done if, and only if, the value reaches the target.';
COMMENT ON CONSTRAINT habit_logs_logged_on_is_at_most_a_day_ahead ON app.habit_logs IS 'The date must not be after tomorrow.';
COMMENT ON CONSTRAINT habit_logs_logged_on_is_in_the_calendar ON app.habit_logs IS 'The date must be between the years 1900 and 2999.';
COMMENT ON CONSTRAINT habit_logs_note_is_at_most_1000_characters ON app.habit_logs IS 'The note must have at most 1000 characters.';
COMMENT ON CONSTRAINT habit_logs_target_value_is_there_unless_boolean ON app.habit_logs IS 'The log of a yes-or-no habit has no target; every other log needs one.';
COMMENT ON CONSTRAINT habit_logs_value_is_0_to_1000000 ON app.habit_logs IS 'The value must be 0 to 1000000.';
COMMENT ON CONSTRAINT habit_logs_value_is_absent_if_boolean ON app.habit_logs IS 'A yes-or-no habit is logged without a value.';
COMMENT ON CONSTRAINT habit_logs_value_is_there_unless_boolean ON app.habit_logs IS 'The log of this habit needs a value.';

CREATE FUNCTION app.habit_log_json(l app.habit_logs) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            l.habit_id,
            l.logged_on,
            trim_scale(l.value) as value,
            trim_scale(l.target_value) as target_value,
            l.is_done,
            l.note,
            l.created_at,
            l.updated_at,
            l.row_version
    ) as shown
$$;
ALTER FUNCTION app.habit_log_json(l app.habit_logs) OWNER TO app_owner;
COMMENT ON FUNCTION app.habit_log_json(l app.habit_logs) IS 'A day of a habit as every endpoint shows it.';

CREATE FUNCTION app.hit_rate_limit(rate_limit app.rate_limit, subject_hash bytea, max_attempts integer, period interval) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_now timestamptz;
    v_frees_at timestamptz;
begin
    perform pg_advisory_xact_lock(
        hashtextextended(rate_limit::text || encode(subject_hash, 'hex'), 0)
    );

    if pg_try_advisory_xact_lock(hashtextextended('app.hit_rate_limit', 0)) then
        delete from app.rate_limit_hits as a
        where a.id in (
            select old.id
            from app.rate_limit_hits as old
            where old.created_at < now() - interval '1 day'
            order by old.created_at
            limit 20
        );
    end if;

    -- The attempt that has to be forgotten before there may be another. One of the future was made
    -- before the clock was set back, and nobody waits until it is past.
    v_now := clock_timestamp();
    select a.created_at + period into v_frees_at
    from app.rate_limit_hits as a
    where
        a.rate_limit = hit_rate_limit.rate_limit
        and a.subject_hash = hit_rate_limit.subject_hash
        and a.created_at > v_now - period
        and a.created_at <= v_now
    order by a.created_at desc
    offset greatest(max_attempts, 1) - 1
    limit 1;
    if found then
        return ceil(extract(epoch from v_frees_at - v_now));
    end if;

    insert into app.rate_limit_hits (rate_limit, subject_hash)
    values (rate_limit, subject_hash);

    return null;
end
$$;
ALTER FUNCTION app.hit_rate_limit(rate_limit app.rate_limit, subject_hash bytea, max_attempts integer, period interval) OWNER TO app_auth;
COMMENT ON FUNCTION app.hit_rate_limit(rate_limit app.rate_limit, subject_hash bytea, max_attempts integer, period interval) IS 'Notes an attempt; where there are too many already, the seconds to wait before the next.';

CREATE FUNCTION app.idempotent_response(idempotency_key text) RETURNS TABLE(request_hash bytea, status bigint, body text, etag_version bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_user_id uuid := app.current_user_id();
    v_family_id uuid := app.current_family_id();
begin
    perform pg_advisory_xact_lock(
        hashtextextended(concat_ws(' ', v_user_id, v_family_id, idempotency_key), 0)
    );
    perform app.delete_expired_idempotency_keys(idempotency_key);

    return query
    select k.request_hash, k.status, k.body, k.etag_version
    from app.idempotency_keys as k
    where
        k.family_id = v_family_id
        and k.user_id = v_user_id
        and k.idempotency_key = idempotent_response.idempotency_key;
end
$$;
ALTER FUNCTION app.idempotent_response(idempotency_key text) OWNER TO app_owner;
COMMENT ON FUNCTION app.idempotent_response(idempotency_key text) IS 'The response stored under a key, after waiting for whoever is giving one.';

CREATE FUNCTION app.invitation_json(id uuid, user_id uuid, email text, role app.member_role, is_pending boolean, expires_at timestamp with time zone, accepted_at timestamp with time zone, member_id uuid, revoked_at timestamp with time zone, created_at timestamp with time zone, updated_at timestamp with time zone, row_version bigint) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            id,
            user_id,
            email,
            role,
            is_pending,
            expires_at,
            accepted_at,
            member_id,
            revoked_at,
            created_at,
            updated_at,
            row_version
    ) as shown
$$;
ALTER FUNCTION app.invitation_json(id uuid, user_id uuid, email text, role app.member_role, is_pending boolean, expires_at timestamp with time zone, accepted_at timestamp with time zone, member_id uuid, revoked_at timestamp with time zone, created_at timestamp with time zone, updated_at timestamp with time zone, row_version bigint) OWNER TO app_owner;
COMMENT ON FUNCTION app.invitation_json(id uuid, user_id uuid, email text, role app.member_role, is_pending boolean, expires_at timestamp with time zone, accepted_at timestamp with time zone, member_id uuid, revoked_at timestamp with time zone, created_at timestamp with time zone, updated_at timestamp with time zone, row_version bigint) IS 'An invitation as every endpoint shows it.';

CREATE FUNCTION app.knows_network(network_hash bytea) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select exists (
        select from app.sessions as s where s.network_hash = knows_network.network_hash
    )
$$;
ALTER FUNCTION app.knows_network(network_hash bytea) OWNER TO app_auth;
COMMENT ON FUNCTION app.knows_network(network_hash bytea) IS 'Whether a session began in this network and account, living or ended.';

CREATE TABLE app.family_memberships (
    family_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role app.member_role NOT NULL,
    display_name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    deleted_at timestamp with time zone,
    is_active boolean GENERATED ALWAYS AS ((deleted_at IS NULL)) STORED NOT NULL,
    CONSTRAINT family_memberships_display_name_is_1_to_100_characters CHECK ((app.is_line(display_name) AND (length(display_name) <= 100)))
);
ALTER TABLE ONLY app.family_memberships ALTER COLUMN family_id SET (n_distinct=-0.01);
ALTER TABLE ONLY app.family_memberships FORCE ROW LEVEL SECURITY;
ALTER TABLE app.family_memberships OWNER TO app_owner;
COMMENT ON TABLE app.family_memberships IS 'Who belongs to which family, and as what. Everything a member makes hangs on this row.';
COMMENT ON COLUMN app.family_memberships.display_name IS 'What this family calls the member.';
COMMENT ON COLUMN app.family_memberships.deleted_at IS 'When the member left or was removed; null while they belong.';
COMMENT ON CONSTRAINT family_memberships_display_name_is_1_to_100_characters ON app.family_memberships IS 'The name must have 1 to 100 characters, not all invisible, and no blank at its ends.';

CREATE FUNCTION app.member_json(m app.family_memberships) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            m.user_id,
            m.role,
            m.display_name,
            m.created_at,
            m.updated_at,
            m.row_version
    ) as shown
$$;
ALTER FUNCTION app.member_json(m app.family_memberships) OWNER TO app_owner;
COMMENT ON FUNCTION app.member_json(m app.family_memberships) IS 'A member as every endpoint shows it.';

CREATE TABLE app.messages (
    family_id uuid NOT NULL,
    id uuid DEFAULT app.new_id() NOT NULL,
    user_id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    role app.message_role NOT NULL,
    content text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT messages_content_is_1_to_5000_characters CHECK (((length(content) >= 1) AND (length(content) <= 5000)))
);
ALTER TABLE ONLY app.messages ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.messages FORCE ROW LEVEL SECURITY;
ALTER TABLE app.messages OWNER TO app_owner;
COMMENT ON TABLE app.messages IS 'What was said in a conversation. Immutable.';
COMMENT ON COLUMN app.messages.user_id IS 'The owner of the conversation, whoever speaks.';
COMMENT ON CONSTRAINT messages_content_is_1_to_5000_characters ON app.messages IS 'The content must have 1 to 5000 characters.';

CREATE FUNCTION app.message_json(m app.messages) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            m.id,
            m.conversation_id,
            m.role,
            m.content,
            m.created_at
    ) as shown
$$;
ALTER FUNCTION app.message_json(m app.messages) OWNER TO app_owner;
COMMENT ON FUNCTION app.message_json(m app.messages) IS 'A message as every endpoint shows it.';

CREATE FUNCTION app.my_families() RETURNS TABLE(family app.families, role app.member_role)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select f, m.role
    from app.family_memberships as m
    inner join app.families as f on f.id = m.family_id
    where m.user_id = app.current_user_id() and m.is_active and f.is_active
$$;
ALTER FUNCTION app.my_families() OWNER TO app_auth;
COMMENT ON FUNCTION app.my_families() IS 'The active families of the user of the context, with the role in each.';

CREATE FUNCTION app.new_token() RETURNS text
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select translate(
        encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64'),
        '+/=',
        '-_'
    )
$$;
ALTER FUNCTION app.new_token() OWNER TO app_owner;
COMMENT ON FUNCTION app.new_token() IS 'A random token of 43 characters.';

CREATE FUNCTION app.occurrence_of(day date, weekdays integer[]) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$
    select (day - date '0001-01-01') / 7 * coalesce(cardinality(weekdays), 1)
        + coalesce(width_bucket(extract(isodow from day)::integer - 1, weekdays), 0)
$$;
ALTER FUNCTION app.occurrence_of(day date, weekdays integer[]) OWNER TO app_owner;
COMMENT ON FUNCTION app.occurrence_of(day date, weekdays integer[]) IS 'The number of the turn of a schedule to which this day belongs.';

CREATE FUNCTION app.open_session(user_id uuid, password_hash text, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform from app.credentials as c
    inner join app.users as u on u.id = c.user_id
    where
        c.user_id = open_session.user_id
        and c.password_hash = open_session.password_hash
        and u.is_active
    for share of c, u;
    if not found then
        return null;
    end if;

    return app.begin_session(
        'signed_in',
        open_session.user_id,
        open_session.token_hash,
        open_session.expires_at,
        open_session.network_hash
    );
end
$$;
ALTER FUNCTION app.open_session(user_id uuid, password_hash text, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) OWNER TO app_auth;
COMMENT ON FUNCTION app.open_session(user_id uuid, password_hash text, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) IS 'Signs in a user whose password was checked against this hash; null if it is not current.';

CREATE FUNCTION app.own_credentials() RETURNS TABLE(user_id uuid, password_hash text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select c.user_id, c.password_hash
    from app.credentials as c
    where c.user_id = app.current_user_id()
$$;
ALTER FUNCTION app.own_credentials() OWNER TO app_auth;
COMMENT ON FUNCTION app.own_credentials() IS 'The password hash of the user of the context.';

CREATE FUNCTION app.page_of(items json[], size integer, cursor text) RETURNS text
    LANGUAGE sql STABLE
    AS $$
    select concat(
        '{"items":',
        coalesce(to_json(items[1:size]), '[]'),
        ',"next":',
        case when cardinality(items) > size then to_json(cursor) else 'null' end,
        '}'
    )
$$;
ALTER FUNCTION app.page_of(items json[], size integer, cursor text) OWNER TO app_owner;
COMMENT ON FUNCTION app.page_of(items json[], size integer, cursor text) IS 'A page of a list as every endpoint responds with it.';

CREATE FUNCTION app.record_score(kind app.score_kind, family_id uuid, source_id uuid, user_id uuid, scored_on date, points integer, is_done boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_last app.score_entries;
    v_is_awarded boolean;
    v_points integer := record_score.points;
    v_day_began_at timestamptz;
begin
    -- The kinds are named again, for a partial index serves only a query that says so.
    if record_score.kind in ('task', 'exercise') then
        select * into v_last
        from app.score_entries as e
        where
            e.family_id = record_score.family_id
            and e.kind in ('task', 'exercise')
            and e.kind = record_score.kind
            and e.source_id = record_score.source_id
        order by e.sequence desc
        limit 1;
    else
        select * into v_last
        from app.score_entries as e
        where
            e.family_id = record_score.family_id
            and e.kind in ('habit', 'routine')
            and e.kind = record_score.kind
            and e.source_id = record_score.source_id
            and e.user_id = record_score.user_id
            and e.scored_on = record_score.scored_on
        order by e.sequence desc
        limit 1;
    end if;

    v_is_awarded := coalesce(v_last.sequence % 2 = 1, false);

    if v_is_awarded and (not is_done or v_last.scored_on <> record_score.scored_on) then
        insert into app.score_entries (
            family_id, user_id, kind, source_id, scored_on, sequence, points
        )
        values (
            v_last.family_id, v_last.user_id, v_last.kind, v_last.source_id, v_last.scored_on,
            v_last.sequence + 1, -v_last.points
        );

        -- What was only moved to another day takes as many points along as it had.
        v_is_awarded := false;
        v_last.sequence := v_last.sequence + 1;
        v_points := v_last.points;
    end if;

    if is_done and not v_is_awarded and v_points > 0 then
        perform pg_advisory_xact_lock(
            hashtextextended(format('app.record_score %s %s', family_id, user_id), 0)
        );
        v_day_began_at := (
            select date_trunc('day', now(), f.time_zone)
            from app.families as f
            where f.id = record_score.family_id
        );
        v_points := least(v_points, 1000 - (
            select coalesce(sum(e.points), 0)
            from app.score_entries as e
            where
                e.family_id = record_score.family_id
                and e.user_id = record_score.user_id
                and e.created_at >= v_day_began_at
        ));

        if v_points > 0 then
            insert into app.score_entries (
                family_id, user_id, kind, source_id, scored_on, sequence, points
            )
            values (
                record_score.family_id, record_score.user_id, record_score.kind,
                record_score.source_id, record_score.scored_on,
                coalesce(v_last.sequence, 0) + 1, v_points
            );
        end if;
    end if;
end
$$;
ALTER FUNCTION app.record_score(kind app.score_kind, family_id uuid, source_id uuid, user_id uuid, scored_on date, points integer, is_done boolean) OWNER TO app_auth;
COMMENT ON FUNCTION app.record_score(kind app.score_kind, family_id uuid, source_id uuid, user_id uuid, scored_on date, points integer, is_done boolean) IS 'Awards the points of what was done, or reverses what was awarded; for trigger functions.';

CREATE FUNCTION app.refresh_session(token_hash bytea, new_token_hash bytea, expires_at timestamp with time zone) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_session record;
    v_standing record;
begin
    -- The lock makes two uses of one token wait for each other.
    select s.id, s.user_id, s.family_id
    into v_session
    from app.refresh_tokens as t
    inner join app.sessions as s on s.id = t.session_id
    inner join app.users as u on u.id = s.user_id
    where
        t.token_hash = refresh_session.token_hash
        and s.revoked_at is null
        and s.expires_at > now()
        and u.is_active
    for no key update of s;
    if not found then
        return null;
    end if;

    if exists (
        select from app.refresh_tokens as t where t.replaces_hash = refresh_session.token_hash
    ) then
        update app.sessions set revoked_at = now() where id = v_session.id;

        insert into app.account_events (user_id, event_type, metadata)
        values (
            v_session.user_id,
            'token_reused',
            app.event_metadata() || jsonb_build_object('session_id', v_session.id)
        );

        return null;
    end if;

    insert into app.refresh_tokens (token_hash, session_id, replaces_hash)
    values (refresh_session.new_token_hash, v_session.id, refresh_session.token_hash);

    select s.family_id, s.role
    into v_standing
    from app.resolve_membership(v_session.user_id, v_session.family_id) as s;

    update app.sessions
    set family_id = v_standing.family_id, expires_at = refresh_session.expires_at
    where id = v_session.id;

    return json_build_object(
        'session_id', v_session.id,
        'user_id', v_session.user_id,
        'family_id', v_standing.family_id,
        'role', v_standing.role
    );
end
$$;
ALTER FUNCTION app.refresh_session(token_hash bytea, new_token_hash bytea, expires_at timestamp with time zone) OWNER TO app_auth;
COMMENT ON FUNCTION app.refresh_session(token_hash bytea, new_token_hash bytea, expires_at timestamp with time zone) IS 'Appends a link to a session''s chain; null for a token unknown, expired or used already.';

CREATE FUNCTION app.reset_rate_limit(rate_limit app.rate_limit, subject_hash bytea, newest integer) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    delete from app.rate_limit_hits as a
    where a.id in (
        select h.id
        from app.rate_limit_hits as h
        where
            h.rate_limit = reset_rate_limit.rate_limit
            and h.subject_hash = reset_rate_limit.subject_hash
        order by h.created_at desc
        limit reset_rate_limit.newest
    )
$$;
ALTER FUNCTION app.reset_rate_limit(rate_limit app.rate_limit, subject_hash bytea, newest integer) OWNER TO app_auth;
COMMENT ON FUNCTION app.reset_rate_limit(rate_limit app.rate_limit, subject_hash bytea, newest integer) IS 'Forgets the newest attempts on a subject; all of them where no number is given.';

CREATE FUNCTION app.resolve_membership(user_id uuid, preferred_family_id uuid) RETURNS TABLE(family_id uuid, role app.member_role)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select m.family_id, m.role
    from app.family_memberships as m
    inner join app.families as f on f.id = m.family_id
    where m.user_id = resolve_membership.user_id and m.is_active and f.is_active
    order by
        m.family_id = resolve_membership.preferred_family_id desc nulls last,
        m.created_at,
        m.family_id
    limit 1
$$;
ALTER FUNCTION app.resolve_membership(user_id uuid, preferred_family_id uuid) OWNER TO app_auth;
COMMENT ON FUNCTION app.resolve_membership(user_id uuid, preferred_family_id uuid) IS 'The preferred family of a user if still a member, else the first; for the session functions.';

CREATE FUNCTION app.restore_account(user_id uuid) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_deleted_at timestamptz;
begin
    select u.deleted_at
    into v_deleted_at
    from app.users as u
    where u.id = restore_account.user_id and u.deleted_at is not null
    for no key update;
    if not found then
        return false;
    end if;

    begin
        update app.users set deleted_at = null where id = restore_account.user_id;
    exception
        when unique_violation then
            raise exception 'the address of this account has another account by now'
                using errcode = 'unique_violation',
                    constraint = 'users_email_key',
                    hint = 'That one has to retire before this one is restored.';
    end;

    update app.families as f
    set deleted_at = null
    from app.family_memberships as m
    where
        m.user_id = restore_account.user_id
        and f.id = m.family_id
        and f.deleted_at = v_deleted_at;

    update app.family_memberships as m
    set deleted_at = null
    where m.user_id = restore_account.user_id and m.deleted_at = v_deleted_at;

    insert into app.account_events (user_id, event_type, metadata)
    values (restore_account.user_id, 'account_restored', app.event_metadata());

    return true;
end
$$;
ALTER FUNCTION app.restore_account(user_id uuid) OWNER TO app_owner;
COMMENT ON FUNCTION app.restore_account(user_id uuid) IS 'Brings a retired account back, with what retired with it; false if it is not retired.';

CREATE FUNCTION app.restore_family(family_id uuid) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    update app.families as f
    set deleted_at = null
    where f.id = restore_family.family_id and f.deleted_at is not null;
    if not found then
        return false;
    end if;

    perform from app.family_memberships as m
    where m.family_id = restore_family.family_id and m.role = 'owner' and m.is_active;
    if not found then
        raise exception 'the family has no active owner'
            using errcode = 'ZH002', hint = 'Restore the account of an owner first.';
    end if;

    return true;
end
$$;
ALTER FUNCTION app.restore_family(family_id uuid) OWNER TO app_owner;
COMMENT ON FUNCTION app.restore_family(family_id uuid) IS 'Brings a retired family back; false if it is not retired.';

CREATE FUNCTION app.retire_account() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_user_id uuid := app.current_user_id();
    -- Not the transaction's: what else retires in it does not come back with the account.
    v_now timestamptz := clock_timestamp();
begin
    -- Whoever makes a family or opens a session for this user waits, and then finds it retired.
    perform from app.users as u
    where u.id = v_user_id and u.is_active
    for no key update;
    if not found then
        return false;
    end if;

    -- Whoever joins one of these families waits, or is waited for, and then is seen below.
    perform from app.families as f
    inner join app.family_memberships as own on own.family_id = f.id
    where own.user_id = v_user_id
    order by f.id
    for no key update of f;

    update app.families as f
    set deleted_at = v_now
    from app.family_memberships as own
    where
        own.user_id = v_user_id
        and own.is_active
        and f.id = own.family_id
        and f.is_active
        and not exists (
            select from app.family_memberships as other
            where other.family_id = f.id and other.user_id <> v_user_id and other.is_active
        );

    update app.family_memberships as m
    set deleted_at = v_now
    where m.user_id = v_user_id and m.is_active;

    update app.users as u
    set deleted_at = v_now
    where u.id = v_user_id;

    insert into app.account_events (user_id, event_type, metadata)
    values (v_user_id, 'account_retired', app.event_metadata());

    perform app.revoke_sessions(v_user_id, null);

    return true;
end
$$;
ALTER FUNCTION app.retire_account() OWNER TO app_auth;
COMMENT ON FUNCTION app.retire_account() IS 'Retires the user of the context with memberships and lone families, and ends all sessions.';

CREATE FUNCTION app.retire_family() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform from app.family_memberships as m
    where
        m.family_id = app.current_family_id()
        and m.user_id = app.current_user_id()
        and m.role = 'owner'
        and m.is_active;
    if not found then
        raise exception 'only an owner may retire the family'
            using errcode = 'insufficient_privilege';
    end if;

    update app.families as f
    set deleted_at = now()
    where f.id = app.current_family_id() and f.is_active;
    if not found then
        return false;
    end if;

    with revoked as (
        update app.sessions as s
        set revoked_at = now()
        where s.family_id = app.current_family_id() and s.revoked_at is null
        returning s.id, s.user_id
    )
    insert into app.account_events (user_id, event_type, metadata)
    select
        r.user_id,
        'session_revoked',
        app.event_metadata() || jsonb_build_object('session_id', r.id)
    from revoked as r;

    return true;
end
$$;
ALTER FUNCTION app.retire_family() OWNER TO app_auth;
COMMENT ON FUNCTION app.retire_family() IS 'Retires the family of the context and ends the sessions that stand in it; owners only.';

CREATE FUNCTION app.revoke_sessions(user_id uuid, kept_session_id uuid) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    with revoked as (
        update app.sessions as s
        set revoked_at = now()
        where
            s.user_id = revoke_sessions.user_id
            and s.id is distinct from revoke_sessions.kept_session_id
            and s.revoked_at is null
        returning s.id
    )
    insert into app.account_events (user_id, event_type, metadata)
    select
        revoke_sessions.user_id,
        'session_revoked',
        app.event_metadata() || jsonb_build_object('session_id', r.id)
    from revoked as r
$$;
ALTER FUNCTION app.revoke_sessions(user_id uuid, kept_session_id uuid) OWNER TO app_auth;
COMMENT ON FUNCTION app.revoke_sessions(user_id uuid, kept_session_id uuid) IS 'Ends the sessions of a user, but for the one named; for the account functions.';

CREATE TABLE app.routine_completions (
    family_id uuid NOT NULL,
    user_id uuid NOT NULL,
    routine_id uuid NOT NULL,
    completed_on date NOT NULL,
    owner_id uuid NOT NULL,
    visibility app.visibility NOT NULL,
    version integer NOT NULL,
    entered_on date DEFAULT ((now() AT TIME ZONE 'UTC'::text))::date NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT routine_completions_completed_on_is_at_most_a_day_ahead CHECK ((completed_on <= (entered_on + 1))),
    CONSTRAINT routine_completions_completed_on_is_in_the_calendar CHECK ((completed_on >= '1900-01-01'::date))
);
ALTER TABLE ONLY app.routine_completions ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.routine_completions FORCE ROW LEVEL SECURITY;
ALTER TABLE app.routine_completions OWNER TO app_owner;
COMMENT ON TABLE app.routine_completions IS 'Who has done a routine on which day.';
COMMENT ON COLUMN app.routine_completions.completed_on IS 'In the family''s time zone.';
COMMENT ON COLUMN app.routine_completions.owner_id IS 'The owner of the routine, who need not be who has done it.';
COMMENT ON COLUMN app.routine_completions.version IS 'The version of the routine when it was last marked as done.';
COMMENT ON COLUMN app.routine_completions.entered_on IS 'The day it was last marked as done, in the family''s time zone.';
COMMENT ON CONSTRAINT routine_completions_completed_on_is_at_most_a_day_ahead ON app.routine_completions IS 'The day must not be after tomorrow.';
COMMENT ON CONSTRAINT routine_completions_completed_on_is_in_the_calendar ON app.routine_completions IS 'The day must be in the year 1900 or later.';

CREATE FUNCTION app.routine_completion_json(c app.routine_completions) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            c.routine_id,
            c.user_id,
            c.completed_on,
            c.version,
            c.created_at,
            c.updated_at,
            c.row_version
    ) as shown
$$;
ALTER FUNCTION app.routine_completion_json(c app.routine_completions) OWNER TO app_owner;
COMMENT ON FUNCTION app.routine_completion_json(c app.routine_completions) IS 'A completion of a routine as every endpoint shows it.';

CREATE TABLE app.routines (
    family_id uuid NOT NULL,
    id uuid DEFAULT app.new_id() NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    description text,
    visibility app.visibility DEFAULT 'private'::app.visibility NOT NULL,
    points integer DEFAULT 1 NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    deleted_at timestamp with time zone,
    is_active boolean GENERATED ALWAYS AS ((deleted_at IS NULL)) STORED NOT NULL,
    CONSTRAINT routines_description_is_at_most_1000_characters CHECK ((length(description) <= 1000)),
    CONSTRAINT routines_name_is_1_to_100_characters CHECK ((app.is_line(name) AND (length(name) <= 100))),
    CONSTRAINT routines_points_are_0_to_1000 CHECK (((points >= 0) AND (points <= 1000)))
);
ALTER TABLE ONLY app.routines ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.routines FORCE ROW LEVEL SECURITY;
ALTER TABLE app.routines OWNER TO app_owner;
COMMENT ON TABLE app.routines IS 'What is done again and again, in the same steps.';
COMMENT ON COLUMN app.routines.points IS 'For each day, to each member who has done it.';
COMMENT ON COLUMN app.routines.version IS 'The newest version of its steps.';
COMMENT ON COLUMN app.routines.row_version IS 'Counts the changes of the steps as well.';
COMMENT ON CONSTRAINT routines_description_is_at_most_1000_characters ON app.routines IS 'The description must have at most 1000 characters.';
COMMENT ON CONSTRAINT routines_name_is_1_to_100_characters ON app.routines IS 'The name must have 1 to 100 characters, not all invisible, and no blank at its ends.';
COMMENT ON CONSTRAINT routines_points_are_0_to_1000 ON app.routines IS 'The points must be 0 to 1000.';

CREATE FUNCTION app.routine_json(r app.routines) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            r.id,
            r.user_id,
            r.name,
            r.description,
            r.visibility,
            r.points,
            r.version,
            r.created_at,
            r.updated_at,
            r.row_version
    ) as shown
$$;
ALTER FUNCTION app.routine_json(r app.routines) OWNER TO app_owner;
COMMENT ON FUNCTION app.routine_json(r app.routines) IS 'A routine as every list shows it.';

CREATE TABLE app.routine_steps (
    family_id uuid NOT NULL,
    routine_id uuid NOT NULL,
    version integer NOT NULL,
    "position" integer NOT NULL,
    user_id uuid NOT NULL,
    visibility app.visibility NOT NULL,
    title text NOT NULL,
    minutes integer NOT NULL,
    habit_id uuid,
    exercise_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT routine_steps_minutes_are_1_to_1440 CHECK (((minutes >= 1) AND (minutes <= 1440))),
    CONSTRAINT routine_steps_position_is_1_to_100 CHECK ((("position" >= 1) AND ("position" <= 100))),
    CONSTRAINT routine_steps_subject_is_a_habit_or_an_exercise CHECK ((num_nonnulls(habit_id, exercise_id) <= 1)),
    CONSTRAINT routine_steps_title_is_1_to_200_characters CHECK ((app.is_line(title) AND (length(title) <= 200)))
);
ALTER TABLE ONLY app.routine_steps ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.routine_steps FORCE ROW LEVEL SECURITY;
ALTER TABLE app.routine_steps OWNER TO app_owner;
COMMENT ON TABLE app.routine_steps IS 'What is done in a version of a routine. Immutable.';
COMMENT ON COLUMN app.routine_steps."position" IS 'From 1.';
COMMENT ON COLUMN app.routine_steps.habit_id IS 'The habit that it is about; null without one, or once it is purged.';
COMMENT ON COLUMN app.routine_steps.exercise_id IS 'The exercise that it is about; null without one, or once it is purged.';
COMMENT ON CONSTRAINT routine_steps_minutes_are_1_to_1440 ON app.routine_steps IS 'The minutes must be 1 to 1440 (one day).';
COMMENT ON CONSTRAINT routine_steps_position_is_1_to_100 ON app.routine_steps IS 'A routine must have at most 100 steps.';
COMMENT ON CONSTRAINT routine_steps_subject_is_a_habit_or_an_exercise ON app.routine_steps IS 'A step may name a habit or an exercise, not both.';
COMMENT ON CONSTRAINT routine_steps_title_is_1_to_200_characters ON app.routine_steps IS 'The title must have 1 to 200 characters, not all invisible, and no blank at its ends.';

CREATE FUNCTION app.routine_step_json(s app.routine_steps) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            s.title,
            s.minutes,
            s.habit_id,
            s.exercise_id
    ) as shown
$$;
ALTER FUNCTION app.routine_step_json(s app.routine_steps) OWNER TO app_owner;
COMMENT ON FUNCTION app.routine_step_json(s app.routine_steps) IS 'A step of a routine as every endpoint shows it.';

CREATE TABLE app.routine_versions (
    family_id uuid NOT NULL,
    routine_id uuid NOT NULL,
    version integer NOT NULL,
    user_id uuid NOT NULL,
    routine_visibility app.visibility NOT NULL,
    saved_visibility app.visibility NOT NULL,
    visibility app.visibility GENERATED ALWAYS AS (
CASE
    WHEN (saved_visibility = 'private'::app.visibility) THEN 'private'::app.visibility
    ELSE routine_visibility
END) STORED NOT NULL,
    author_id uuid,
    restored_version integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT routine_versions_restored_version_is_an_earlier_one CHECK (((restored_version >= 1) AND (restored_version <= (version - 1)))),
    CONSTRAINT routine_versions_version_is_at_least_1 CHECK ((version >= 1))
);
ALTER TABLE ONLY app.routine_versions ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.routine_versions FORCE ROW LEVEL SECURITY;
ALTER TABLE app.routine_versions OWNER TO app_owner;
COMMENT ON TABLE app.routine_versions IS 'The steps of a routine, as they were saved at one time. Immutable.';
COMMENT ON COLUMN app.routine_versions.user_id IS 'The owner of the routine, whoever saved this version.';
COMMENT ON COLUMN app.routine_versions.routine_visibility IS 'That of the routine now.';
COMMENT ON COLUMN app.routine_versions.saved_visibility IS 'That of the routine when this version was saved.';
COMMENT ON COLUMN app.routine_versions.visibility IS 'Private while the routine is, and for good if it was when this version was saved.';
COMMENT ON COLUMN app.routine_versions.author_id IS 'Who saved it; null once they are purged.';
COMMENT ON COLUMN app.routine_versions.restored_version IS 'The version that it brought back; null where the steps were written anew.';
COMMENT ON CONSTRAINT routine_versions_restored_version_is_an_earlier_one ON app.routine_versions IS 'A version can only restore an earlier one.';
COMMENT ON CONSTRAINT routine_versions_version_is_at_least_1 ON app.routine_versions IS 'The version must be at least 1.';

CREATE FUNCTION app.routine_version_json(v app.routine_versions) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            v.routine_id,
            v.version,
            v.visibility,
            v.author_id,
            v.restored_version,
            v.created_at
    ) as shown
$$;
ALTER FUNCTION app.routine_version_json(v app.routine_versions) OWNER TO app_owner;
COMMENT ON FUNCTION app.routine_version_json(v app.routine_versions) IS 'A version of a routine as every list shows it.';

CREATE TABLE app.score_entries (
    family_id uuid NOT NULL,
    id uuid DEFAULT app.new_id() NOT NULL,
    user_id uuid NOT NULL,
    kind app.score_kind NOT NULL,
    source_id uuid NOT NULL,
    scored_on date NOT NULL,
    sequence integer NOT NULL,
    points integer NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT score_entries_points_fit_the_sequence CHECK (
CASE (sequence % 2)
    WHEN 1 THEN ((points >= 1) AND (points <= 1000))
    ELSE ((points >= '-1000'::integer) AND (points <= '-1'::integer))
END),
    CONSTRAINT score_entries_scored_on_is_in_the_calendar CHECK (((scored_on >= '1900-01-01'::date) AND (scored_on <= '2999-12-31'::date))),
    CONSTRAINT score_entries_sequence_is_positive CHECK ((sequence > 0))
);
ALTER TABLE ONLY app.score_entries ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.score_entries FORCE ROW LEVEL SECURITY;
ALTER TABLE app.score_entries OWNER TO app_owner;
COMMENT ON TABLE app.score_entries IS 'Points, awarded and reversed. Append-only.';
COMMENT ON COLUMN app.score_entries.source_id IS 'The task, habit, routine or log of an exercise; no foreign key: points outlive it.';
COMMENT ON COLUMN app.score_entries.scored_on IS 'In the family''s time zone as it was.';
COMMENT ON COLUMN app.score_entries.sequence IS 'Counts the entries for one thing, from 1: an odd one awards, the even one after it reverses.';
COMMENT ON COLUMN app.score_entries.points IS 'Negative when they are taken back.';
COMMENT ON CONSTRAINT score_entries_points_fit_the_sequence ON app.score_entries IS 'An award has 1 to 1000 points; its reversal has -1000 to -1.';
COMMENT ON CONSTRAINT score_entries_scored_on_is_in_the_calendar ON app.score_entries IS 'The day must be between the years 1900 and 2999.';
COMMENT ON CONSTRAINT score_entries_sequence_is_positive ON app.score_entries IS 'The entries for one thing count from 1.';

CREATE FUNCTION app.score_json(e app.score_entries) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            e.id,
            e.user_id,
            e.kind,
            e.source_id,
            e.scored_on,
            e.points,
            e.created_at
    ) as shown
$$;
ALTER FUNCTION app.score_json(e app.score_entries) OWNER TO app_owner;
COMMENT ON FUNCTION app.score_json(e app.score_entries) IS 'An entry of the ledger of points as every endpoint shows it.';

CREATE FUNCTION app.sign_up(email text, password_hash text, full_name text, family_name text, time_zone text, invitation_hash bytea, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_user_id uuid := app.new_id();
    v_family_id uuid := app.new_id();
begin
    if app.current_user_id() is not null then
        raise exception 'a signed-in user cannot sign up' using errcode = 'insufficient_privilege';
    end if;

    -- The newcomer is the actor of all that follows. The one place where a context is not set by a
    -- literal SET LOCAL: no policy reads it here, only the audit trail does.
    perform set_config('app.user_id', v_user_id::text, true);

    insert into app.users (id, email, full_name, time_zone)
    values (v_user_id, sign_up.email, sign_up.full_name, sign_up.time_zone);

    insert into app.credentials (user_id, password_hash)
    values (v_user_id, sign_up.password_hash);

    if sign_up.invitation_hash is not null then
        perform app.accept_invitation(sign_up.invitation_hash);
    else
        insert into app.families (id, name, time_zone)
        values (v_family_id, sign_up.family_name, sign_up.time_zone);

        insert into app.family_memberships (family_id, user_id, role, display_name)
        values (
            v_family_id,
            v_user_id,
            'owner',
            app.display_name_of(sign_up.full_name)
        );
    end if;

    return app.begin_session(
        'signed_up', v_user_id, sign_up.token_hash, sign_up.expires_at, sign_up.network_hash);
end
$$;
ALTER FUNCTION app.sign_up(email text, password_hash text, full_name text, family_name text, time_zone text, invitation_hash bytea, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) OWNER TO app_auth;
COMMENT ON FUNCTION app.sign_up(email text, password_hash text, full_name text, family_name text, time_zone text, invitation_hash bytea, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) IS 'Makes an account, with a family of its own or an invitation to one, and signs it in.';

CREATE FUNCTION app.switch_family(family_id uuid) RETURNS json
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
    v_role app.member_role;
begin
    select m.role
    into v_role
    from app.family_memberships as m
    inner join app.families as f on f.id = m.family_id
    where
        m.family_id = switch_family.family_id
        and m.user_id = app.current_user_id()
        and m.is_active
        and f.is_active;
    if not found then
        return null;
    end if;

    update app.sessions
    set family_id = switch_family.family_id
    where id = app.current_session_id() and user_id = app.current_user_id();

    return json_build_object(
        'session_id', app.current_session_id(),
        'user_id', app.current_user_id(),
        'family_id', switch_family.family_id,
        'role', v_role
    );
end
$$;
ALTER FUNCTION app.switch_family(family_id uuid) OWNER TO app_auth;
COMMENT ON FUNCTION app.switch_family(family_id uuid) IS 'Moves the session to another family of the user; null if the user is no member there.';

CREATE TABLE app.tasks (
    family_id uuid NOT NULL,
    id uuid DEFAULT app.new_id() NOT NULL,
    user_id uuid NOT NULL,
    title text NOT NULL,
    description text,
    due_on date,
    visibility app.visibility DEFAULT 'private'::app.visibility NOT NULL,
    completed_at timestamp with time zone,
    is_completed boolean GENERATED ALWAYS AS ((completed_at IS NOT NULL)) STORED NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    points integer DEFAULT 1 NOT NULL,
    CONSTRAINT tasks_completed_at_is_not_in_the_future CHECK ((completed_at <= updated_at)),
    CONSTRAINT tasks_description_is_at_most_1000_characters CHECK ((length(description) <= 1000)),
    CONSTRAINT tasks_due_on_is_in_the_calendar CHECK (((due_on >= '1900-01-01'::date) AND (due_on <= '2999-12-31'::date))),
    CONSTRAINT tasks_points_are_0_to_1000 CHECK (((points >= 0) AND (points <= 1000))),
    CONSTRAINT tasks_title_is_1_to_200_characters CHECK ((app.is_line(title) AND (length(title) <= 200)))
);
ALTER TABLE ONLY app.tasks ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.tasks FORCE ROW LEVEL SECURITY;
ALTER TABLE app.tasks OWNER TO app_owner;
COMMENT ON TABLE app.tasks IS 'What somebody means to do.';
COMMENT ON COLUMN app.tasks.due_on IS 'In the family''s time zone.';
COMMENT ON COLUMN app.tasks.completed_at IS 'Null while it is open.';
COMMENT ON CONSTRAINT tasks_completed_at_is_not_in_the_future ON app.tasks IS 'The time of completion must not be in the future.';
COMMENT ON CONSTRAINT tasks_description_is_at_most_1000_characters ON app.tasks IS 'The description must have at most 1000 characters.';
COMMENT ON CONSTRAINT tasks_due_on_is_in_the_calendar ON app.tasks IS 'The due date must be between the years 1900 and 2999.';
COMMENT ON CONSTRAINT tasks_points_are_0_to_1000 ON app.tasks IS 'The points must be 0 to 1000.';
COMMENT ON CONSTRAINT tasks_title_is_1_to_200_characters ON app.tasks IS 'The title must have 1 to 200 characters, not all invisible, and no blank at its ends.';

CREATE FUNCTION app.task_json(t app.tasks) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            t.id,
            t.user_id,
            t.title,
            t.description,
            t.due_on,
            t.visibility,
            t.points,
            t.is_completed,
            t.completed_at,
            t.created_at,
            t.updated_at,
            t.row_version
    ) as shown
$$;
ALTER FUNCTION app.task_json(t app.tasks) OWNER TO app_owner;
COMMENT ON FUNCTION app.task_json(t app.tasks) IS 'A task as every endpoint shows it.';

CREATE FUNCTION app.text_key(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
    select translate(
        lower(app.visible(normalize(value, nfkd)) collate "C"),
        'ÆÐØÞĐĦŁŊŒẞ'
        'ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩς'
        'АБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ'
        'ЂЄЅІЈЉЊЋЏҐ',
        'æðøþđħłŋœß'
        'αβγδεζηθικλμνξοπρστυφχψωσ'
        'абвгдежзиклмнопрстуфхцчшщъыьэюя'
        'ђєѕіјљњћџґ'
    )
$$;
ALTER FUNCTION app.text_key(value text) OWNER TO app_owner;
COMMENT ON FUNCTION app.text_key(value text) IS 'The form in which addresses and names are compared; the same for what is the same.';

CREATE FUNCTION app.tg_add_retired_days() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_since timestamptz := least(greatest(OLD.deleted_at, OLD.created_at), now());
begin
    NEW.retired_days := OLD.retired_days + (
        select datemultirange(daterange(
            (v_since at time zone f.time_zone)::date,
            (now() at time zone f.time_zone)::date,
            '[]'
        ))
        from app.families as f
        where f.id = NEW.family_id
    );

    return NEW;
end
$$;
ALTER FUNCTION app.tg_add_retired_days() OWNER TO app_owner;
COMMENT ON FUNCTION app.tg_add_retired_days() IS 'Trigger: adds the days on which a habit was retired when it is restored.';

CREATE FUNCTION app.tg_check_step() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_saved_at timestamptz;
begin
    select v.created_at
    into v_saved_at
    from app.routine_versions as v
    where
        v.family_id = NEW.family_id
        and v.routine_id = NEW.routine_id
        and v.version = NEW.version;
    if not found then
        raise exception 'there is no such version that you see'
            using errcode = 'insufficient_privilege';
    end if;

    if v_saved_at <> now() then
        raise exception 'a step comes with its version' using errcode = 'ZH003';
    end if;

    if NEW.habit_id is not null
        and not exists (
            select from app.habits as h
            where h.family_id = NEW.family_id and h.id = NEW.habit_id and h.is_active
        )
        and not exists (
            select from app.routine_steps as s
            where
                s.family_id = NEW.family_id
                and s.habit_id = NEW.habit_id
                and s.routine_id = NEW.routine_id
        )
    then
        raise exception 'is no habit that you see'
            using errcode = 'ZH005', detail = format('/steps/%s/habit_id', NEW.position - 1);
    end if;

    if NEW.exercise_id is not null
        and not exists (
            select from app.exercises as e
            where e.family_id = NEW.family_id and e.id = NEW.exercise_id and e.is_active
        )
        and not exists (
            select from app.routine_steps as s
            where
                s.family_id = NEW.family_id
                and s.exercise_id = NEW.exercise_id
                and s.routine_id = NEW.routine_id
        )
    then
        raise exception 'is no exercise that you see'
            using errcode = 'ZH005', detail = format('/steps/%s/exercise_id', NEW.position - 1);
    end if;

    return NEW;
end
$$;
ALTER FUNCTION app.tg_check_step() OWNER TO app_owner;
COMMENT ON FUNCTION app.tg_check_step() IS 'Trigger: a step comes with its version, and names only what its writer sees.';

CREATE FUNCTION app.tg_judge_habit_log() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if TG_OP = 'INSERT' or NEW.logged_on >= NEW.entered_on then
        NEW.target_value := (
            select h.target_value
            from app.habits as h
            where h.family_id = NEW.family_id and h.id = NEW.habit_id
        );
    end if;

    NEW.is_done := coalesce(NEW.is_done, NEW.value >= NEW.target_value, false);

    return NEW;
end
$$;
ALTER FUNCTION app.tg_judge_habit_log() OWNER TO app_owner;
COMMENT ON FUNCTION app.tg_judge_habit_log() IS 'Trigger: sets the target of a day and, unless it is said, whether it was reached.';

CREATE FUNCTION app.tg_keep_an_owner() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    -- Only an owner who ceases to be one matters.
    if OLD.role <> 'owner' or OLD.deleted_at is not null
        or (NEW.role = 'owner' and NEW.deleted_at is null)
    then
        return NEW;
    end if;

    -- The lock below makes us wait, but a snapshot taken before would still show the other owner.
    if current_setting('transaction_isolation') = 'repeatable read' then
        raise exception 'owners change under read committed or serializable only'
            using errcode = 'feature_not_supported';
    end if;

    -- A retired family needs no owner.
    perform from app.families as f
    where f.id = OLD.family_id and f.deleted_at is null
    for no key update;
    if not found then
        return NEW;
    end if;

    perform from app.family_memberships as m
    where
        m.family_id = OLD.family_id
        and m.user_id <> OLD.user_id
        and m.role = 'owner'
        and m.deleted_at is null;
    if not found then
        raise exception 'the last owner cannot leave, be demoted or be removed'
            using errcode = 'ZH002', hint = 'Make somebody else an owner first.';
    end if;

    return NEW;
end
$$;
ALTER FUNCTION app.tg_keep_an_owner() OWNER TO app_auth;
COMMENT ON FUNCTION app.tg_keep_an_owner() IS 'Trigger: refuses to take a family its last owner.';

CREATE FUNCTION app.tg_keep_quota() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_kept bigint;
begin
    select sum(octet_length(k.body)) into v_kept
    from app.idempotency_keys as k
    where k.family_id = NEW.family_id and k.user_id = NEW.user_id;

    if v_kept + octet_length(NEW.body) > 33554432 then
        raise exception 'the responses kept for this member have 32 MiB already'
            using errcode = 'ZH006', schema = TG_TABLE_SCHEMA, table = TG_TABLE_NAME;
    end if;

    return NEW;
end
$$;
ALTER FUNCTION app.tg_keep_quota() OWNER TO app_owner;
COMMENT ON FUNCTION app.tg_keep_quota() IS 'Trigger: a member has 32 MiB of kept responses at most.';

CREATE FUNCTION app.tg_record_audit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
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
$_$;
ALTER FUNCTION app.tg_record_audit() OWNER TO app_audit;
COMMENT ON FUNCTION app.tg_record_audit() IS 'Trigger: appends a record of the write to the audit trail.';

CREATE FUNCTION app.tg_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    raise exception '%', TG_ARGV[0]
        using errcode = 'ZH003', schema = TG_TABLE_SCHEMA, table = TG_TABLE_NAME;
end
$$;
ALTER FUNCTION app.tg_refuse_change() OWNER TO app_owner;
COMMENT ON FUNCTION app.tg_refuse_change() IS 'Trigger: refuses the change; its argument says why.';

CREATE FUNCTION app.tg_refuse_members() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform from app.users as u
    inner join app.family_memberships as m on m.user_id = u.id
    where
        app.text_key(u.email) = app.text_key(NEW.email)
        and m.family_id = NEW.family_id
        and m.is_active
        and u.is_active;
    if found then
        raise exception 'this person belongs to the family already'
            using
                errcode = 'unique_violation',
                constraint = 'family_memberships_pkey',
                column = 'email';
    end if;

    return null;
end
$$;
ALTER FUNCTION app.tg_refuse_members() OWNER TO app_auth;
COMMENT ON FUNCTION app.tg_refuse_members() IS 'Trigger: refuses to invite somebody who is a member already.';

CREATE FUNCTION app.tg_refuse_taking_back() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_last app.score_entries;
begin
    if OLD.user_id <> app.current_user_id()
        and app.current_member_role() = 'member'
    then
        select * into v_last
        from app.score_entries as e
        where e.family_id = OLD.family_id and (e.kind, e.source_id) = ('task', OLD.id)
        order by e.sequence desc
        limit 1;

        if v_last.sequence % 2 = 1 and v_last.user_id <> app.current_user_id() then
            raise exception
                'who completed a task opens it again, or its owner, or who runs the family'
                using errcode = 'ZH003', schema = TG_TABLE_SCHEMA, table = TG_TABLE_NAME;
        end if;
    end if;

    return NEW;
end
$$;
ALTER FUNCTION app.tg_refuse_taking_back() OWNER TO app_owner;
COMMENT ON FUNCTION app.tg_refuse_taking_back() IS 'Trigger: nobody opens a task again to take away the points of another member.';

CREATE FUNCTION app.tg_refuse_worth() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if OLD.user_id <> app.current_user_id()
        and app.current_member_role() = 'member'
    then
        raise exception 'what it is worth is said by its owner, or by who runs the family'
            using errcode = 'ZH003', schema = TG_TABLE_SCHEMA, table = TG_TABLE_NAME;
    end if;

    return NEW;
end
$$;
ALTER FUNCTION app.tg_refuse_worth() OWNER TO app_owner;
COMMENT ON FUNCTION app.tg_refuse_worth() IS 'Trigger: what a task is worth is said by its owner, or by who runs the family.';

CREATE FUNCTION app.tg_require_active_user() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform from app.users as u
    where u.id = NEW.user_id and u.is_active
    for share;
    if not found then
        raise exception 'the account is not active'
            using errcode = 'foreign_key_violation',
                constraint = 'family_memberships_user_id_fkey';
    end if;

    -- The lock keeps the family from retiring with its only member meanwhile (retire_account).
    perform from app.families as f
    where f.id = NEW.family_id
    for share;

    return NEW;
end
$$;
ALTER FUNCTION app.tg_require_active_user() OWNER TO app_auth;
COMMENT ON FUNCTION app.tg_require_active_user() IS 'Trigger: refuses to bring back a membership without an active account.';

CREATE FUNCTION app.tg_require_visible_parent() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
    v_is_seen boolean;
begin
    execute format(
        'select true from app.%I where (family_id, id) = (($1).family_id, ($1).%I)',
        TG_ARGV[0], TG_ARGV[1]
    )
    into v_is_seen
    using NEW;

    if v_is_seen is null then
        raise exception 'there is no such row of % that you see', TG_ARGV[0]
            using errcode = 'insufficient_privilege';
    end if;

    return NEW;
end
$_$;
ALTER FUNCTION app.tg_require_visible_parent() OWNER TO app_owner;
COMMENT ON FUNCTION app.tg_require_visible_parent() IS 'Trigger: refuses a part of something that its writer does not see. Arguments: table, column.';

CREATE FUNCTION app.tg_score_exercise_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_log app.exercise_logs := coalesce(NEW, OLD);
begin
    perform app.record_score(
        'exercise',
        v_log.family_id,
        v_log.id,
        v_log.user_id,
        v_log.performed_on,
        case
            when TG_OP = 'UPDATE' then 0
            else (
                select x.points
                from app.exercises as x
                where x.family_id = v_log.family_id and x.id = v_log.exercise_id
            )
        end,
        TG_OP <> 'DELETE'
    );

    return null;
end
$$;
ALTER FUNCTION app.tg_score_exercise_log() OWNER TO app_auth;
COMMENT ON FUNCTION app.tg_score_exercise_log() IS 'Trigger: awards the points of an exercise log, moves them or reverses them.';

CREATE FUNCTION app.tg_score_habit_log() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_log app.habit_logs := coalesce(NEW, OLD);
begin
    perform app.record_score(
        'habit',
        v_log.family_id,
        v_log.habit_id,
        v_log.user_id,
        v_log.logged_on,
        (
            select h.points
            from app.habits as h
            where h.family_id = v_log.family_id and h.id = v_log.habit_id
        ),
        TG_OP <> 'DELETE' and v_log.is_done
    );

    return null;
end
$$;
ALTER FUNCTION app.tg_score_habit_log() OWNER TO app_auth;
COMMENT ON FUNCTION app.tg_score_habit_log() IS 'Trigger: awards the points of a habit for a day, or reverses them.';

CREATE FUNCTION app.tg_score_routine_completion() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v_completion app.routine_completions := coalesce(NEW, OLD);
begin
    perform app.record_score(
        'routine',
        v_completion.family_id,
        v_completion.routine_id,
        v_completion.user_id,
        v_completion.completed_on,
        (
            select r.points
            from app.routines as r
            where r.family_id = v_completion.family_id and r.id = v_completion.routine_id
        ),
        TG_OP <> 'DELETE'
    );

    return null;
end
$$;
ALTER FUNCTION app.tg_score_routine_completion() OWNER TO app_auth;
COMMENT ON FUNCTION app.tg_score_routine_completion() IS 'Trigger: awards the points of a routine for a day, or reverses them.';

CREATE FUNCTION app.tg_score_task() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform app.record_score(
        'task',
        NEW.family_id,
        NEW.id,
        -- Without a context, of a DBA's, it is its owner's.
        coalesce(
            case when NEW.family_id = app.current_family_id() then app.current_user_id() end,
            NEW.user_id
        ),
        (
            select (NEW.completed_at at time zone f.time_zone)::date
            from app.families as f
            where f.id = NEW.family_id
        ),
        NEW.points,
        NEW.is_completed
    );

    return null;
end
$$;
ALTER FUNCTION app.tg_score_task() OWNER TO app_auth;
COMMENT ON FUNCTION app.tg_score_task() IS 'Trigger: awards the points of a task, or reverses them.';

CREATE FUNCTION app.tg_set_entered_on() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    NEW.entered_on := coalesce(
        (
            select (now() at time zone f.time_zone)::date
            from app.families as f
            where f.id = NEW.family_id
        ),
        NEW.entered_on
    );

    return NEW;
end
$$;
ALTER FUNCTION app.tg_set_entered_on() OWNER TO app_owner;
COMMENT ON FUNCTION app.tg_set_entered_on() IS 'Trigger: sets the day on which a row is written, in the family''s time zone.';

CREATE FUNCTION app.tg_touch() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    NEW.created_at := OLD.created_at;
    NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
    NEW.row_version := OLD.row_version + 1;

    return NEW;
end
$$;
ALTER FUNCTION app.tg_touch() OWNER TO app_owner;
COMMENT ON FUNCTION app.tg_touch() IS 'Trigger: freezes created_at, moves updated_at strictly forward, counts row_version.';

CREATE FUNCTION app.visible(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
    select btrim(
        regexp_replace(
            regexp_replace(
                value collate "C",
                '[\u0001-\u0008\u000E-\u001B\u007F-\u0084\u0086-\u009F\u00AD\u034F\u061C'
                '\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F'
                '\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U00013430-\U0001343F'
                '\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]+',
                '', 'g'
            ),
            '[\u0009-\u000D\u001C-\u0020\u0085\u00A0\u1680\u2000-\u200A'
            '\u2028\u2029\u202F\u205F\u3000]+',
            ' ', 'g'
        )
    )
$$;
ALTER FUNCTION app.visible(value text) OWNER TO app_owner;
COMMENT ON FUNCTION app.visible(value text) IS 'A text without what draws nothing, and with one space for blanks of any kind.';

CREATE TABLE app.users (
    id uuid DEFAULT app.new_id() NOT NULL,
    email text NOT NULL,
    full_name text NOT NULL,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    is_notified boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    deleted_at timestamp with time zone,
    is_active boolean GENERATED ALWAYS AS ((deleted_at IS NULL)) STORED NOT NULL,
    CONSTRAINT users_email_looks_like_an_address CHECK (((email = app.visible(email)) AND (app.text_key(email) ~ '^[^@ ]+@[^@ ]+$'::text) AND (email ~ '@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*$'::text) AND (length(email) <= 254))),
    CONSTRAINT users_full_name_is_1_to_200_characters CHECK ((app.is_line(full_name) AND (length(full_name) <= 200))),
    CONSTRAINT users_time_zone_is_known CHECK (app.is_time_zone(time_zone))
);
ALTER TABLE ONLY app.users FORCE ROW LEVEL SECURITY;
ALTER TABLE app.users OWNER TO app_owner;
COMMENT ON TABLE app.users IS 'A person with an account. Retired by deleted_at, removed for good by a purge.';
COMMENT ON COLUMN app.users.email IS 'As the person wrote it, the domain in ASCII; of active accounts one has it, as text_key says.';
COMMENT ON COLUMN app.users.time_zone IS 'IANA name, such as Europe/Vienna.';
COMMENT ON COLUMN app.users.is_notified IS 'Whether the person wants notifications.';
COMMENT ON CONSTRAINT users_email_looks_like_an_address ON app.users IS 'The e-mail address must look like name@host, without blanks or invisible characters, the host in ASCII as in xn--bcher-kva.example, and have at most 254 characters.';
COMMENT ON CONSTRAINT users_full_name_is_1_to_200_characters ON app.users IS 'The full name must have 1 to 200 characters, not all invisible, and no blank at its ends.';
COMMENT ON CONSTRAINT users_time_zone_is_known ON app.users IS 'The time zone must be a name such as Europe/Vienna.';

CREATE FUNCTION app.user_json(u app.users) RETURNS SETOF json
    LANGUAGE sql STABLE ROWS 1
    AS $$
    select to_json(shown)
    from (
        select
            u.id,
            u.email,
            u.full_name,
            u.time_zone,
            u.is_notified,
            u.created_at,
            u.updated_at,
            u.row_version
    ) as shown
$$;
ALTER FUNCTION app.user_json(u app.users) OWNER TO app_owner;
COMMENT ON FUNCTION app.user_json(u app.users) IS 'A user as every endpoint shows it.';

CREATE FUNCTION app.with_steps(thing json, steps json) RETURNS json
    LANGUAGE sql STABLE
    AS $$
    select (left(thing::text, -1) || ',"steps":' || coalesce(steps, '[]')::text || '}')::json
$$;
ALTER FUNCTION app.with_steps(thing json, steps json) OWNER TO app_owner;
COMMENT ON FUNCTION app.with_steps(thing json, steps json) IS 'A routine or a version with its steps, as every endpoint shows one of them.';

CREATE TABLE app.account_events (
    id uuid DEFAULT app.new_id() NOT NULL,
    user_id uuid NOT NULL,
    event_type app.account_event NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL
);
ALTER TABLE ONLY app.account_events FORCE ROW LEVEL SECURITY;
ALTER TABLE app.account_events OWNER TO app_owner;
COMMENT ON TABLE app.account_events IS 'What happened to accounts, which belong to no family: sign-ups, sign-ins. Append-only.';
COMMENT ON COLUMN app.account_events.user_id IS 'No foreign key: the event outlives the account.';
COMMENT ON COLUMN app.account_events.metadata IS 'login, database_role, session_id and request_id, as far as they are known.';

CREATE TABLE app.audit_log (
    family_id uuid NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    id uuid DEFAULT app.new_id() NOT NULL,
    action_type app.audit_action NOT NULL,
    table_name text NOT NULL,
    row_key jsonb NOT NULL,
    before jsonb,
    after jsonb,
    actor_id uuid,
    actor_role app.member_role,
    private_to uuid,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT audit_log_before_and_after_fit_the_action CHECK ((((before IS NULL) = (action_type = 'insert'::app.audit_action)) AND ((after IS NULL) = (action_type = 'delete'::app.audit_action))))
)
PARTITION BY RANGE (occurred_at);
ALTER TABLE ONLY app.audit_log FORCE ROW LEVEL SECURITY;
ALTER TABLE app.audit_log OWNER TO app_owner;
COMMENT ON TABLE app.audit_log IS 'Every write to a family''s rows, whichever client made it. Append-only, a partition a month.';
COMMENT ON COLUMN app.audit_log.occurred_at IS 'When the row was written (not when its transaction began).';
COMMENT ON COLUMN app.audit_log.table_name IS 'The table, without its schema.';
COMMENT ON COLUMN app.audit_log.row_key IS 'The primary key of the row, without family_id.';
COMMENT ON COLUMN app.audit_log.before IS 'The changed columns before: all of them for a delete, null for an insert.';
COMMENT ON COLUMN app.audit_log.after IS 'The changed columns after: all of them for an insert, null for a delete.';
COMMENT ON COLUMN app.audit_log.actor_id IS 'The user in whose context it was done; null when there was none.';
COMMENT ON COLUMN app.audit_log.actor_role IS 'The role that user acted in; null when there was none.';
COMMENT ON COLUMN app.audit_log.private_to IS 'The user whose private row it is: nobody else reads the record. Null when shared.';
COMMENT ON COLUMN app.audit_log.metadata IS 'login, database_role, application and request_id, as far as they are known.';
COMMENT ON CONSTRAINT audit_log_before_and_after_fit_the_action ON app.audit_log IS 'An insert has only an after, a delete only a before, an update both.';

CREATE TABLE app.audit_log_default (
    family_id uuid CONSTRAINT audit_log_family_id_not_null NOT NULL,
    occurred_at timestamp with time zone DEFAULT clock_timestamp() CONSTRAINT audit_log_occurred_at_not_null NOT NULL,
    id uuid DEFAULT app.new_id() CONSTRAINT audit_log_id_not_null NOT NULL,
    action_type app.audit_action CONSTRAINT audit_log_action_type_not_null NOT NULL,
    table_name text CONSTRAINT audit_log_table_name_not_null NOT NULL,
    row_key jsonb CONSTRAINT audit_log_row_key_not_null NOT NULL,
    before jsonb,
    after jsonb,
    actor_id uuid,
    actor_role app.member_role,
    private_to uuid,
    metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT audit_log_metadata_not_null NOT NULL,
    CONSTRAINT audit_log_before_and_after_fit_the_action CHECK ((((before IS NULL) = (action_type = 'insert'::app.audit_action)) AND ((after IS NULL) = (action_type = 'delete'::app.audit_action))))
);
ALTER TABLE ONLY app.audit_log_default FORCE ROW LEVEL SECURITY;
ALTER TABLE app.audit_log_default OWNER TO app_owner;
COMMENT ON TABLE app.audit_log_default IS 'What no month''s partition takes. Should be empty: hearth migrate makes the months ahead.';

CREATE TABLE app.credentials (
    user_id uuid NOT NULL,
    password_hash text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT credentials_password_hash_is_argon2id CHECK ((password_hash ~~ '$argon2id$%'::text))
);
ALTER TABLE ONLY app.credentials FORCE ROW LEVEL SECURITY;
ALTER TABLE app.credentials OWNER TO app_owner;
COMMENT ON TABLE app.credentials IS 'The password hash of a user. Only app_auth can read it.';
COMMENT ON COLUMN app.credentials.password_hash IS 'argon2id in its encoded form: parameters, salt and hash.';
COMMENT ON CONSTRAINT credentials_password_hash_is_argon2id ON app.credentials IS 'Passwords are stored as argon2id hashes only.';

CREATE TABLE app.idempotency_keys (
    family_id uuid NOT NULL,
    user_id uuid NOT NULL,
    idempotency_key text NOT NULL,
    request_hash bytea NOT NULL,
    status bigint NOT NULL,
    body text,
    etag_version bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT idempotency_keys_body_has_at_most_4_mebibytes CHECK ((octet_length(body) <= 4194304)),
    CONSTRAINT idempotency_keys_idempotency_key_is_1_to_255_characters CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 255))),
    CONSTRAINT idempotency_keys_request_hash_is_a_sha256 CHECK ((length(request_hash) = 32)),
    CONSTRAINT idempotency_keys_status_is_one_of_success CHECK (((status >= 200) AND (status <= 299)))
);
ALTER TABLE ONLY app.idempotency_keys FORCE ROW LEVEL SECURITY;
ALTER TABLE app.idempotency_keys OWNER TO app_owner;
COMMENT ON TABLE app.idempotency_keys IS 'The response to a request with an Idempotency-Key; kept for a day.';
COMMENT ON COLUMN app.idempotency_keys.request_hash IS 'SHA-256 of path, role and body: another request may not use the same key.';
COMMENT ON COLUMN app.idempotency_keys.body IS 'The JSON text of the response; null where it was empty.';
COMMENT ON COLUMN app.idempotency_keys.etag_version IS 'The version in the response''s ETag; null where it had none.';
COMMENT ON CONSTRAINT idempotency_keys_body_has_at_most_4_mebibytes ON app.idempotency_keys IS 'The response must have at most 4 MiB.';
COMMENT ON CONSTRAINT idempotency_keys_idempotency_key_is_1_to_255_characters ON app.idempotency_keys IS 'The Idempotency-Key must have 1 to 255 characters.';
COMMENT ON CONSTRAINT idempotency_keys_request_hash_is_a_sha256 ON app.idempotency_keys IS 'The hash of a request has 32 bytes.';
COMMENT ON CONSTRAINT idempotency_keys_status_is_one_of_success ON app.idempotency_keys IS 'Only successful responses are kept.';

CREATE TABLE app.invitations (
    family_id uuid NOT NULL,
    id uuid DEFAULT app.new_id() NOT NULL,
    user_id uuid NOT NULL,
    email text NOT NULL,
    role app.member_role NOT NULL,
    token_hash bytea NOT NULL,
    expires_at timestamp with time zone DEFAULT (now() + '7 days'::interval) NOT NULL,
    accepted_at timestamp with time zone,
    member_id uuid,
    revoked_at timestamp with time zone,
    is_pending boolean GENERATED ALWAYS AS (((accepted_at IS NULL) AND (revoked_at IS NULL))) STORED NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT invitations_acceptance_has_a_member CHECK (((accepted_at IS NULL) OR (member_id IS NOT NULL))),
    CONSTRAINT invitations_email_looks_like_an_address CHECK (((email = app.visible(email)) AND (app.text_key(email) ~ '^[^@ ]+@[^@ ]+$'::text) AND (email ~ '@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*$'::text) AND (length(email) <= 254))),
    CONSTRAINT invitations_end_is_acceptance_or_revocation CHECK (((accepted_at IS NULL) OR (revoked_at IS NULL))),
    CONSTRAINT invitations_token_hash_is_sha256 CHECK ((length(token_hash) = 32))
);
ALTER TABLE ONLY app.invitations ALTER COLUMN family_id SET (n_distinct=-0.001);
ALTER TABLE ONLY app.invitations FORCE ROW LEVEL SECURITY;
ALTER TABLE app.invitations OWNER TO app_owner;
COMMENT ON TABLE app.invitations IS 'An address asked into the family. Seen by owners and admins; accepted once, within 7 days.';
COMMENT ON COLUMN app.invitations.user_id IS 'Who invited; it counts only while they could still invite.';
COMMENT ON COLUMN app.invitations.email IS 'To whom the family hands the token; whoever has it may accept, with any account.';
COMMENT ON COLUMN app.invitations.token_hash IS 'SHA-256 of the token, which is told once to the one who invites.';
COMMENT ON COLUMN app.invitations.member_id IS 'The user who accepted; null until then.';
COMMENT ON COLUMN app.invitations.revoked_at IS 'When it was revoked, or replaced by a newer one; null if neither.';
COMMENT ON COLUMN app.invitations.is_pending IS 'True until it is accepted or revoked, also when it has expired.';
COMMENT ON CONSTRAINT invitations_acceptance_has_a_member ON app.invitations IS 'An accepted invitation must name the member.';
COMMENT ON CONSTRAINT invitations_email_looks_like_an_address ON app.invitations IS 'The e-mail address must look like name@host, without blanks or invisible characters, the host in ASCII as in xn--bcher-kva.example, and have at most 254 characters.';
COMMENT ON CONSTRAINT invitations_end_is_acceptance_or_revocation ON app.invitations IS 'An invitation cannot be both accepted and revoked.';
COMMENT ON CONSTRAINT invitations_token_hash_is_sha256 ON app.invitations IS 'Tokens are stored as SHA-256.';

CREATE TABLE app.rate_limit_hits (
    id uuid DEFAULT app.new_id() NOT NULL,
    rate_limit app.rate_limit NOT NULL,
    subject_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT rate_limit_hits_subject_hash_is_a_sha256 CHECK ((length(subject_hash) = 32))
);
ALTER TABLE ONLY app.rate_limit_hits FORCE ROW LEVEL SECURITY;
ALTER TABLE app.rate_limit_hits OWNER TO app_owner;
COMMENT ON TABLE app.rate_limit_hits IS 'Attempts to sign in or up; kept for a day.';
COMMENT ON COLUMN app.rate_limit_hits.subject_hash IS 'HMAC-SHA-256 of what is counted together: an e-mail address, a network, both, or a user.';
COMMENT ON CONSTRAINT rate_limit_hits_subject_hash_is_a_sha256 ON app.rate_limit_hits IS 'The hash of a subject has 32 bytes.';

CREATE TABLE app.refresh_tokens (
    token_hash bytea NOT NULL,
    session_id uuid NOT NULL,
    replaces_hash bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT refresh_tokens_token_hash_is_sha256 CHECK ((length(token_hash) = 32))
);
ALTER TABLE ONLY app.refresh_tokens FORCE ROW LEVEL SECURITY;
ALTER TABLE app.refresh_tokens OWNER TO app_owner;
COMMENT ON TABLE app.refresh_tokens IS 'The links of a session''s chain, the newest without successor. Only app_auth can read it.';
COMMENT ON COLUMN app.refresh_tokens.token_hash IS 'SHA-256 of the token, which is stored nowhere.';
COMMENT ON COLUMN app.refresh_tokens.replaces_hash IS 'The token before it in the chain; null for the first.';
COMMENT ON CONSTRAINT refresh_tokens_token_hash_is_sha256 ON app.refresh_tokens IS 'Tokens are stored as SHA-256.';

CREATE TABLE app.sessions (
    id uuid DEFAULT app.new_id() NOT NULL,
    user_id uuid NOT NULL,
    family_id uuid,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    network_hash bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    row_version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT sessions_network_hash_is_a_sha256 CHECK ((length(network_hash) = 32))
);
ALTER TABLE ONLY app.sessions FORCE ROW LEVEL SECURITY;
ALTER TABLE app.sessions OWNER TO app_owner;
COMMENT ON TABLE app.sessions IS 'A sign-in, from its first token to its revocation or expiry.';
COMMENT ON COLUMN app.sessions.id IS 'Stands in the access token as sid.';
COMMENT ON COLUMN app.sessions.family_id IS 'The family the session acts in; null when the user has none.';
COMMENT ON COLUMN app.sessions.expires_at IS 'When the newest refresh token of the session stops working.';
COMMENT ON COLUMN app.sessions.revoked_at IS 'When the session was ended before its time; null while it lives.';
COMMENT ON COLUMN app.sessions.network_hash IS 'HMAC-SHA-256 of the network that it began in and the address of the account; null if unknown.';
COMMENT ON CONSTRAINT sessions_network_hash_is_a_sha256 ON app.sessions IS 'The hash of a network has 32 bytes.';

ALTER TABLE ONLY app.audit_log ATTACH PARTITION app.audit_log_default DEFAULT;

ALTER TABLE ONLY app.account_events
    ADD CONSTRAINT account_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (family_id, id, occurred_at);

ALTER TABLE ONLY app.audit_log_default
    ADD CONSTRAINT audit_log_default_pkey PRIMARY KEY (family_id, id, occurred_at);

ALTER TABLE ONLY app.conversations
    ADD CONSTRAINT conversations_family_id_id_user_id_key UNIQUE (family_id, id, user_id);

ALTER TABLE ONLY app.conversations
    ADD CONSTRAINT conversations_pkey PRIMARY KEY (family_id, id);

ALTER TABLE ONLY app.credentials
    ADD CONSTRAINT credentials_pkey PRIMARY KEY (user_id);
COMMENT ON CONSTRAINT credentials_pkey ON app.credentials IS 'This user already has a password.';

ALTER TABLE ONLY app.exercise_logs
    ADD CONSTRAINT exercise_logs_pkey PRIMARY KEY (family_id, id);

ALTER TABLE ONLY app.exercises
    ADD CONSTRAINT exercises_pkey PRIMARY KEY (family_id, id);

ALTER TABLE ONLY app.families
    ADD CONSTRAINT families_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.family_memberships
    ADD CONSTRAINT family_memberships_pkey PRIMARY KEY (family_id, user_id);
COMMENT ON CONSTRAINT family_memberships_pkey ON app.family_memberships IS 'This person already belongs to the family.';

ALTER TABLE ONLY app.habit_logs
    ADD CONSTRAINT habit_logs_pkey PRIMARY KEY (family_id, habit_id, logged_on);
COMMENT ON CONSTRAINT habit_logs_pkey ON app.habit_logs IS 'This day is already logged.';

ALTER TABLE ONLY app.habits
    ADD CONSTRAINT habits_family_id_user_id_id_visibility_type_key UNIQUE (family_id, user_id, id, visibility, type);

ALTER TABLE ONLY app.habits
    ADD CONSTRAINT habits_pkey PRIMARY KEY (family_id, id);

ALTER TABLE ONLY app.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (family_id, user_id, idempotency_key);
COMMENT ON CONSTRAINT idempotency_keys_pkey ON app.idempotency_keys IS 'This Idempotency-Key has already been used.';

ALTER TABLE ONLY app.invitations
    ADD CONSTRAINT invitations_pkey PRIMARY KEY (family_id, id);

ALTER TABLE ONLY app.messages
    ADD CONSTRAINT messages_pkey PRIMARY KEY (family_id, id);

ALTER TABLE ONLY app.rate_limit_hits
    ADD CONSTRAINT rate_limit_hits_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (token_hash);
COMMENT ON CONSTRAINT refresh_tokens_pkey ON app.refresh_tokens IS 'This token already exists.';

ALTER TABLE ONLY app.refresh_tokens
    ADD CONSTRAINT refresh_tokens_replaces_hash_key UNIQUE (replaces_hash);
COMMENT ON CONSTRAINT refresh_tokens_replaces_hash_key ON app.refresh_tokens IS 'This token has already been used.';

ALTER TABLE ONLY app.routine_completions
    ADD CONSTRAINT routine_completions_pkey PRIMARY KEY (family_id, user_id, routine_id, completed_on);
COMMENT ON CONSTRAINT routine_completions_pkey ON app.routine_completions IS 'The routine is already marked as done for this day.';

ALTER TABLE ONLY app.routine_steps
    ADD CONSTRAINT routine_steps_pkey PRIMARY KEY (family_id, routine_id, version, "position");
COMMENT ON CONSTRAINT routine_steps_pkey ON app.routine_steps IS 'This step already exists.';

ALTER TABLE ONLY app.routine_versions
    ADD CONSTRAINT routine_versions_family_id_user_id_routine_id_version_visib_key UNIQUE (family_id, user_id, routine_id, version, visibility);
COMMENT ON CONSTRAINT routine_versions_family_id_user_id_routine_id_version_visib_key ON app.routine_versions IS 'The routine already has this version.';

ALTER TABLE ONLY app.routine_versions
    ADD CONSTRAINT routine_versions_pkey PRIMARY KEY (family_id, routine_id, version);
COMMENT ON CONSTRAINT routine_versions_pkey ON app.routine_versions IS 'This version already exists.';

ALTER TABLE ONLY app.routines
    ADD CONSTRAINT routines_family_id_user_id_id_visibility_key UNIQUE (family_id, user_id, id, visibility);

ALTER TABLE ONLY app.routines
    ADD CONSTRAINT routines_pkey PRIMARY KEY (family_id, id);

ALTER TABLE ONLY app.score_entries
    ADD CONSTRAINT score_entries_pkey PRIMARY KEY (family_id, id);

ALTER TABLE ONLY app.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (family_id, id);

ALTER TABLE ONLY app.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX account_events_user_id_occurred_at_idx ON app.account_events USING btree (user_id, occurred_at);
CREATE INDEX audit_log_shared_idx ON ONLY app.audit_log USING btree (family_id, occurred_at, id) WHERE (private_to IS NULL);
CREATE INDEX audit_log_default_family_id_occurred_at_id_idx ON app.audit_log_default USING btree (family_id, occurred_at, id) WHERE (private_to IS NULL);
CREATE INDEX audit_log_private_idx ON ONLY app.audit_log USING btree (family_id, private_to, occurred_at, id) WHERE (private_to IS NOT NULL);
CREATE INDEX audit_log_default_family_id_private_to_occurred_at_id_idx ON app.audit_log_default USING btree (family_id, private_to, occurred_at, id) WHERE (private_to IS NOT NULL);
CREATE INDEX conversations_family_id_user_id_created_at_id_idx ON app.conversations USING btree (family_id, user_id, created_at, id);
CREATE INDEX exercise_logs_days_idx ON app.exercise_logs USING btree (family_id, user_id, exercise_id, performed_on, id);
CREATE INDEX exercises_deleted_at_idx ON app.exercises USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX exercises_family_id_is_active_created_at_id_idx ON app.exercises USING btree (family_id, is_active, created_at, id);
CREATE UNIQUE INDEX exercises_family_id_name_key ON app.exercises USING btree (family_id, app.text_key(name)) WHERE is_active;
COMMENT ON INDEX app.exercises_family_id_name_key IS 'An exercise with this name already exists.';

CREATE INDEX exercises_family_id_user_id_idx ON app.exercises USING btree (family_id, user_id);
CREATE INDEX families_deleted_at_idx ON app.families USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX family_memberships_deleted_at_idx ON app.family_memberships USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX family_memberships_family_id_is_active_created_at_user_id_idx ON app.family_memberships USING btree (family_id, is_active, created_at, user_id);
CREATE INDEX family_memberships_user_id_family_id_idx ON app.family_memberships USING btree (user_id, family_id);
CREATE INDEX habits_deleted_at_idx ON app.habits USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX habits_private_idx ON app.habits USING btree (family_id, user_id, is_active, created_at, id) WHERE (visibility = 'private'::app.visibility);
CREATE INDEX habits_shared_idx ON app.habits USING btree (family_id, is_active, created_at, id) WHERE (visibility = 'family'::app.visibility);
CREATE INDEX idempotency_keys_created_at_idx ON app.idempotency_keys USING btree (created_at);
CREATE INDEX invitations_expires_at_idx ON app.invitations USING btree (expires_at);
CREATE UNIQUE INDEX invitations_family_id_email_key ON app.invitations USING btree (family_id, app.text_key(email)) WHERE is_pending;
COMMENT ON INDEX app.invitations_family_id_email_key IS 'This e-mail address already has a pending invitation.';

CREATE INDEX invitations_family_id_is_pending_created_at_id_idx ON app.invitations USING btree (family_id, is_pending, created_at, id);
CREATE INDEX invitations_family_id_member_id_idx ON app.invitations USING btree (family_id, member_id);
CREATE INDEX invitations_family_id_user_id_idx ON app.invitations USING btree (family_id, user_id);
CREATE INDEX invitations_token_hash_idx ON app.invitations USING btree (token_hash);
CREATE INDEX messages_conversation_idx ON app.messages USING btree (family_id, user_id, conversation_id, created_at, id);
CREATE INDEX rate_limit_hits_created_at_idx ON app.rate_limit_hits USING btree (created_at);
CREATE INDEX rate_limit_hits_rate_limit_subject_hash_created_at_idx ON app.rate_limit_hits USING btree (rate_limit, subject_hash, created_at);
CREATE INDEX refresh_tokens_session_id_idx ON app.refresh_tokens USING btree (session_id);
CREATE INDEX routine_completions_routine_idx ON app.routine_completions USING btree (family_id, routine_id, completed_on, user_id);
CREATE INDEX routine_completions_today_idx ON app.routine_completions USING btree (family_id, completed_on);
CREATE INDEX routine_completions_version_idx ON app.routine_completions USING btree (family_id, routine_id, version, completed_on, user_id);
CREATE INDEX routine_steps_family_id_exercise_id_idx ON app.routine_steps USING btree (family_id, exercise_id);
CREATE INDEX routine_steps_family_id_habit_id_idx ON app.routine_steps USING btree (family_id, habit_id);
CREATE INDEX routine_versions_family_id_author_id_idx ON app.routine_versions USING btree (family_id, author_id);
CREATE INDEX routines_deleted_at_idx ON app.routines USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX routines_private_idx ON app.routines USING btree (family_id, user_id, is_active, created_at, id) WHERE (visibility = 'private'::app.visibility);
CREATE INDEX routines_shared_idx ON app.routines USING btree (family_id, is_active, created_at, id) WHERE (visibility = 'family'::app.visibility);
CREATE UNIQUE INDEX score_entries_daily_idx ON app.score_entries USING btree (family_id, kind, source_id, user_id, scored_on, sequence) WHERE (kind = ANY (ARRAY['habit'::app.score_kind, 'routine'::app.score_kind]));
COMMENT ON INDEX app.score_entries_daily_idx IS 'These points have already been awarded or reversed for this day.';

CREATE INDEX score_entries_days_idx ON app.score_entries USING btree (family_id, user_id, scored_on) INCLUDE (points);
CREATE INDEX score_entries_list_idx ON app.score_entries USING btree (family_id, user_id, created_at, id) INCLUDE (points);
CREATE UNIQUE INDEX score_entries_once_idx ON app.score_entries USING btree (family_id, kind, source_id, sequence) WHERE (kind = ANY (ARRAY['task'::app.score_kind, 'exercise'::app.score_kind]));
COMMENT ON INDEX app.score_entries_once_idx IS 'These points have already been awarded or reversed.';

CREATE INDEX sessions_expires_at_idx ON app.sessions USING btree (expires_at);
CREATE INDEX sessions_family_id_user_id_idx ON app.sessions USING btree (family_id, user_id);
CREATE INDEX sessions_network_hash_idx ON app.sessions USING btree (network_hash);
CREATE INDEX sessions_user_id_idx ON app.sessions USING btree (user_id);
CREATE INDEX tasks_family_id_due_on_idx ON app.tasks USING btree (family_id, due_on) WHERE (due_on IS NOT NULL);
CREATE INDEX tasks_family_id_user_id_idx ON app.tasks USING btree (family_id, user_id);
CREATE INDEX tasks_private_idx ON app.tasks USING btree (family_id, user_id, created_at, id) WHERE (visibility = 'private'::app.visibility);
CREATE INDEX tasks_private_state_idx ON app.tasks USING btree (family_id, user_id, is_completed, created_at, id) WHERE (visibility = 'private'::app.visibility);
CREATE INDEX tasks_private_today_idx ON app.tasks USING btree (family_id, user_id, completed_at, due_on) WHERE (visibility = 'private'::app.visibility);
CREATE INDEX tasks_shared_idx ON app.tasks USING btree (family_id, created_at, id) WHERE (visibility = 'family'::app.visibility);
CREATE INDEX tasks_shared_state_idx ON app.tasks USING btree (family_id, is_completed, created_at, id) WHERE (visibility = 'family'::app.visibility);
CREATE INDEX tasks_shared_today_idx ON app.tasks USING btree (family_id, completed_at, due_on) WHERE (visibility = 'family'::app.visibility);
CREATE INDEX users_deleted_at_idx ON app.users USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE UNIQUE INDEX users_email_key ON app.users USING btree (app.text_key(email)) WHERE is_active;
COMMENT ON INDEX app.users_email_key IS 'This e-mail address already has an account.';

ALTER INDEX app.audit_log_shared_idx ATTACH PARTITION app.audit_log_default_family_id_occurred_at_id_idx;
ALTER INDEX app.audit_log_private_idx ATTACH PARTITION app.audit_log_default_family_id_private_to_occurred_at_id_idx;
ALTER INDEX app.audit_log_pkey ATTACH PARTITION app.audit_log_default_pkey;

CREATE STATISTICS app.tasks_family_id_user_id_stat (dependencies) ON family_id, user_id FROM app.tasks;
ALTER STATISTICS app.tasks_family_id_user_id_stat OWNER TO app_owner;
COMMENT ON STATISTICS app.tasks_family_id_user_id_stat IS 'A user is in few families.';

CREATE TRIGGER _100_refuse_change BEFORE DELETE OR UPDATE ON app.account_events FOR EACH ROW EXECUTE FUNCTION app.tg_refuse_change('account events are append-only');
CREATE TRIGGER _100_refuse_change BEFORE DELETE OR UPDATE ON app.audit_log FOR EACH ROW EXECUTE FUNCTION app.tg_refuse_change('the audit trail is append-only');
CREATE TRIGGER _100_refuse_change BEFORE UPDATE ON app.idempotency_keys FOR EACH ROW EXECUTE FUNCTION app.tg_refuse_change('a response was given and stays what it was');
CREATE TRIGGER _100_refuse_change BEFORE UPDATE ON app.messages FOR EACH ROW EXECUTE FUNCTION app.tg_refuse_change('messages are immutable');
CREATE TRIGGER _100_refuse_change BEFORE UPDATE ON app.rate_limit_hits FOR EACH ROW EXECUTE FUNCTION app.tg_refuse_change('an attempt was made or was not');
CREATE TRIGGER _100_refuse_change BEFORE UPDATE ON app.routine_steps FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION app.tg_refuse_change('steps are immutable');
CREATE TRIGGER _100_refuse_change BEFORE UPDATE ON app.routine_versions FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION app.tg_refuse_change('versions are immutable');
CREATE TRIGGER _100_refuse_change BEFORE UPDATE ON app.score_entries FOR EACH ROW EXECUTE FUNCTION app.tg_refuse_change('the ledger of points is append-only');
CREATE TRIGGER _100_refuse_truncate BEFORE TRUNCATE ON app.account_events FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('account events are append-only');
CREATE TRIGGER _100_refuse_truncate BEFORE TRUNCATE ON app.audit_log FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('the audit trail is append-only');
CREATE TRIGGER _100_refuse_truncate BEFORE TRUNCATE ON app.audit_log_default FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('the audit trail is append-only');
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.conversations FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.credentials FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.exercise_logs FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.exercises FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.families FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.family_memberships FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.habit_logs FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.habits FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.invitations FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.routine_completions FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.routines FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.sessions FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.tasks FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _100_touch BEFORE UPDATE ON app.users FOR EACH ROW EXECUTE FUNCTION app.tg_touch();
CREATE TRIGGER _110_keep_quota BEFORE INSERT ON app.idempotency_keys FOR EACH ROW WHEN ((octet_length(new.body) > 8192)) EXECUTE FUNCTION app.tg_keep_quota();
CREATE TRIGGER _110_refuse_delete BEFORE DELETE ON app.messages FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION app.tg_refuse_change('a message goes only with its conversation');
CREATE TRIGGER _110_refuse_delete BEFORE DELETE ON app.routine_steps FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION app.tg_refuse_change('a step goes only with its routine');
CREATE TRIGGER _110_refuse_delete BEFORE DELETE ON app.routine_versions FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION app.tg_refuse_change('a version goes only with its routine');
CREATE TRIGGER _110_refuse_delete BEFORE DELETE ON app.score_entries FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION app.tg_refuse_change('points go only with their member');
CREATE TRIGGER _110_refuse_truncate BEFORE TRUNCATE ON app.conversations FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('rows leave one by one, so that the trail sees them');
CREATE TRIGGER _110_refuse_truncate BEFORE TRUNCATE ON app.exercise_logs FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('rows leave one by one, so that the trail sees them');
CREATE TRIGGER _110_refuse_truncate BEFORE TRUNCATE ON app.exercises FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('rows leave one by one, so that the trail sees them');
CREATE TRIGGER _110_refuse_truncate BEFORE TRUNCATE ON app.families FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('rows leave one by one, so that the trail sees them');
CREATE TRIGGER _110_refuse_truncate BEFORE TRUNCATE ON app.family_memberships FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('rows leave one by one, so that the trail sees them');
CREATE TRIGGER _110_refuse_truncate BEFORE TRUNCATE ON app.habit_logs FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('rows leave one by one, so that the trail sees them');
CREATE TRIGGER _110_refuse_truncate BEFORE TRUNCATE ON app.habits FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('rows leave one by one, so that the trail sees them');
CREATE TRIGGER _110_refuse_truncate BEFORE TRUNCATE ON app.invitations FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('rows leave one by one, so that the trail sees them');
CREATE TRIGGER _110_refuse_truncate BEFORE TRUNCATE ON app.routine_completions FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('rows leave one by one, so that the trail sees them');
CREATE TRIGGER _110_refuse_truncate BEFORE TRUNCATE ON app.routines FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('rows leave one by one, so that the trail sees them');
CREATE TRIGGER _110_refuse_truncate BEFORE TRUNCATE ON app.tasks FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('rows leave one by one, so that the trail sees them');
CREATE TRIGGER _120_add_retired_days BEFORE UPDATE ON app.habits FOR EACH ROW WHEN (((old.deleted_at IS NOT NULL) AND (new.deleted_at IS NULL))) EXECUTE FUNCTION app.tg_add_retired_days();
CREATE TRIGGER _120_refuse_truncate BEFORE TRUNCATE ON app.messages FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('messages are immutable');
CREATE TRIGGER _120_refuse_truncate BEFORE TRUNCATE ON app.routine_steps FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('steps are immutable');
CREATE TRIGGER _120_refuse_truncate BEFORE TRUNCATE ON app.routine_versions FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('versions are immutable');
CREATE TRIGGER _120_refuse_truncate BEFORE TRUNCATE ON app.score_entries FOR EACH STATEMENT EXECUTE FUNCTION app.tg_refuse_change('the ledger of points is append-only');
CREATE TRIGGER _120_set_entered_on BEFORE INSERT OR UPDATE ON app.exercise_logs FOR EACH ROW EXECUTE FUNCTION app.tg_set_entered_on();
CREATE TRIGGER _120_set_entered_on BEFORE INSERT OR UPDATE OF value, is_done, note ON app.habit_logs FOR EACH ROW EXECUTE FUNCTION app.tg_set_entered_on();
CREATE TRIGGER _120_set_entered_on BEFORE INSERT OR UPDATE OF version ON app.routine_completions FOR EACH ROW EXECUTE FUNCTION app.tg_set_entered_on();
CREATE TRIGGER _130_judge BEFORE INSERT OR UPDATE OF value, is_done, note ON app.habit_logs FOR EACH ROW EXECUTE FUNCTION app.tg_judge_habit_log();
CREATE TRIGGER _150_require_visible_parent BEFORE INSERT ON app.habit_logs FOR EACH ROW EXECUTE FUNCTION app.tg_require_visible_parent('habits', 'habit_id');
CREATE TRIGGER _150_require_visible_parent BEFORE INSERT ON app.routine_versions FOR EACH ROW EXECUTE FUNCTION app.tg_require_visible_parent('routines', 'routine_id');
CREATE TRIGGER _200_check_step BEFORE INSERT ON app.routine_steps FOR EACH ROW EXECUTE FUNCTION app.tg_check_step();
CREATE TRIGGER _200_keep_an_owner BEFORE UPDATE ON app.family_memberships FOR EACH ROW EXECUTE FUNCTION app.tg_keep_an_owner();
CREATE TRIGGER _200_refuse_members AFTER INSERT ON app.invitations FOR EACH ROW EXECUTE FUNCTION app.tg_refuse_members();
CREATE TRIGGER _200_refuse_others BEFORE UPDATE OF name, description, target_value, unit, weekdays, times_per_week, points, visibility ON app.habits FOR EACH ROW WHEN ((old.user_id <> app.current_user_id())) EXECUTE FUNCTION app.tg_refuse_change('a habit is changed by its owner');
CREATE TRIGGER _200_refuse_worth BEFORE UPDATE ON app.tasks FOR EACH ROW WHEN ((old.points <> new.points)) EXECUTE FUNCTION app.tg_refuse_worth();
CREATE TRIGGER _210_refuse_taking_back BEFORE UPDATE ON app.tasks FOR EACH ROW WHEN (((old.completed_at IS NOT NULL) AND (new.completed_at IS NULL))) EXECUTE FUNCTION app.tg_refuse_taking_back();
CREATE TRIGGER _210_require_active_user BEFORE UPDATE ON app.family_memberships FOR EACH ROW WHEN (((old.deleted_at IS NOT NULL) AND (new.deleted_at IS NULL))) EXECUTE FUNCTION app.tg_require_active_user();
CREATE TRIGGER _500_score_insert AFTER INSERT ON app.exercise_logs FOR EACH ROW EXECUTE FUNCTION app.tg_score_exercise_log();
CREATE TRIGGER _500_score_insert AFTER INSERT ON app.habit_logs FOR EACH ROW WHEN (new.is_done) EXECUTE FUNCTION app.tg_score_habit_log();
CREATE TRIGGER _500_score_insert AFTER INSERT ON app.routine_completions FOR EACH ROW EXECUTE FUNCTION app.tg_score_routine_completion();
CREATE TRIGGER _500_score_insert AFTER INSERT ON app.tasks FOR EACH ROW WHEN (new.is_completed) EXECUTE FUNCTION app.tg_score_task();
CREATE TRIGGER _510_score_update AFTER UPDATE ON app.exercise_logs FOR EACH ROW WHEN ((old.performed_on <> new.performed_on)) EXECUTE FUNCTION app.tg_score_exercise_log();
CREATE TRIGGER _510_score_update AFTER UPDATE ON app.habit_logs FOR EACH ROW WHEN ((old.is_done <> new.is_done)) EXECUTE FUNCTION app.tg_score_habit_log();
CREATE TRIGGER _510_score_update AFTER UPDATE ON app.tasks FOR EACH ROW WHEN ((old.is_completed <> new.is_completed)) EXECUTE FUNCTION app.tg_score_task();
CREATE TRIGGER _520_score_delete AFTER DELETE ON app.exercise_logs FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION app.tg_score_exercise_log();
CREATE TRIGGER _520_score_delete AFTER DELETE ON app.habit_logs FOR EACH ROW WHEN ((old.is_done AND (pg_trigger_depth() = 0))) EXECUTE FUNCTION app.tg_score_habit_log();
CREATE TRIGGER _520_score_delete AFTER DELETE ON app.routine_completions FOR EACH ROW WHEN ((pg_trigger_depth() = 0)) EXECUTE FUNCTION app.tg_score_routine_completion();
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE OR UPDATE ON app.conversations FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit('private');
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE OR UPDATE ON app.exercise_logs FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit('private');
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE OR UPDATE ON app.exercises FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit();
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE OR UPDATE ON app.families FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit();
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE OR UPDATE ON app.family_memberships FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit();
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE OR UPDATE ON app.habit_logs FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit();
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE OR UPDATE ON app.habits FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit();
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE OR UPDATE ON app.invitations FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit('family', 'email', 'token_hash');
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE ON app.messages FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit('private', 'content');
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE OR UPDATE ON app.routine_completions FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit();
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE ON app.routine_steps FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit();
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE ON app.routine_versions FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit();
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE OR UPDATE ON app.routines FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit();
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE ON app.score_entries FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit();
CREATE TRIGGER _900_audit AFTER INSERT OR DELETE OR UPDATE ON app.tasks FOR EACH ROW EXECUTE FUNCTION app.tg_record_audit();

ALTER TABLE ONLY app.conversations
    ADD CONSTRAINT conversations_family_id_user_id_fkey FOREIGN KEY (family_id, user_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT conversations_family_id_user_id_fkey ON app.conversations IS 'The user does not belong to this family.';

ALTER TABLE ONLY app.credentials
    ADD CONSTRAINT credentials_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users(id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT credentials_user_id_fkey ON app.credentials IS 'The user does not exist.';

ALTER TABLE ONLY app.exercise_logs
    ADD CONSTRAINT exercise_logs_family_id_exercise_id_fkey FOREIGN KEY (family_id, exercise_id) REFERENCES app.exercises(family_id, id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT exercise_logs_family_id_exercise_id_fkey ON app.exercise_logs IS 'The exercise does not exist.';

ALTER TABLE ONLY app.exercise_logs
    ADD CONSTRAINT exercise_logs_family_id_user_id_fkey FOREIGN KEY (family_id, user_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT exercise_logs_family_id_user_id_fkey ON app.exercise_logs IS 'The user does not belong to this family.';

ALTER TABLE ONLY app.exercises
    ADD CONSTRAINT exercises_family_id_fkey FOREIGN KEY (family_id) REFERENCES app.families(id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT exercises_family_id_fkey ON app.exercises IS 'The family does not exist.';

ALTER TABLE ONLY app.exercises
    ADD CONSTRAINT exercises_family_id_user_id_fkey FOREIGN KEY (family_id, user_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE SET NULL (user_id);
COMMENT ON CONSTRAINT exercises_family_id_user_id_fkey ON app.exercises IS 'The user does not belong to this family.';

ALTER TABLE ONLY app.family_memberships
    ADD CONSTRAINT family_memberships_family_id_fkey FOREIGN KEY (family_id) REFERENCES app.families(id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT family_memberships_family_id_fkey ON app.family_memberships IS 'The family does not exist.';

ALTER TABLE ONLY app.family_memberships
    ADD CONSTRAINT family_memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users(id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT family_memberships_user_id_fkey ON app.family_memberships IS 'The user does not exist.';

ALTER TABLE ONLY app.habit_logs
    ADD CONSTRAINT habit_logs_family_id_habit_id_user_id_visibility_type_fkey FOREIGN KEY (family_id, habit_id, user_id, visibility, type) REFERENCES app.habits(family_id, id, user_id, visibility, type) ON UPDATE CASCADE ON DELETE CASCADE;
COMMENT ON CONSTRAINT habit_logs_family_id_habit_id_user_id_visibility_type_fkey ON app.habit_logs IS 'The habit does not exist.';

ALTER TABLE ONLY app.habits
    ADD CONSTRAINT habits_family_id_user_id_fkey FOREIGN KEY (family_id, user_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT habits_family_id_user_id_fkey ON app.habits IS 'The user does not belong to this family.';

ALTER TABLE ONLY app.idempotency_keys
    ADD CONSTRAINT idempotency_keys_family_id_user_id_fkey FOREIGN KEY (family_id, user_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT idempotency_keys_family_id_user_id_fkey ON app.idempotency_keys IS 'The user does not belong to this family.';

ALTER TABLE ONLY app.invitations
    ADD CONSTRAINT invitations_family_id_member_id_fkey FOREIGN KEY (family_id, member_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT invitations_family_id_member_id_fkey ON app.invitations IS 'The invited user does not belong to this family.';

ALTER TABLE ONLY app.invitations
    ADD CONSTRAINT invitations_family_id_user_id_fkey FOREIGN KEY (family_id, user_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT invitations_family_id_user_id_fkey ON app.invitations IS 'The user does not belong to this family.';

ALTER TABLE ONLY app.messages
    ADD CONSTRAINT messages_family_id_user_id_conversation_id_fkey FOREIGN KEY (family_id, user_id, conversation_id) REFERENCES app.conversations(family_id, user_id, id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT messages_family_id_user_id_conversation_id_fkey ON app.messages IS 'The conversation does not exist.';

ALTER TABLE ONLY app.refresh_tokens
    ADD CONSTRAINT refresh_tokens_replaces_hash_fkey FOREIGN KEY (replaces_hash) REFERENCES app.refresh_tokens(token_hash) ON DELETE CASCADE;
COMMENT ON CONSTRAINT refresh_tokens_replaces_hash_fkey ON app.refresh_tokens IS 'The previous token does not exist.';

ALTER TABLE ONLY app.refresh_tokens
    ADD CONSTRAINT refresh_tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES app.sessions(id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT refresh_tokens_session_id_fkey ON app.refresh_tokens IS 'The session does not exist.';

ALTER TABLE ONLY app.routine_completions
    ADD CONSTRAINT routine_completions_family_id_routine_id_owner_id_visibili_fkey FOREIGN KEY (family_id, routine_id, owner_id, visibility) REFERENCES app.routines(family_id, id, user_id, visibility) ON UPDATE CASCADE ON DELETE CASCADE;
COMMENT ON CONSTRAINT routine_completions_family_id_routine_id_owner_id_visibili_fkey ON app.routine_completions IS 'The routine does not exist, or was just shared or made private.';

ALTER TABLE ONLY app.routine_completions
    ADD CONSTRAINT routine_completions_family_id_routine_id_version_fkey FOREIGN KEY (family_id, routine_id, version) REFERENCES app.routine_versions(family_id, routine_id, version) ON DELETE CASCADE;
COMMENT ON CONSTRAINT routine_completions_family_id_routine_id_version_fkey ON app.routine_completions IS 'The version does not exist.';

ALTER TABLE ONLY app.routine_completions
    ADD CONSTRAINT routine_completions_family_id_user_id_fkey FOREIGN KEY (family_id, user_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT routine_completions_family_id_user_id_fkey ON app.routine_completions IS 'The user does not belong to this family.';

ALTER TABLE ONLY app.routine_steps
    ADD CONSTRAINT routine_steps_family_id_exercise_id_fkey FOREIGN KEY (family_id, exercise_id) REFERENCES app.exercises(family_id, id) ON DELETE SET NULL (exercise_id);
COMMENT ON CONSTRAINT routine_steps_family_id_exercise_id_fkey ON app.routine_steps IS 'The exercise does not exist.';

ALTER TABLE ONLY app.routine_steps
    ADD CONSTRAINT routine_steps_family_id_habit_id_fkey FOREIGN KEY (family_id, habit_id) REFERENCES app.habits(family_id, id) ON DELETE SET NULL (habit_id);
COMMENT ON CONSTRAINT routine_steps_family_id_habit_id_fkey ON app.routine_steps IS 'The habit does not exist.';

ALTER TABLE ONLY app.routine_steps
    ADD CONSTRAINT routine_steps_family_id_user_id_routine_id_version_visibil_fkey FOREIGN KEY (family_id, user_id, routine_id, version, visibility) REFERENCES app.routine_versions(family_id, user_id, routine_id, version, visibility) ON UPDATE CASCADE ON DELETE CASCADE;
COMMENT ON CONSTRAINT routine_steps_family_id_user_id_routine_id_version_visibil_fkey ON app.routine_steps IS 'The version does not exist, or its routine was just made private.';

ALTER TABLE ONLY app.routine_versions
    ADD CONSTRAINT routine_versions_family_id_author_id_fkey FOREIGN KEY (family_id, author_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE SET NULL (author_id);
COMMENT ON CONSTRAINT routine_versions_family_id_author_id_fkey ON app.routine_versions IS 'The user does not belong to this family.';

ALTER TABLE ONLY app.routine_versions
    ADD CONSTRAINT routine_versions_family_id_routine_id_user_id_routine_visi_fkey FOREIGN KEY (family_id, routine_id, user_id, routine_visibility) REFERENCES app.routines(family_id, id, user_id, visibility) ON UPDATE CASCADE ON DELETE CASCADE;
COMMENT ON CONSTRAINT routine_versions_family_id_routine_id_user_id_routine_visi_fkey ON app.routine_versions IS 'The routine does not exist, or was just shared or made private.';

ALTER TABLE ONLY app.routines
    ADD CONSTRAINT routines_family_id_id_version_fkey FOREIGN KEY (family_id, id, version) REFERENCES app.routine_versions(family_id, routine_id, version) ON DELETE RESTRICT;
COMMENT ON CONSTRAINT routines_family_id_id_version_fkey ON app.routines IS 'The newest version does not exist.';

ALTER TABLE ONLY app.routines
    ADD CONSTRAINT routines_family_id_user_id_fkey FOREIGN KEY (family_id, user_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT routines_family_id_user_id_fkey ON app.routines IS 'The user does not belong to this family.';

ALTER TABLE ONLY app.score_entries
    ADD CONSTRAINT score_entries_family_id_user_id_fkey FOREIGN KEY (family_id, user_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT score_entries_family_id_user_id_fkey ON app.score_entries IS 'The user does not belong to this family.';

ALTER TABLE ONLY app.sessions
    ADD CONSTRAINT sessions_family_id_user_id_fkey FOREIGN KEY (family_id, user_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE SET NULL (family_id);
COMMENT ON CONSTRAINT sessions_family_id_user_id_fkey ON app.sessions IS 'The user does not belong to this family.';

ALTER TABLE ONLY app.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES app.users(id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT sessions_user_id_fkey ON app.sessions IS 'The user does not exist.';

ALTER TABLE ONLY app.tasks
    ADD CONSTRAINT tasks_family_id_user_id_fkey FOREIGN KEY (family_id, user_id) REFERENCES app.family_memberships(family_id, user_id) ON DELETE CASCADE;
COMMENT ON CONSTRAINT tasks_family_id_user_id_fkey ON app.tasks IS 'The user does not belong to this family.';

ALTER TABLE app.account_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.audit_log_default ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.credentials ENABLE ROW LEVEL SECURITY;

CREATE POLICY delete_auth ON app.idempotency_keys FOR DELETE TO app_auth USING (true);
COMMENT ON POLICY delete_auth ON app.idempotency_keys IS 'The functions of app_auth forget what is old.';

CREATE POLICY delete_auth ON app.rate_limit_hits FOR DELETE TO app_auth USING (true);
COMMENT ON POLICY delete_auth ON app.rate_limit_hits IS 'The functions of app_auth forget and forgive.';

CREATE POLICY delete_ops ON app.exercises FOR DELETE TO app_ops USING ((NOT is_active));
COMMENT ON POLICY delete_ops ON app.exercises IS 'Maintenance purges what was retired, and nothing else.';

CREATE POLICY delete_ops ON app.families FOR DELETE TO app_ops USING ((NOT is_active));
COMMENT ON POLICY delete_ops ON app.families IS 'Maintenance purges what was retired, and nothing else.';

CREATE POLICY delete_ops ON app.family_memberships FOR DELETE TO app_ops USING ((NOT is_active));
COMMENT ON POLICY delete_ops ON app.family_memberships IS 'Maintenance purges what was retired, and nothing else.';

CREATE POLICY delete_ops ON app.habits FOR DELETE TO app_ops USING ((NOT is_active));
COMMENT ON POLICY delete_ops ON app.habits IS 'Maintenance purges what was retired, and nothing else.';

CREATE POLICY delete_ops ON app.invitations FOR DELETE TO app_ops USING ((expires_at < CURRENT_TIMESTAMP));
COMMENT ON POLICY delete_ops ON app.invitations IS 'Maintenance purges what has expired, and nothing else.';

CREATE POLICY delete_ops ON app.routines FOR DELETE TO app_ops USING ((NOT is_active));
COMMENT ON POLICY delete_ops ON app.routines IS 'Maintenance purges what was retired, and nothing else.';

CREATE POLICY delete_ops ON app.sessions FOR DELETE TO app_ops USING ((expires_at < CURRENT_TIMESTAMP));
COMMENT ON POLICY delete_ops ON app.sessions IS 'Maintenance purges what has expired, and nothing else.';

CREATE POLICY delete_ops ON app.users FOR DELETE TO app_ops USING ((NOT is_active));
COMMENT ON POLICY delete_ops ON app.users IS 'Maintenance purges what was retired, and nothing else.';

CREATE POLICY delete_own ON app.conversations FOR DELETE TO app_api USING (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY delete_own ON app.conversations IS 'Their own.';

CREATE POLICY delete_own ON app.exercise_logs FOR DELETE TO app_api USING (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY delete_own ON app.exercise_logs IS 'Their own.';

CREATE POLICY delete_own ON app.habit_logs FOR DELETE TO app_api USING (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY delete_own ON app.habit_logs IS 'Their own.';

CREATE POLICY delete_own ON app.routine_completions FOR DELETE TO app_api USING (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY delete_own ON app.routine_completions IS 'Their own.';

CREATE POLICY delete_own_or_admin ON app.tasks FOR DELETE TO app_api USING (((family_id = app.current_family_id()) AND ((user_id = app.current_user_id()) OR ((visibility = 'family'::app.visibility) AND (app.current_member_role() = ANY (ARRAY['owner'::app.member_role, 'admin'::app.member_role]))))));
COMMENT ON POLICY delete_own_or_admin ON app.tasks IS 'Their own; what the family shares also by who runs the family.';

ALTER TABLE app.exercise_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.exercises ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.families ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.family_memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.habit_logs ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.habits ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.idempotency_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY insert_audit ON app.audit_log FOR INSERT TO app_audit WITH CHECK (true);
COMMENT ON POLICY insert_audit ON app.audit_log IS 'The trigger function appends.';

CREATE POLICY insert_auth ON app.account_events FOR INSERT TO app_auth WITH CHECK (true);
COMMENT ON POLICY insert_auth ON app.account_events IS 'The functions of app_auth append.';

CREATE POLICY insert_auth ON app.credentials FOR INSERT TO app_auth WITH CHECK (true);
COMMENT ON POLICY insert_auth ON app.credentials IS 'The functions of app_auth make the rows.';

CREATE POLICY insert_auth ON app.families FOR INSERT TO app_auth WITH CHECK (is_active);
COMMENT ON POLICY insert_auth ON app.families IS 'The functions of app_auth make the rows.';

CREATE POLICY insert_auth ON app.family_memberships FOR INSERT TO app_auth WITH CHECK (is_active);
COMMENT ON POLICY insert_auth ON app.family_memberships IS 'The functions of app_auth make the rows.';

CREATE POLICY insert_auth ON app.rate_limit_hits FOR INSERT TO app_auth WITH CHECK (true);
COMMENT ON POLICY insert_auth ON app.rate_limit_hits IS 'The functions of app_auth note attempts.';

CREATE POLICY insert_auth ON app.refresh_tokens FOR INSERT TO app_auth WITH CHECK (true);
COMMENT ON POLICY insert_auth ON app.refresh_tokens IS 'The functions of app_auth append links.';

CREATE POLICY insert_auth ON app.score_entries FOR INSERT TO app_auth WITH CHECK (true);
COMMENT ON POLICY insert_auth ON app.score_entries IS 'record_score appends.';

CREATE POLICY insert_auth ON app.sessions FOR INSERT TO app_auth WITH CHECK ((revoked_at IS NULL));
COMMENT ON POLICY insert_auth ON app.sessions IS 'The functions of app_auth begin sessions, never an ended one.';

CREATE POLICY insert_auth ON app.users FOR INSERT TO app_auth WITH CHECK (is_active);
COMMENT ON POLICY insert_auth ON app.users IS 'The functions of app_auth make the rows.';

CREATE POLICY insert_ops ON app.account_events FOR INSERT TO app_ops WITH CHECK ((event_type = ANY (ARRAY['account_restored'::app.account_event, 'account_purged'::app.account_event])));
COMMENT ON POLICY insert_ops ON app.account_events IS 'Only the record of a restore or a purge.';

CREATE POLICY insert_own ON app.conversations FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY insert_own ON app.conversations IS 'Only in their own name and in the family they act in.';

CREATE POLICY insert_own ON app.exercise_logs FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY insert_own ON app.exercise_logs IS 'Only in their own name and in the family they act in.';

CREATE POLICY insert_own ON app.exercises FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY insert_own ON app.exercises IS 'Only in their own name and in the family they act in.';

CREATE POLICY insert_own ON app.habit_logs FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY insert_own ON app.habit_logs IS 'Only in their own name and in the family they act in.';

CREATE POLICY insert_own ON app.habits FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY insert_own ON app.habits IS 'Only in their own name and in the family they act in.';

CREATE POLICY insert_own ON app.idempotency_keys FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY insert_own ON app.idempotency_keys IS 'Only in their own name and in the family they act in.';

CREATE POLICY insert_own ON app.messages FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY insert_own ON app.messages IS 'Only in their own name and in the family they act in.';

CREATE POLICY insert_own ON app.routines FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY insert_own ON app.routines IS 'Only in their own name and in the family they act in.';

CREATE POLICY insert_own ON app.tasks FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY insert_own ON app.tasks IS 'Only in their own name and in the family they act in.';

CREATE POLICY insert_own_as_admin ON app.invitations FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id()) AND ((app.current_member_role() = 'owner'::app.member_role) OR ((app.current_member_role() = 'admin'::app.member_role) AND (role <> 'owner'::app.member_role)))));
COMMENT ON POLICY insert_own_as_admin ON app.invitations IS 'Owners into every role, admins into all but theirs; only in their own name.';

CREATE POLICY insert_own_or_admin ON app.routine_steps FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND ((user_id = app.current_user_id()) OR ((visibility = 'family'::app.visibility) AND (app.current_member_role() = ANY (ARRAY['owner'::app.member_role, 'admin'::app.member_role]))))));
COMMENT ON POLICY insert_own_or_admin ON app.routine_steps IS 'Of their own routines; of shared ones also by who runs the family.';

CREATE POLICY insert_own_or_admin ON app.routine_versions FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND (author_id = app.current_user_id()) AND (saved_visibility = routine_visibility) AND ((user_id = app.current_user_id()) OR ((visibility = 'family'::app.visibility) AND (app.current_member_role() = ANY (ARRAY['owner'::app.member_role, 'admin'::app.member_role]))))));
COMMENT ON POLICY insert_own_or_admin ON app.routine_versions IS 'In their own name, as visible as the routine: of their own, or shared and run by them.';

CREATE POLICY insert_own_or_shared ON app.routine_completions FOR INSERT TO app_api WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id()) AND ((visibility = 'family'::app.visibility) OR (owner_id = app.current_user_id()))));
COMMENT ON POLICY insert_own_or_shared ON app.routine_completions IS 'Only in their own name: of their own routines, and of those the family shares.';

ALTER TABLE app.invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.rate_limit_hits ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.refresh_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.routine_completions ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.routine_steps ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.routine_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.routines ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.score_entries ENABLE ROW LEVEL SECURITY;

CREATE POLICY select_above_member ON app.invitations FOR SELECT TO app_reader, app_api USING (((family_id = app.current_family_id()) AND (app.current_member_role() <> 'member'::app.member_role)));
COMMENT ON POLICY select_above_member ON app.invitations IS 'Owners and admins.';

CREATE POLICY select_admin ON app.audit_log FOR SELECT TO app_reader, app_api USING (((family_id = app.current_family_id()) AND (app.current_member_role() = ANY (ARRAY['owner'::app.member_role, 'admin'::app.member_role])) AND ((private_to IS NULL) OR (private_to = app.current_user_id()))));
COMMENT ON POLICY select_admin ON app.audit_log IS 'Owners and admins, but for what is private to somebody else.';

CREATE POLICY select_auth ON app.credentials FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.credentials IS 'The functions of app_auth hand a hash to sign-in.';

CREATE POLICY select_auth ON app.exercises FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.exercises IS 'The trigger function of the ledger of points sees what doing it is worth.';

CREATE POLICY select_auth ON app.families FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.families IS 'The functions of app_auth look across families.';

CREATE POLICY select_auth ON app.family_memberships FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.family_memberships IS 'The functions of app_auth look across families.';

CREATE POLICY select_auth ON app.habits FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.habits IS 'The trigger function of the ledger of points sees what doing it is worth.';

CREATE POLICY select_auth ON app.idempotency_keys FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.idempotency_keys IS 'The functions of app_auth find what is old.';

CREATE POLICY select_auth ON app.invitations FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.invitations IS 'The functions of app_auth find an invitation by its token.';

CREATE POLICY select_auth ON app.rate_limit_hits FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.rate_limit_hits IS 'The functions of app_auth count.';

CREATE POLICY select_auth ON app.refresh_tokens FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.refresh_tokens IS 'The functions of app_auth follow the chain.';

CREATE POLICY select_auth ON app.routines FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.routines IS 'The trigger function of the ledger of points sees what doing it is worth.';

CREATE POLICY select_auth ON app.score_entries FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.score_entries IS 'record_score finds what was awarded.';

CREATE POLICY select_auth ON app.sessions FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.sessions IS 'The functions of app_auth find sessions.';

CREATE POLICY select_auth ON app.users FOR SELECT TO app_auth USING (true);
COMMENT ON POLICY select_auth ON app.users IS 'The functions of app_auth find accounts.';

CREATE POLICY select_family ON app.exercises FOR SELECT TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY select_family ON app.exercises IS 'Every member sees it.';

CREATE POLICY select_family ON app.families FOR SELECT TO app_reader, app_api USING ((id = app.current_family_id()));
COMMENT ON POLICY select_family ON app.families IS 'Every member sees it.';

CREATE POLICY select_family ON app.family_memberships FOR SELECT TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY select_family ON app.family_memberships IS 'Every member sees it.';

CREATE POLICY select_family ON app.score_entries FOR SELECT TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY select_family ON app.score_entries IS 'Every member sees it.';

CREATE POLICY select_ops ON app.account_events FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.account_events IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.audit_log FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.audit_log IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.conversations FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.conversations IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.exercise_logs FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.exercise_logs IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.exercises FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.exercises IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.families FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.families IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.family_memberships FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.family_memberships IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.habit_logs FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.habit_logs IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.habits FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.habits IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.idempotency_keys FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.idempotency_keys IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.invitations FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.invitations IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.messages FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.messages IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.routine_completions FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.routine_completions IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.routine_steps FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.routine_steps IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.routine_versions FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.routine_versions IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.routines FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.routines IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.score_entries FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.score_entries IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.sessions FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.sessions IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.tasks FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.tasks IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_ops ON app.users FOR SELECT TO app_ops USING (true);
COMMENT ON POLICY select_ops ON app.users IS 'Maintenance sees every row, in the columns it is granted.';

CREATE POLICY select_own ON app.conversations FOR SELECT TO app_reader, app_api USING (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY select_own ON app.conversations IS 'Their own rows.';

CREATE POLICY select_own ON app.exercise_logs FOR SELECT TO app_reader, app_api USING (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY select_own ON app.exercise_logs IS 'Their own rows.';

CREATE POLICY select_own ON app.idempotency_keys FOR SELECT TO app_api USING (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY select_own ON app.idempotency_keys IS 'Their own responses.';

CREATE POLICY select_own ON app.messages FOR SELECT TO app_reader, app_api USING (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY select_own ON app.messages IS 'Their own rows.';

CREATE POLICY select_own ON app.sessions FOR SELECT TO app_reader, app_api USING ((user_id = app.current_user_id()));
COMMENT ON POLICY select_own ON app.sessions IS 'Their own sessions.';

CREATE POLICY select_own ON app.users FOR SELECT TO app_reader, app_api USING ((id = app.current_user_id()));
COMMENT ON POLICY select_own ON app.users IS 'Everybody their own row.';

CREATE POLICY select_own_or_shared ON app.habit_logs FOR SELECT TO app_reader, app_api USING (((family_id = app.current_family_id()) AND ((visibility = 'family'::app.visibility) OR (user_id = app.current_user_id()))));
COMMENT ON POLICY select_own_or_shared ON app.habit_logs IS 'Their own, and what the family shares.';

CREATE POLICY select_own_or_shared ON app.habits FOR SELECT TO app_reader, app_api USING (((family_id = app.current_family_id()) AND ((visibility = 'family'::app.visibility) OR (user_id = app.current_user_id()))));
COMMENT ON POLICY select_own_or_shared ON app.habits IS 'Their own, and what the family shares.';

CREATE POLICY select_own_or_shared ON app.routine_completions FOR SELECT TO app_reader, app_api USING (((family_id = app.current_family_id()) AND ((visibility = 'family'::app.visibility) OR (user_id = app.current_user_id()))));
COMMENT ON POLICY select_own_or_shared ON app.routine_completions IS 'Their own, and what the family shares.';

CREATE POLICY select_own_or_shared ON app.routine_steps FOR SELECT TO app_reader, app_api USING (((family_id = app.current_family_id()) AND ((visibility = 'family'::app.visibility) OR (user_id = app.current_user_id()))));
COMMENT ON POLICY select_own_or_shared ON app.routine_steps IS 'Their own, and what the family shares.';

CREATE POLICY select_own_or_shared ON app.routine_versions FOR SELECT TO app_reader, app_api USING (((family_id = app.current_family_id()) AND ((visibility = 'family'::app.visibility) OR (user_id = app.current_user_id()))));
COMMENT ON POLICY select_own_or_shared ON app.routine_versions IS 'Their own, and what the family shares.';

CREATE POLICY select_own_or_shared ON app.routines FOR SELECT TO app_reader, app_api USING (((family_id = app.current_family_id()) AND ((visibility = 'family'::app.visibility) OR (user_id = app.current_user_id()))));
COMMENT ON POLICY select_own_or_shared ON app.routines IS 'Their own, and what the family shares.';

CREATE POLICY select_own_or_shared ON app.tasks FOR SELECT TO app_reader, app_api USING (((family_id = app.current_family_id()) AND ((visibility = 'family'::app.visibility) OR (user_id = app.current_user_id()))));
COMMENT ON POLICY select_own_or_shared ON app.tasks IS 'Their own, and what the family shares.';

ALTER TABLE app.sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.tasks ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant_floor ON app.audit_log AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.audit_log IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.conversations AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.conversations IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.exercise_logs AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.exercise_logs IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.exercises AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.exercises IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.families AS RESTRICTIVE TO app_reader, app_api USING ((id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.families IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.family_memberships AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.family_memberships IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.habit_logs AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.habit_logs IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.habits AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.habits IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.idempotency_keys AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.idempotency_keys IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.invitations AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.invitations IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.messages AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.messages IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.routine_completions AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.routine_completions IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.routine_steps AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.routine_steps IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.routine_versions AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.routine_versions IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.routines AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.routines IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.score_entries AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.score_entries IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY tenant_floor ON app.tasks AS RESTRICTIVE TO app_reader, app_api USING ((family_id = app.current_family_id()));
COMMENT ON POLICY tenant_floor ON app.tasks IS 'Whatever the other policies allow, never a row of another family.';

CREATE POLICY update_admin ON app.families FOR UPDATE TO app_api USING (((id = app.current_family_id()) AND (app.current_member_role() = ANY (ARRAY['owner'::app.member_role, 'admin'::app.member_role])))) WITH CHECK (((id = app.current_family_id()) AND (app.current_member_role() = ANY (ARRAY['owner'::app.member_role, 'admin'::app.member_role]))));
COMMENT ON POLICY update_admin ON app.families IS 'Owners and admins.';

CREATE POLICY update_admin ON app.invitations FOR UPDATE TO app_api USING (((family_id = app.current_family_id()) AND is_pending AND ((app.current_member_role() = 'owner'::app.member_role) OR ((app.current_member_role() = 'admin'::app.member_role) AND (role <> 'owner'::app.member_role))))) WITH CHECK (((family_id = app.current_family_id()) AND (NOT is_pending) AND ((app.current_member_role() = 'owner'::app.member_role) OR ((app.current_member_role() = 'admin'::app.member_role) AND (role <> 'owner'::app.member_role)))));
COMMENT ON POLICY update_admin ON app.invitations IS 'Owners revoke every pending one, admins all but those of owners.';

CREATE POLICY update_auth ON app.credentials FOR UPDATE TO app_auth USING (true) WITH CHECK (true);
COMMENT ON POLICY update_auth ON app.credentials IS 'The functions of app_auth change the hash.';

CREATE POLICY update_auth ON app.families FOR UPDATE TO app_auth USING (is_active) WITH CHECK ((NOT is_active));
COMMENT ON POLICY update_auth ON app.families IS 'The functions of app_auth retire what is still active.';

CREATE POLICY update_auth ON app.family_memberships FOR UPDATE TO app_auth USING ((is_active OR (user_id = app.current_user_id()))) WITH CHECK (((NOT is_active) OR (user_id = app.current_user_id())));
COMMENT ON POLICY update_auth ON app.family_memberships IS 'The functions of app_auth retire what is still active, and take back in who asks for it.';

CREATE POLICY update_auth ON app.invitations FOR UPDATE TO app_auth USING (is_pending) WITH CHECK ((NOT is_pending));
COMMENT ON POLICY update_auth ON app.invitations IS 'The functions of app_auth accept what is pending.';

CREATE POLICY update_auth ON app.sessions FOR UPDATE TO app_auth USING ((revoked_at IS NULL)) WITH CHECK (true);
COMMENT ON POLICY update_auth ON app.sessions IS 'The functions of app_auth move and end what is not yet ended.';

CREATE POLICY update_auth ON app.users FOR UPDATE TO app_auth USING (is_active) WITH CHECK ((NOT is_active));
COMMENT ON POLICY update_auth ON app.users IS 'The functions of app_auth retire what is still active.';

CREATE POLICY update_ops ON app.families FOR UPDATE TO app_ops USING ((NOT is_active)) WITH CHECK (is_active);
COMMENT ON POLICY update_ops ON app.families IS 'Maintenance restores what was retired.';

CREATE POLICY update_ops ON app.family_memberships FOR UPDATE TO app_ops USING ((NOT is_active)) WITH CHECK (is_active);
COMMENT ON POLICY update_ops ON app.family_memberships IS 'Maintenance restores what was retired.';

CREATE POLICY update_ops ON app.users FOR UPDATE TO app_ops USING ((NOT is_active)) WITH CHECK (is_active);
COMMENT ON POLICY update_ops ON app.users IS 'Maintenance restores what was retired.';

CREATE POLICY update_own ON app.conversations FOR UPDATE TO app_api USING (((family_id = app.current_family_id()) AND (user_id = app.current_user_id()))) WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY update_own ON app.conversations IS 'Their own rows, which stay their own.';

CREATE POLICY update_own ON app.exercise_logs FOR UPDATE TO app_api USING (((family_id = app.current_family_id()) AND (user_id = app.current_user_id()))) WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY update_own ON app.exercise_logs IS 'Their own rows, which stay their own.';

CREATE POLICY update_own ON app.habit_logs FOR UPDATE TO app_api USING (((family_id = app.current_family_id()) AND (user_id = app.current_user_id()))) WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY update_own ON app.habit_logs IS 'Their own rows, which stay their own.';

CREATE POLICY update_own ON app.routine_completions FOR UPDATE TO app_api USING (((family_id = app.current_family_id()) AND (user_id = app.current_user_id()))) WITH CHECK (((family_id = app.current_family_id()) AND (user_id = app.current_user_id())));
COMMENT ON POLICY update_own ON app.routine_completions IS 'Their own rows, which stay their own.';

CREATE POLICY update_own ON app.users FOR UPDATE TO app_api USING ((id = app.current_user_id())) WITH CHECK ((id = app.current_user_id()));
COMMENT ON POLICY update_own ON app.users IS 'Everybody their own row.';

CREATE POLICY update_own_or_admin ON app.exercises FOR UPDATE TO app_api USING (((family_id = app.current_family_id()) AND ((user_id = app.current_user_id()) OR (app.current_member_role() = ANY (ARRAY['owner'::app.member_role, 'admin'::app.member_role]))))) WITH CHECK (((family_id = app.current_family_id()) AND ((user_id = app.current_user_id()) OR (app.current_member_role() = ANY (ARRAY['owner'::app.member_role, 'admin'::app.member_role])))));
COMMENT ON POLICY update_own_or_admin ON app.exercises IS 'Their own; every one by who runs the family.';

CREATE POLICY update_own_or_admin ON app.family_memberships FOR UPDATE TO app_api USING (((family_id = app.current_family_id()) AND (((user_id = app.current_user_id()) AND is_active) OR (app.current_member_role() = 'owner'::app.member_role) OR ((app.current_member_role() = 'admin'::app.member_role) AND (role <> 'owner'::app.member_role))))) WITH CHECK (((family_id = app.current_family_id()) AND (((user_id = app.current_user_id()) AND (role = app.current_member_role())) OR (app.current_member_role() = 'owner'::app.member_role) OR ((app.current_member_role() = 'admin'::app.member_role) AND (role <> 'owner'::app.member_role)))));
COMMENT ON POLICY update_own_or_admin ON app.family_memberships IS 'Owners change every member, admins all but owners, members themselves while they are active.';

CREATE POLICY update_own_or_admin ON app.habits FOR UPDATE TO app_api USING (((family_id = app.current_family_id()) AND ((user_id = app.current_user_id()) OR ((visibility = 'family'::app.visibility) AND (app.current_member_role() = ANY (ARRAY['owner'::app.member_role, 'admin'::app.member_role])))))) WITH CHECK (((family_id = app.current_family_id()) AND ((user_id = app.current_user_id()) OR ((visibility = 'family'::app.visibility) AND (app.current_member_role() = ANY (ARRAY['owner'::app.member_role, 'admin'::app.member_role]))))));
COMMENT ON POLICY update_own_or_admin ON app.habits IS 'Their own; what the family shares also by who runs the family.';

CREATE POLICY update_own_or_admin ON app.routines FOR UPDATE TO app_api USING (((family_id = app.current_family_id()) AND ((user_id = app.current_user_id()) OR ((visibility = 'family'::app.visibility) AND (app.current_member_role() = ANY (ARRAY['owner'::app.member_role, 'admin'::app.member_role])))))) WITH CHECK (((family_id = app.current_family_id()) AND ((user_id = app.current_user_id()) OR ((visibility = 'family'::app.visibility) AND (app.current_member_role() = ANY (ARRAY['owner'::app.member_role, 'admin'::app.member_role]))))));
COMMENT ON POLICY update_own_or_admin ON app.routines IS 'Their own; what the family shares also by who runs the family, and it stays shared.';

CREATE POLICY update_own_or_shared ON app.tasks FOR UPDATE TO app_api USING (((family_id = app.current_family_id()) AND ((visibility = 'family'::app.visibility) OR (user_id = app.current_user_id())))) WITH CHECK (((family_id = app.current_family_id()) AND ((visibility = 'family'::app.visibility) OR (user_id = app.current_user_id()))));
COMMENT ON POLICY update_own_or_shared ON app.tasks IS 'Their own and what the family shares; only the owner makes it private again.';

ALTER TABLE app.users ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA app TO app_api;
GRANT USAGE ON SCHEMA app TO app_auth;
GRANT USAGE ON SCHEMA app TO app_audit;
GRANT USAGE ON SCHEMA app TO app_ops;
GRANT USAGE ON SCHEMA app TO app_reader;

REVOKE ALL ON FUNCTION app.is_line(value text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.is_line(value text) TO app_api;
GRANT ALL ON FUNCTION app.is_line(value text) TO app_auth;
GRANT ALL ON FUNCTION app.is_line(value text) TO app_ops;

REVOKE ALL ON FUNCTION app.is_time_zone(name text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.is_time_zone(name text) TO app_api;
GRANT ALL ON FUNCTION app.is_time_zone(name text) TO app_auth;
GRANT ALL ON FUNCTION app.is_time_zone(name text) TO app_ops;

REVOKE ALL ON FUNCTION app.new_id() FROM PUBLIC;
GRANT ALL ON FUNCTION app.new_id() TO app_api;
GRANT ALL ON FUNCTION app.new_id() TO app_auth;
GRANT ALL ON FUNCTION app.new_id() TO app_audit;
GRANT ALL ON FUNCTION app.new_id() TO app_ops;

GRANT SELECT ON TABLE app.families TO app_api;
GRANT SELECT ON TABLE app.families TO app_reader;
GRANT SELECT ON TABLE app.families TO app_auth;
GRANT DELETE ON TABLE app.families TO app_ops;
GRANT INSERT(id) ON TABLE app.families TO app_auth;
GRANT SELECT(id) ON TABLE app.families TO app_ops;
GRANT UPDATE(name) ON TABLE app.families TO app_api;
GRANT INSERT(name) ON TABLE app.families TO app_auth;
GRANT SELECT(name) ON TABLE app.families TO app_ops;
GRANT UPDATE(time_zone) ON TABLE app.families TO app_api;
GRANT INSERT(time_zone) ON TABLE app.families TO app_auth;
GRANT UPDATE(deleted_at) ON TABLE app.families TO app_auth;
GRANT SELECT(deleted_at),UPDATE(deleted_at) ON TABLE app.families TO app_ops;
GRANT SELECT(is_active) ON TABLE app.families TO app_ops;

REVOKE ALL ON FUNCTION app.accept_invitation(token_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION app.accept_invitation(token_hash bytea) TO app_api;

REVOKE ALL ON FUNCTION app.assert_membership() FROM PUBLIC;
GRANT ALL ON FUNCTION app.assert_membership() TO app_api;
GRANT ALL ON FUNCTION app.assert_membership() TO app_reader;

REVOKE ALL ON FUNCTION app.begin_request(user_id uuid, session_id uuid, family_id uuid, member_role text, request_id uuid, read_only boolean, statement_timeout integer, lock_timeout integer, idle_timeout integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.begin_request(user_id uuid, session_id uuid, family_id uuid, member_role text, request_id uuid, read_only boolean, statement_timeout integer, lock_timeout integer, idle_timeout integer) TO app_api;

REVOKE ALL ON FUNCTION app.begin_session(event_type app.account_event, user_id uuid, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.change_password(old_hash text, new_hash text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.change_password(old_hash text, new_hash text) TO app_api;

REVOKE ALL ON FUNCTION app.close_session() FROM PUBLIC;
GRANT ALL ON FUNCTION app.close_session() TO app_api;

REVOKE ALL ON FUNCTION app.condition_holds(condition text, table_name text, table_row jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION app.condition_holds(condition text, table_name text, table_row jsonb) TO app_ops;

REVOKE ALL ON FUNCTION app.conditions_of(expression text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.conditions_of(expression text) TO app_ops;

REVOKE ALL ON FUNCTION app.contexts_of(email text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.contexts_of(email text) TO app_ops;

GRANT SELECT,DELETE ON TABLE app.conversations TO app_api;
GRANT SELECT ON TABLE app.conversations TO app_reader;
GRANT INSERT(family_id) ON TABLE app.conversations TO app_api;
GRANT SELECT(family_id) ON TABLE app.conversations TO app_ops;
GRANT SELECT(id) ON TABLE app.conversations TO app_ops;
GRANT INSERT(user_id) ON TABLE app.conversations TO app_api;
GRANT SELECT(user_id) ON TABLE app.conversations TO app_ops;
GRANT INSERT(title),UPDATE(title) ON TABLE app.conversations TO app_api;

REVOKE ALL ON FUNCTION app.conversation_json(c app.conversations) FROM PUBLIC;
GRANT ALL ON FUNCTION app.conversation_json(c app.conversations) TO app_api;

REVOKE ALL ON FUNCTION app.create_family(name text, time_zone text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.create_family(name text, time_zone text) TO app_api;

REVOKE ALL ON FUNCTION app.current_family_id() FROM PUBLIC;
GRANT ALL ON FUNCTION app.current_family_id() TO app_api;
GRANT ALL ON FUNCTION app.current_family_id() TO app_auth;
GRANT ALL ON FUNCTION app.current_family_id() TO app_audit;
GRANT ALL ON FUNCTION app.current_family_id() TO app_ops;
GRANT ALL ON FUNCTION app.current_family_id() TO app_reader;

REVOKE ALL ON FUNCTION app.current_member_role() FROM PUBLIC;
GRANT ALL ON FUNCTION app.current_member_role() TO app_api;
GRANT ALL ON FUNCTION app.current_member_role() TO app_auth;
GRANT ALL ON FUNCTION app.current_member_role() TO app_audit;
GRANT ALL ON FUNCTION app.current_member_role() TO app_ops;
GRANT ALL ON FUNCTION app.current_member_role() TO app_reader;

REVOKE ALL ON FUNCTION app.current_request_id() FROM PUBLIC;
GRANT ALL ON FUNCTION app.current_request_id() TO app_api;
GRANT ALL ON FUNCTION app.current_request_id() TO app_auth;
GRANT ALL ON FUNCTION app.current_request_id() TO app_audit;
GRANT ALL ON FUNCTION app.current_request_id() TO app_ops;
GRANT ALL ON FUNCTION app.current_request_id() TO app_reader;

REVOKE ALL ON FUNCTION app.current_session_id() FROM PUBLIC;
GRANT ALL ON FUNCTION app.current_session_id() TO app_api;
GRANT ALL ON FUNCTION app.current_session_id() TO app_auth;
GRANT ALL ON FUNCTION app.current_session_id() TO app_audit;
GRANT ALL ON FUNCTION app.current_session_id() TO app_ops;
GRANT ALL ON FUNCTION app.current_session_id() TO app_reader;

REVOKE ALL ON FUNCTION app.current_user_id() FROM PUBLIC;
GRANT ALL ON FUNCTION app.current_user_id() TO app_api;
GRANT ALL ON FUNCTION app.current_user_id() TO app_auth;
GRANT ALL ON FUNCTION app.current_user_id() TO app_audit;
GRANT ALL ON FUNCTION app.current_user_id() TO app_ops;
GRANT ALL ON FUNCTION app.current_user_id() TO app_reader;

REVOKE ALL ON FUNCTION app.cursor_of(at timestamp with time zone, id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.cursor_of(at timestamp with time zone, id uuid) TO app_api;

REVOKE ALL ON FUNCTION app.delete_expired_idempotency_keys(idempotency_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.delete_expired_idempotency_keys(idempotency_key text) TO app_api;

REVOKE ALL ON FUNCTION app.display_name_of(full_name text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.display_name_of(full_name text) TO app_api;
GRANT ALL ON FUNCTION app.display_name_of(full_name text) TO app_auth;

REVOKE ALL ON FUNCTION app.ensure_audit_partitions(months_ahead integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.ensure_audit_partitions(months_ahead integer) TO app_ops;

REVOKE ALL ON FUNCTION app.event_metadata() FROM PUBLIC;
GRANT ALL ON FUNCTION app.event_metadata() TO app_ops;

GRANT SELECT ON TABLE app.exercises TO app_api;
GRANT SELECT ON TABLE app.exercises TO app_reader;
GRANT DELETE ON TABLE app.exercises TO app_ops;
GRANT INSERT(family_id) ON TABLE app.exercises TO app_api;
GRANT SELECT(family_id) ON TABLE app.exercises TO app_auth;
GRANT SELECT(family_id) ON TABLE app.exercises TO app_ops;
GRANT SELECT(id) ON TABLE app.exercises TO app_auth;
GRANT SELECT(id) ON TABLE app.exercises TO app_ops;
GRANT INSERT(user_id) ON TABLE app.exercises TO app_api;
GRANT SELECT(user_id) ON TABLE app.exercises TO app_ops;
GRANT INSERT(name),UPDATE(name) ON TABLE app.exercises TO app_api;
GRANT INSERT(description),UPDATE(description) ON TABLE app.exercises TO app_api;
GRANT INSERT(points),UPDATE(points) ON TABLE app.exercises TO app_api;
GRANT SELECT(points) ON TABLE app.exercises TO app_auth;
GRANT UPDATE(deleted_at) ON TABLE app.exercises TO app_api;
GRANT SELECT(deleted_at) ON TABLE app.exercises TO app_ops;
GRANT SELECT(is_active) ON TABLE app.exercises TO app_ops;

REVOKE ALL ON FUNCTION app.exercise_json(e app.exercises) FROM PUBLIC;
GRANT ALL ON FUNCTION app.exercise_json(e app.exercises) TO app_api;

GRANT SELECT,DELETE ON TABLE app.exercise_logs TO app_api;
GRANT SELECT ON TABLE app.exercise_logs TO app_reader;
GRANT INSERT(family_id) ON TABLE app.exercise_logs TO app_api;
GRANT SELECT(family_id) ON TABLE app.exercise_logs TO app_ops;
GRANT SELECT(id) ON TABLE app.exercise_logs TO app_ops;
GRANT INSERT(exercise_id) ON TABLE app.exercise_logs TO app_api;
GRANT INSERT(user_id) ON TABLE app.exercise_logs TO app_api;
GRANT SELECT(user_id) ON TABLE app.exercise_logs TO app_ops;
GRANT INSERT(performed_on),UPDATE(performed_on) ON TABLE app.exercise_logs TO app_api;
GRANT INSERT(sets),UPDATE(sets) ON TABLE app.exercise_logs TO app_api;
GRANT INSERT(reps),UPDATE(reps) ON TABLE app.exercise_logs TO app_api;
GRANT INSERT(weight_kg),UPDATE(weight_kg) ON TABLE app.exercise_logs TO app_api;
GRANT INSERT(duration_s),UPDATE(duration_s) ON TABLE app.exercise_logs TO app_api;
GRANT INSERT(distance_m),UPDATE(distance_m) ON TABLE app.exercise_logs TO app_api;
GRANT INSERT(note),UPDATE(note) ON TABLE app.exercise_logs TO app_api;

REVOKE ALL ON FUNCTION app.exercise_log_json(l app.exercise_logs) FROM PUBLIC;
GRANT ALL ON FUNCTION app.exercise_log_json(l app.exercise_logs) TO app_api;

REVOKE ALL ON FUNCTION app.explain_access(table_name text, row_id uuid, command text, user_id uuid, family_id uuid, member_role app.member_role) FROM PUBLIC;
GRANT ALL ON FUNCTION app.explain_access(table_name text, row_id uuid, command text, user_id uuid, family_id uuid, member_role app.member_role) TO app_ops;

REVOKE ALL ON FUNCTION app.family_json(f app.families) FROM PUBLIC;
GRANT ALL ON FUNCTION app.family_json(f app.families) TO app_api;

REVOKE ALL ON FUNCTION app.find_credentials(email text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.find_credentials(email text) TO app_api;

GRANT SELECT ON TABLE app.habits TO app_api;
GRANT SELECT ON TABLE app.habits TO app_reader;
GRANT DELETE ON TABLE app.habits TO app_ops;
GRANT INSERT(family_id) ON TABLE app.habits TO app_api;
GRANT SELECT(family_id) ON TABLE app.habits TO app_auth;
GRANT SELECT(family_id) ON TABLE app.habits TO app_ops;
GRANT SELECT(id) ON TABLE app.habits TO app_auth;
GRANT SELECT(id) ON TABLE app.habits TO app_ops;
GRANT INSERT(user_id) ON TABLE app.habits TO app_api;
GRANT SELECT(user_id) ON TABLE app.habits TO app_ops;
GRANT INSERT(name),UPDATE(name) ON TABLE app.habits TO app_api;
GRANT INSERT(description),UPDATE(description) ON TABLE app.habits TO app_api;
GRANT INSERT(type) ON TABLE app.habits TO app_api;
GRANT INSERT(target_value),UPDATE(target_value) ON TABLE app.habits TO app_api;
GRANT INSERT(unit),UPDATE(unit) ON TABLE app.habits TO app_api;
GRANT INSERT(weekdays),UPDATE(weekdays) ON TABLE app.habits TO app_api;
GRANT INSERT(times_per_week),UPDATE(times_per_week) ON TABLE app.habits TO app_api;
GRANT INSERT(points),UPDATE(points) ON TABLE app.habits TO app_api;
GRANT SELECT(points) ON TABLE app.habits TO app_auth;
GRANT INSERT(visibility),UPDATE(visibility) ON TABLE app.habits TO app_api;
GRANT SELECT(visibility) ON TABLE app.habits TO app_ops;
GRANT UPDATE(deleted_at) ON TABLE app.habits TO app_api;
GRANT SELECT(deleted_at) ON TABLE app.habits TO app_ops;
GRANT SELECT(is_active) ON TABLE app.habits TO app_ops;

REVOKE ALL ON FUNCTION app.habit_json(h app.habits) FROM PUBLIC;
GRANT ALL ON FUNCTION app.habit_json(h app.habits) TO app_api;

GRANT SELECT,DELETE ON TABLE app.habit_logs TO app_api;
GRANT SELECT ON TABLE app.habit_logs TO app_reader;
GRANT INSERT(family_id) ON TABLE app.habit_logs TO app_api;
GRANT SELECT(family_id) ON TABLE app.habit_logs TO app_ops;
GRANT INSERT(habit_id) ON TABLE app.habit_logs TO app_api;
GRANT SELECT(habit_id) ON TABLE app.habit_logs TO app_ops;
GRANT INSERT(logged_on) ON TABLE app.habit_logs TO app_api;
GRANT INSERT(user_id) ON TABLE app.habit_logs TO app_api;
GRANT SELECT(user_id) ON TABLE app.habit_logs TO app_ops;
GRANT INSERT(visibility) ON TABLE app.habit_logs TO app_api;
GRANT SELECT(visibility) ON TABLE app.habit_logs TO app_ops;
GRANT INSERT(type) ON TABLE app.habit_logs TO app_api;
GRANT INSERT(value),UPDATE(value) ON TABLE app.habit_logs TO app_api;
GRANT INSERT(target_value) ON TABLE app.habit_logs TO app_api;
GRANT INSERT(is_done),UPDATE(is_done) ON TABLE app.habit_logs TO app_api;
GRANT INSERT(note),UPDATE(note) ON TABLE app.habit_logs TO app_api;

REVOKE ALL ON FUNCTION app.habit_log_json(l app.habit_logs) FROM PUBLIC;
GRANT ALL ON FUNCTION app.habit_log_json(l app.habit_logs) TO app_api;

REVOKE ALL ON FUNCTION app.hit_rate_limit(rate_limit app.rate_limit, subject_hash bytea, max_attempts integer, period interval) FROM PUBLIC;
GRANT ALL ON FUNCTION app.hit_rate_limit(rate_limit app.rate_limit, subject_hash bytea, max_attempts integer, period interval) TO app_api;

REVOKE ALL ON FUNCTION app.idempotent_response(idempotency_key text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.idempotent_response(idempotency_key text) TO app_api;

REVOKE ALL ON FUNCTION app.invitation_json(id uuid, user_id uuid, email text, role app.member_role, is_pending boolean, expires_at timestamp with time zone, accepted_at timestamp with time zone, member_id uuid, revoked_at timestamp with time zone, created_at timestamp with time zone, updated_at timestamp with time zone, row_version bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION app.invitation_json(id uuid, user_id uuid, email text, role app.member_role, is_pending boolean, expires_at timestamp with time zone, accepted_at timestamp with time zone, member_id uuid, revoked_at timestamp with time zone, created_at timestamp with time zone, updated_at timestamp with time zone, row_version bigint) TO app_api;

REVOKE ALL ON FUNCTION app.knows_network(network_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION app.knows_network(network_hash bytea) TO app_api;

GRANT SELECT ON TABLE app.family_memberships TO app_api;
GRANT SELECT ON TABLE app.family_memberships TO app_reader;
GRANT SELECT ON TABLE app.family_memberships TO app_auth;
GRANT DELETE ON TABLE app.family_memberships TO app_ops;
GRANT INSERT(family_id) ON TABLE app.family_memberships TO app_auth;
GRANT SELECT(family_id) ON TABLE app.family_memberships TO app_ops;
GRANT INSERT(user_id) ON TABLE app.family_memberships TO app_auth;
GRANT SELECT(user_id) ON TABLE app.family_memberships TO app_ops;
GRANT UPDATE(role) ON TABLE app.family_memberships TO app_api;
GRANT INSERT(role),UPDATE(role) ON TABLE app.family_memberships TO app_auth;
GRANT SELECT(role) ON TABLE app.family_memberships TO app_ops;
GRANT UPDATE(display_name) ON TABLE app.family_memberships TO app_api;
GRANT INSERT(display_name) ON TABLE app.family_memberships TO app_auth;
GRANT UPDATE(deleted_at) ON TABLE app.family_memberships TO app_api;
GRANT UPDATE(deleted_at) ON TABLE app.family_memberships TO app_auth;
GRANT SELECT(deleted_at),UPDATE(deleted_at) ON TABLE app.family_memberships TO app_ops;
GRANT SELECT(is_active) ON TABLE app.family_memberships TO app_ops;

REVOKE ALL ON FUNCTION app.member_json(m app.family_memberships) FROM PUBLIC;
GRANT ALL ON FUNCTION app.member_json(m app.family_memberships) TO app_api;

GRANT SELECT ON TABLE app.messages TO app_api;
GRANT SELECT ON TABLE app.messages TO app_reader;
GRANT INSERT(family_id) ON TABLE app.messages TO app_api;
GRANT SELECT(family_id) ON TABLE app.messages TO app_ops;
GRANT SELECT(id) ON TABLE app.messages TO app_ops;
GRANT INSERT(user_id) ON TABLE app.messages TO app_api;
GRANT SELECT(user_id) ON TABLE app.messages TO app_ops;
GRANT INSERT(conversation_id) ON TABLE app.messages TO app_api;
GRANT INSERT(role) ON TABLE app.messages TO app_api;
GRANT INSERT(content) ON TABLE app.messages TO app_api;

REVOKE ALL ON FUNCTION app.message_json(m app.messages) FROM PUBLIC;
GRANT ALL ON FUNCTION app.message_json(m app.messages) TO app_api;

REVOKE ALL ON FUNCTION app.my_families() FROM PUBLIC;
GRANT ALL ON FUNCTION app.my_families() TO app_api;

REVOKE ALL ON FUNCTION app.new_token() FROM PUBLIC;
GRANT ALL ON FUNCTION app.new_token() TO app_api;

REVOKE ALL ON FUNCTION app.occurrence_of(day date, weekdays integer[]) FROM PUBLIC;
GRANT ALL ON FUNCTION app.occurrence_of(day date, weekdays integer[]) TO app_api;

REVOKE ALL ON FUNCTION app.open_session(user_id uuid, password_hash text, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION app.open_session(user_id uuid, password_hash text, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) TO app_api;

REVOKE ALL ON FUNCTION app.own_credentials() FROM PUBLIC;
GRANT ALL ON FUNCTION app.own_credentials() TO app_api;

REVOKE ALL ON FUNCTION app.page_of(items json[], size integer, cursor text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.page_of(items json[], size integer, cursor text) TO app_api;

REVOKE ALL ON FUNCTION app.record_score(kind app.score_kind, family_id uuid, source_id uuid, user_id uuid, scored_on date, points integer, is_done boolean) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.refresh_session(token_hash bytea, new_token_hash bytea, expires_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION app.refresh_session(token_hash bytea, new_token_hash bytea, expires_at timestamp with time zone) TO app_api;

REVOKE ALL ON FUNCTION app.reset_rate_limit(rate_limit app.rate_limit, subject_hash bytea, newest integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.reset_rate_limit(rate_limit app.rate_limit, subject_hash bytea, newest integer) TO app_api;

REVOKE ALL ON FUNCTION app.resolve_membership(user_id uuid, preferred_family_id uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.restore_account(user_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.restore_account(user_id uuid) TO app_ops;

REVOKE ALL ON FUNCTION app.restore_family(family_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.restore_family(family_id uuid) TO app_ops;

REVOKE ALL ON FUNCTION app.retire_account() FROM PUBLIC;
GRANT ALL ON FUNCTION app.retire_account() TO app_api;

REVOKE ALL ON FUNCTION app.retire_family() FROM PUBLIC;
GRANT ALL ON FUNCTION app.retire_family() TO app_api;

REVOKE ALL ON FUNCTION app.revoke_sessions(user_id uuid, kept_session_id uuid) FROM PUBLIC;

GRANT SELECT,DELETE ON TABLE app.routine_completions TO app_api;
GRANT SELECT ON TABLE app.routine_completions TO app_reader;
GRANT INSERT(family_id) ON TABLE app.routine_completions TO app_api;
GRANT SELECT(family_id) ON TABLE app.routine_completions TO app_ops;
GRANT INSERT(user_id) ON TABLE app.routine_completions TO app_api;
GRANT SELECT(user_id) ON TABLE app.routine_completions TO app_ops;
GRANT INSERT(routine_id) ON TABLE app.routine_completions TO app_api;
GRANT SELECT(routine_id) ON TABLE app.routine_completions TO app_ops;
GRANT INSERT(completed_on) ON TABLE app.routine_completions TO app_api;
GRANT SELECT(completed_on) ON TABLE app.routine_completions TO app_ops;
GRANT INSERT(owner_id) ON TABLE app.routine_completions TO app_api;
GRANT SELECT(owner_id) ON TABLE app.routine_completions TO app_ops;
GRANT INSERT(visibility) ON TABLE app.routine_completions TO app_api;
GRANT SELECT(visibility) ON TABLE app.routine_completions TO app_ops;
GRANT INSERT(version),UPDATE(version) ON TABLE app.routine_completions TO app_api;

REVOKE ALL ON FUNCTION app.routine_completion_json(c app.routine_completions) FROM PUBLIC;
GRANT ALL ON FUNCTION app.routine_completion_json(c app.routine_completions) TO app_api;

GRANT SELECT ON TABLE app.routines TO app_api;
GRANT SELECT ON TABLE app.routines TO app_reader;
GRANT DELETE ON TABLE app.routines TO app_ops;
GRANT INSERT(family_id) ON TABLE app.routines TO app_api;
GRANT SELECT(family_id) ON TABLE app.routines TO app_auth;
GRANT SELECT(family_id) ON TABLE app.routines TO app_ops;
GRANT SELECT(id) ON TABLE app.routines TO app_auth;
GRANT SELECT(id) ON TABLE app.routines TO app_ops;
GRANT INSERT(user_id) ON TABLE app.routines TO app_api;
GRANT SELECT(user_id) ON TABLE app.routines TO app_ops;
GRANT INSERT(name),UPDATE(name) ON TABLE app.routines TO app_api;
GRANT INSERT(description),UPDATE(description) ON TABLE app.routines TO app_api;
GRANT INSERT(visibility),UPDATE(visibility) ON TABLE app.routines TO app_api;
GRANT SELECT(visibility) ON TABLE app.routines TO app_ops;
GRANT INSERT(points),UPDATE(points) ON TABLE app.routines TO app_api;
GRANT SELECT(points) ON TABLE app.routines TO app_auth;
GRANT UPDATE(version) ON TABLE app.routines TO app_api;
GRANT UPDATE(deleted_at) ON TABLE app.routines TO app_api;
GRANT SELECT(deleted_at) ON TABLE app.routines TO app_ops;
GRANT SELECT(is_active) ON TABLE app.routines TO app_ops;

REVOKE ALL ON FUNCTION app.routine_json(r app.routines) FROM PUBLIC;
GRANT ALL ON FUNCTION app.routine_json(r app.routines) TO app_api;

GRANT SELECT ON TABLE app.routine_steps TO app_api;
GRANT SELECT ON TABLE app.routine_steps TO app_reader;
GRANT INSERT(family_id) ON TABLE app.routine_steps TO app_api;
GRANT SELECT(family_id) ON TABLE app.routine_steps TO app_ops;
GRANT INSERT(routine_id) ON TABLE app.routine_steps TO app_api;
GRANT SELECT(routine_id) ON TABLE app.routine_steps TO app_ops;
GRANT INSERT(version) ON TABLE app.routine_steps TO app_api;
GRANT SELECT(version) ON TABLE app.routine_steps TO app_ops;
GRANT INSERT("position") ON TABLE app.routine_steps TO app_api;
GRANT SELECT("position") ON TABLE app.routine_steps TO app_ops;
GRANT INSERT(user_id) ON TABLE app.routine_steps TO app_api;
GRANT SELECT(user_id) ON TABLE app.routine_steps TO app_ops;
GRANT INSERT(visibility) ON TABLE app.routine_steps TO app_api;
GRANT SELECT(visibility) ON TABLE app.routine_steps TO app_ops;
GRANT INSERT(title) ON TABLE app.routine_steps TO app_api;
GRANT INSERT(minutes) ON TABLE app.routine_steps TO app_api;
GRANT INSERT(habit_id) ON TABLE app.routine_steps TO app_api;
GRANT INSERT(exercise_id) ON TABLE app.routine_steps TO app_api;

REVOKE ALL ON FUNCTION app.routine_step_json(s app.routine_steps) FROM PUBLIC;
GRANT ALL ON FUNCTION app.routine_step_json(s app.routine_steps) TO app_api;

GRANT SELECT ON TABLE app.routine_versions TO app_api;
GRANT SELECT ON TABLE app.routine_versions TO app_reader;
GRANT INSERT(family_id) ON TABLE app.routine_versions TO app_api;
GRANT SELECT(family_id) ON TABLE app.routine_versions TO app_ops;
GRANT INSERT(routine_id) ON TABLE app.routine_versions TO app_api;
GRANT SELECT(routine_id) ON TABLE app.routine_versions TO app_ops;
GRANT INSERT(version) ON TABLE app.routine_versions TO app_api;
GRANT SELECT(version) ON TABLE app.routine_versions TO app_ops;
GRANT INSERT(user_id) ON TABLE app.routine_versions TO app_api;
GRANT SELECT(user_id) ON TABLE app.routine_versions TO app_ops;
GRANT INSERT(routine_visibility) ON TABLE app.routine_versions TO app_api;
GRANT SELECT(routine_visibility) ON TABLE app.routine_versions TO app_ops;
GRANT INSERT(saved_visibility) ON TABLE app.routine_versions TO app_api;
GRANT SELECT(saved_visibility) ON TABLE app.routine_versions TO app_ops;
GRANT SELECT(visibility) ON TABLE app.routine_versions TO app_ops;
GRANT INSERT(author_id) ON TABLE app.routine_versions TO app_api;
GRANT SELECT(author_id) ON TABLE app.routine_versions TO app_ops;
GRANT INSERT(restored_version) ON TABLE app.routine_versions TO app_api;

REVOKE ALL ON FUNCTION app.routine_version_json(v app.routine_versions) FROM PUBLIC;
GRANT ALL ON FUNCTION app.routine_version_json(v app.routine_versions) TO app_api;

GRANT SELECT ON TABLE app.score_entries TO app_api;
GRANT SELECT ON TABLE app.score_entries TO app_reader;
GRANT SELECT ON TABLE app.score_entries TO app_auth;
GRANT INSERT(family_id) ON TABLE app.score_entries TO app_auth;
GRANT SELECT(family_id) ON TABLE app.score_entries TO app_ops;
GRANT SELECT(id) ON TABLE app.score_entries TO app_ops;
GRANT INSERT(user_id) ON TABLE app.score_entries TO app_auth;
GRANT SELECT(user_id) ON TABLE app.score_entries TO app_ops;
GRANT INSERT(kind) ON TABLE app.score_entries TO app_auth;
GRANT INSERT(source_id) ON TABLE app.score_entries TO app_auth;
GRANT INSERT(scored_on) ON TABLE app.score_entries TO app_auth;
GRANT INSERT(sequence) ON TABLE app.score_entries TO app_auth;
GRANT INSERT(points) ON TABLE app.score_entries TO app_auth;

REVOKE ALL ON FUNCTION app.score_json(e app.score_entries) FROM PUBLIC;
GRANT ALL ON FUNCTION app.score_json(e app.score_entries) TO app_api;

REVOKE ALL ON FUNCTION app.sign_up(email text, password_hash text, full_name text, family_name text, time_zone text, invitation_hash bytea, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION app.sign_up(email text, password_hash text, full_name text, family_name text, time_zone text, invitation_hash bytea, token_hash bytea, expires_at timestamp with time zone, network_hash bytea) TO app_api;

REVOKE ALL ON FUNCTION app.switch_family(family_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.switch_family(family_id uuid) TO app_api;

GRANT SELECT,DELETE ON TABLE app.tasks TO app_api;
GRANT SELECT ON TABLE app.tasks TO app_reader;
GRANT INSERT(family_id) ON TABLE app.tasks TO app_api;
GRANT SELECT(family_id) ON TABLE app.tasks TO app_ops;
GRANT SELECT(id) ON TABLE app.tasks TO app_ops;
GRANT INSERT(user_id) ON TABLE app.tasks TO app_api;
GRANT SELECT(user_id) ON TABLE app.tasks TO app_ops;
GRANT INSERT(title),UPDATE(title) ON TABLE app.tasks TO app_api;
GRANT INSERT(description),UPDATE(description) ON TABLE app.tasks TO app_api;
GRANT INSERT(due_on),UPDATE(due_on) ON TABLE app.tasks TO app_api;
GRANT INSERT(visibility),UPDATE(visibility) ON TABLE app.tasks TO app_api;
GRANT SELECT(visibility) ON TABLE app.tasks TO app_ops;
GRANT INSERT(completed_at),UPDATE(completed_at) ON TABLE app.tasks TO app_api;
GRANT INSERT(points),UPDATE(points) ON TABLE app.tasks TO app_api;

REVOKE ALL ON FUNCTION app.task_json(t app.tasks) FROM PUBLIC;
GRANT ALL ON FUNCTION app.task_json(t app.tasks) TO app_api;

REVOKE ALL ON FUNCTION app.text_key(value text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.text_key(value text) TO app_api;
GRANT ALL ON FUNCTION app.text_key(value text) TO app_auth;
GRANT ALL ON FUNCTION app.text_key(value text) TO app_ops;

REVOKE ALL ON FUNCTION app.tg_add_retired_days() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.tg_check_step() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.tg_judge_habit_log() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.tg_keep_an_owner() FROM PUBLIC;
GRANT ALL ON FUNCTION app.tg_keep_an_owner() TO app_owner;

REVOKE ALL ON FUNCTION app.tg_keep_quota() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.tg_record_audit() FROM PUBLIC;
GRANT ALL ON FUNCTION app.tg_record_audit() TO app_owner;

REVOKE ALL ON FUNCTION app.tg_refuse_change() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.tg_refuse_members() FROM PUBLIC;
GRANT ALL ON FUNCTION app.tg_refuse_members() TO app_owner;

REVOKE ALL ON FUNCTION app.tg_refuse_taking_back() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.tg_refuse_worth() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.tg_require_active_user() FROM PUBLIC;
GRANT ALL ON FUNCTION app.tg_require_active_user() TO app_owner;

REVOKE ALL ON FUNCTION app.tg_require_visible_parent() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.tg_score_exercise_log() FROM PUBLIC;
GRANT ALL ON FUNCTION app.tg_score_exercise_log() TO app_owner;

REVOKE ALL ON FUNCTION app.tg_score_habit_log() FROM PUBLIC;
GRANT ALL ON FUNCTION app.tg_score_habit_log() TO app_owner;

REVOKE ALL ON FUNCTION app.tg_score_routine_completion() FROM PUBLIC;
GRANT ALL ON FUNCTION app.tg_score_routine_completion() TO app_owner;

REVOKE ALL ON FUNCTION app.tg_score_task() FROM PUBLIC;
GRANT ALL ON FUNCTION app.tg_score_task() TO app_owner;

REVOKE ALL ON FUNCTION app.tg_set_entered_on() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.tg_touch() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.visible(value text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.visible(value text) TO app_api;
GRANT ALL ON FUNCTION app.visible(value text) TO app_auth;
GRANT ALL ON FUNCTION app.visible(value text) TO app_ops;

GRANT SELECT ON TABLE app.users TO app_api;
GRANT SELECT ON TABLE app.users TO app_reader;
GRANT SELECT ON TABLE app.users TO app_auth;
GRANT DELETE ON TABLE app.users TO app_ops;
GRANT INSERT(id) ON TABLE app.users TO app_auth;
GRANT SELECT(id) ON TABLE app.users TO app_ops;
GRANT INSERT(email) ON TABLE app.users TO app_auth;
GRANT SELECT(email) ON TABLE app.users TO app_ops;
GRANT UPDATE(full_name) ON TABLE app.users TO app_api;
GRANT INSERT(full_name) ON TABLE app.users TO app_auth;
GRANT UPDATE(time_zone) ON TABLE app.users TO app_api;
GRANT INSERT(time_zone) ON TABLE app.users TO app_auth;
GRANT UPDATE(is_notified) ON TABLE app.users TO app_api;
GRANT UPDATE(deleted_at) ON TABLE app.users TO app_auth;
GRANT SELECT(deleted_at),UPDATE(deleted_at) ON TABLE app.users TO app_ops;
GRANT SELECT(is_active) ON TABLE app.users TO app_ops;

REVOKE ALL ON FUNCTION app.user_json(u app.users) FROM PUBLIC;
GRANT ALL ON FUNCTION app.user_json(u app.users) TO app_api;

REVOKE ALL ON FUNCTION app.with_steps(thing json, steps json) FROM PUBLIC;
GRANT ALL ON FUNCTION app.with_steps(thing json, steps json) TO app_api;

GRANT SELECT ON TABLE app.account_events TO app_ops;
GRANT INSERT(user_id) ON TABLE app.account_events TO app_auth;
GRANT INSERT(user_id) ON TABLE app.account_events TO app_ops;
GRANT INSERT(event_type) ON TABLE app.account_events TO app_auth;
GRANT INSERT(event_type) ON TABLE app.account_events TO app_ops;
GRANT INSERT(metadata) ON TABLE app.account_events TO app_auth;
GRANT INSERT(metadata) ON TABLE app.account_events TO app_ops;

GRANT SELECT ON TABLE app.audit_log TO app_api;
GRANT SELECT ON TABLE app.audit_log TO app_reader;
GRANT SELECT ON TABLE app.audit_log TO app_ops;
GRANT INSERT(family_id) ON TABLE app.audit_log TO app_audit;
GRANT INSERT(action_type) ON TABLE app.audit_log TO app_audit;
GRANT INSERT(table_name) ON TABLE app.audit_log TO app_audit;
GRANT INSERT(row_key) ON TABLE app.audit_log TO app_audit;
GRANT INSERT(before) ON TABLE app.audit_log TO app_audit;
GRANT INSERT(after) ON TABLE app.audit_log TO app_audit;
GRANT INSERT(actor_id) ON TABLE app.audit_log TO app_audit;
GRANT INSERT(actor_role) ON TABLE app.audit_log TO app_audit;
GRANT INSERT(private_to) ON TABLE app.audit_log TO app_audit;
GRANT INSERT(metadata) ON TABLE app.audit_log TO app_audit;

GRANT SELECT ON TABLE app.credentials TO app_auth;
GRANT INSERT(user_id) ON TABLE app.credentials TO app_auth;
GRANT INSERT(password_hash),UPDATE(password_hash) ON TABLE app.credentials TO app_auth;

GRANT SELECT ON TABLE app.idempotency_keys TO app_api;
GRANT DELETE ON TABLE app.idempotency_keys TO app_auth;
GRANT INSERT(family_id) ON TABLE app.idempotency_keys TO app_api;
GRANT SELECT(family_id) ON TABLE app.idempotency_keys TO app_auth;
GRANT SELECT(family_id) ON TABLE app.idempotency_keys TO app_ops;
GRANT INSERT(user_id) ON TABLE app.idempotency_keys TO app_api;
GRANT SELECT(user_id) ON TABLE app.idempotency_keys TO app_auth;
GRANT SELECT(user_id) ON TABLE app.idempotency_keys TO app_ops;
GRANT INSERT(idempotency_key) ON TABLE app.idempotency_keys TO app_api;
GRANT SELECT(idempotency_key) ON TABLE app.idempotency_keys TO app_auth;
GRANT SELECT(idempotency_key) ON TABLE app.idempotency_keys TO app_ops;
GRANT INSERT(request_hash) ON TABLE app.idempotency_keys TO app_api;
GRANT INSERT(status) ON TABLE app.idempotency_keys TO app_api;
GRANT INSERT(body) ON TABLE app.idempotency_keys TO app_api;
GRANT INSERT(etag_version) ON TABLE app.idempotency_keys TO app_api;
GRANT SELECT(created_at) ON TABLE app.idempotency_keys TO app_auth;

GRANT SELECT ON TABLE app.invitations TO app_auth;
GRANT DELETE ON TABLE app.invitations TO app_ops;
GRANT SELECT(family_id),INSERT(family_id) ON TABLE app.invitations TO app_api;
GRANT SELECT(family_id) ON TABLE app.invitations TO app_reader;
GRANT SELECT(family_id) ON TABLE app.invitations TO app_ops;
GRANT SELECT(id) ON TABLE app.invitations TO app_api;
GRANT SELECT(id) ON TABLE app.invitations TO app_reader;
GRANT SELECT(id) ON TABLE app.invitations TO app_ops;
GRANT SELECT(user_id),INSERT(user_id) ON TABLE app.invitations TO app_api;
GRANT SELECT(user_id) ON TABLE app.invitations TO app_reader;
GRANT SELECT(user_id) ON TABLE app.invitations TO app_ops;
GRANT SELECT(email),INSERT(email) ON TABLE app.invitations TO app_api;
GRANT SELECT(email) ON TABLE app.invitations TO app_reader;
GRANT SELECT(role),INSERT(role) ON TABLE app.invitations TO app_api;
GRANT SELECT(role) ON TABLE app.invitations TO app_reader;
GRANT SELECT(role) ON TABLE app.invitations TO app_ops;
GRANT INSERT(token_hash) ON TABLE app.invitations TO app_api;
GRANT SELECT(expires_at) ON TABLE app.invitations TO app_api;
GRANT SELECT(expires_at) ON TABLE app.invitations TO app_reader;
GRANT SELECT(expires_at) ON TABLE app.invitations TO app_ops;
GRANT SELECT(accepted_at) ON TABLE app.invitations TO app_api;
GRANT SELECT(accepted_at) ON TABLE app.invitations TO app_reader;
GRANT UPDATE(accepted_at) ON TABLE app.invitations TO app_auth;
GRANT SELECT(member_id) ON TABLE app.invitations TO app_api;
GRANT SELECT(member_id) ON TABLE app.invitations TO app_reader;
GRANT UPDATE(member_id) ON TABLE app.invitations TO app_auth;
GRANT SELECT(revoked_at),UPDATE(revoked_at) ON TABLE app.invitations TO app_api;
GRANT SELECT(revoked_at) ON TABLE app.invitations TO app_reader;
GRANT SELECT(is_pending) ON TABLE app.invitations TO app_api;
GRANT SELECT(is_pending) ON TABLE app.invitations TO app_reader;
GRANT SELECT(is_pending) ON TABLE app.invitations TO app_ops;
GRANT SELECT(created_at) ON TABLE app.invitations TO app_api;
GRANT SELECT(created_at) ON TABLE app.invitations TO app_reader;
GRANT SELECT(updated_at) ON TABLE app.invitations TO app_api;
GRANT SELECT(updated_at) ON TABLE app.invitations TO app_reader;
GRANT SELECT(row_version) ON TABLE app.invitations TO app_api;
GRANT SELECT(row_version) ON TABLE app.invitations TO app_reader;

GRANT SELECT,DELETE ON TABLE app.rate_limit_hits TO app_auth;
GRANT INSERT(rate_limit) ON TABLE app.rate_limit_hits TO app_auth;
GRANT INSERT(subject_hash) ON TABLE app.rate_limit_hits TO app_auth;

GRANT SELECT ON TABLE app.refresh_tokens TO app_auth;
GRANT INSERT(token_hash) ON TABLE app.refresh_tokens TO app_auth;
GRANT INSERT(session_id) ON TABLE app.refresh_tokens TO app_auth;
GRANT INSERT(replaces_hash) ON TABLE app.refresh_tokens TO app_auth;

GRANT SELECT ON TABLE app.sessions TO app_auth;
GRANT DELETE ON TABLE app.sessions TO app_ops;
GRANT SELECT(id) ON TABLE app.sessions TO app_api;
GRANT SELECT(id) ON TABLE app.sessions TO app_reader;
GRANT SELECT(id) ON TABLE app.sessions TO app_ops;
GRANT SELECT(user_id) ON TABLE app.sessions TO app_api;
GRANT SELECT(user_id) ON TABLE app.sessions TO app_reader;
GRANT INSERT(user_id) ON TABLE app.sessions TO app_auth;
GRANT SELECT(user_id) ON TABLE app.sessions TO app_ops;
GRANT INSERT(family_id),UPDATE(family_id) ON TABLE app.sessions TO app_auth;
GRANT SELECT(expires_at) ON TABLE app.sessions TO app_api;
GRANT SELECT(expires_at) ON TABLE app.sessions TO app_reader;
GRANT INSERT(expires_at),UPDATE(expires_at) ON TABLE app.sessions TO app_auth;
GRANT SELECT(expires_at) ON TABLE app.sessions TO app_ops;
GRANT SELECT(revoked_at) ON TABLE app.sessions TO app_api;
GRANT SELECT(revoked_at) ON TABLE app.sessions TO app_reader;
GRANT UPDATE(revoked_at) ON TABLE app.sessions TO app_auth;
GRANT INSERT(network_hash) ON TABLE app.sessions TO app_auth;
