-- tg_refuse_worth: a member does not say what a task of somebody else is worth. Before an update
-- that changes its points.
--
-- Who it is is asked here and not by the trigger's condition, which is planned anew for every
-- statement, whatever it changes.
--
-- requires: current_user_id current_member_role

create or replace function app.tg_refuse_worth()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
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

comment on function app.tg_refuse_worth() is
    'Trigger: what a task is worth is said by its owner, or by who runs the family.';

revoke all on function app.tg_refuse_worth() from public;
