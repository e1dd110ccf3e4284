-- ensure_audit_partitions: the months of the audit trail, from the current one on, each made whole.
--
-- A partition inherits neither policies nor grants nor statement triggers. Nobody is granted
-- anything on one: rows go in and come out through app.audit_log, under its policies.
--
-- Rows for which nobody made a month in time wait in the default partition. They are append-only
-- where they are, so it is not they that leave: the default is detached, its rows are copied into
-- months of their own, a new one takes its place. Meanwhile the trail is locked, and with it every
-- write to a family's rows: so months are made long ahead, and the health of the service tells.
--
-- Its bounds pass through texts, so it pins the zone and the style that they are written in:
-- whoever calls it may have others.
--
-- Definer, owned by app_owner: it lends the making of partitions, with names and bounds of its own
-- making. `hearth migrate` calls it as app_ops each time it runs.
--
-- requires: 0006_audit

create or replace function app.ensure_audit_partitions(months_ahead integer)
    returns setof text
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
    set lock_timeout = '750ms'
    set timezone = 'UTC'
    set datestyle = 'ISO, MDY'
as $$
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
$$;

comment on function app.ensure_audit_partitions(integer) is
    'Makes the missing months of the audit trail, from this one on; returns those it made.';

revoke all on function app.ensure_audit_partitions(integer) from public;
grant execute on function app.ensure_audit_partitions(integer) to app_ops;
