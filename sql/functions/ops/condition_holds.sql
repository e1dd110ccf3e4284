-- condition_holds: asks one condition of a policy, in the context of the moment, of one row.
--
-- The row comes as JSON, with the columns that the condition compares and any others absent.
-- Invoker: whoever may call this could as well have sent the condition as a statement.
--
-- requires: 0002_schema

create or replace function app.condition_holds(condition text, table_name text, table_row jsonb)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
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
$$;

comment on function app.condition_holds(text, text, jsonb) is
    'Whether a policy''s condition is true of a row; null counts as false, as for policies.';

revoke all on function app.condition_holds(text, text, jsonb) from public;
grant execute on function app.condition_holds(text, text, jsonb) to app_ops;
