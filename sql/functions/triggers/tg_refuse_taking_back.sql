-- tg_refuse_taking_back: a member does not open a task again whose points another member has, and
-- so take them away; its owner may, and who runs the family. Before an update that opens it. Who it
-- is is asked here and not by the trigger's condition (see tg_refuse_worth).
--
-- Invoker: the family sees the ledger.
--
-- requires: 0015_scores current_user_id current_member_role

create or replace function app.tg_refuse_taking_back()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
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

comment on function app.tg_refuse_taking_back() is
    'Trigger: nobody opens a task again to take away the points of another member.';

revoke all on function app.tg_refuse_taking_back() from public;
