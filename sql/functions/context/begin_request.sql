-- begin_request: begins what a request does in its transaction: pins the settings that every
-- session depends on (sql/session.sql), sets the limits and the context, and asserts it.
--
-- One call that returns no row, so that it can go to the server right before the first query, in
-- one message. All that it sets ends with the transaction. A limit that is null leaves the role's,
-- a user that is null is nobody and refused.
--
-- It cannot choose the isolation, for which it is too late once anything was called: it refuses
-- what is not read committed.
--
-- Each step is one expression, which plpgsql evaluates by itself; for a `perform` it would start
-- the executor. What is pinned already, as in most sessions, is compared and not set. No
-- `set search_path`, which would be taken back at the end with the one that is pinned: that comes
-- first, and until then every name has its schema. No casts, for a type is looked for in pg_temp.
--
-- requires: assert_membership

create or replace function app.begin_request(
    user_id uuid,
    session_id uuid,
    family_id uuid,
    member_role text,
    request_id uuid,
    read_only boolean,
    statement_timeout integer,
    lock_timeout integer,
    idle_timeout integer
)
    returns setof void
    language plpgsql
    volatile
as $$
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

comment on function app.begin_request(
    uuid, uuid, uuid, text, uuid, boolean, integer, integer, integer
) is 'Begins a request: settings, limits and context until the transaction ends, asserted; no row.';

revoke all on function app.begin_request(
    uuid, uuid, uuid, text, uuid, boolean, integer, integer, integer
) from public;
grant execute on function app.begin_request(
    uuid, uuid, uuid, text, uuid, boolean, integer, integer, integer
) to app_api;
