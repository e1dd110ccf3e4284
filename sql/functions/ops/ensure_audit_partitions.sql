-- ensure_audit_partitions: the months of the audit trail, from the current one on, each made whole.
--
-- A partition inherits neither policies nor grants nor statement triggers. Nobody is granted
-- anything on one: rows go in and come out through app.audit_log, under its policies.
--
-- A month that nobody made in time is in the default partition by now, and its rows cannot move,
-- being append-only. It stays there, with a warning; the months after it are made.
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
    set lock_timeout = '2s'
    set timezone = 'UTC'
    set datestyle = 'ISO, MDY'
as $$
declare
    v_month timestamp := date_trunc('month', now() at time zone 'UTC');
    v_name text;
begin
    if months_ahead is null or months_ahead not between 0 and 120 then
        raise exception 'months_ahead must be between 0 and 120'
            using errcode = 'invalid_parameter_value';
    end if;

    -- Two deployers would make the same month.
    perform pg_advisory_xact_lock(hashtextextended('app.ensure_audit_partitions', 0));

    for i in 0 .. months_ahead loop
        v_name := 'audit_log_' || to_char(v_month, 'YYYY_MM');

        if to_regclass('app.' || v_name) is null then
            begin
                execute format(
                    'create table app.%I '
                    '(like app.audit_log including defaults including constraints)',
                    v_name
                );
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
                    'alter table app.audit_log attach partition app.%I '
                    'for values from (%L) to (%L)',
                    v_name,
                    v_month at time zone 'UTC',
                    (v_month + interval '1 month') at time zone 'UTC'
                );
                return next v_name;
            exception
                when check_violation then
                    raise warning '% stays in app.audit_log_default', to_char(v_month, 'YYYY-MM');
            end;
        end if;

        v_month := v_month + interval '1 month';
    end loop;
end
$$;

comment on function app.ensure_audit_partitions(integer) is
    'Makes the missing months of the audit trail, from this one on; returns those it made.';

revoke all on function app.ensure_audit_partitions(integer) from public;
grant execute on function app.ensure_audit_partitions(integer) to app_ops;
