-- tg_refuse_change: says no to a change of rows that never change, and why.
--
-- The reason is the trigger's argument. Grants refuse it first to every runtime role; this is for
-- those whom grants do not bind, and for the day a grant is given by mistake.
--
-- requires: 0002_schema

create or replace function app.tg_refuse_change()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '%', TG_ARGV[0]
        using errcode = 'ZH003', schema = TG_TABLE_SCHEMA, table = TG_TABLE_NAME;
end
$$;

comment on function app.tg_refuse_change() is 'Trigger: refuses the change; its argument says why.';

revoke all on function app.tg_refuse_change() from public;
