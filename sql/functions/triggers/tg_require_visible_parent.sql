-- tg_require_visible_parent: nobody adds a part to what they do not see.
--
-- A key is checked before the foreign key, and without row level security: who named a private
-- habit of somebody else would learn on which days it was logged, and of a routine which versions
-- it has. So this looks first, as the invoker, under their own policies; the answer is the same
-- whether there is such a row or not. The trigger's argument says what the row is a part of.
--
-- requires: 0013_habits

create or replace function app.tg_require_visible_parent()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_is_seen boolean;
begin
    case TG_ARGV[0]
        when 'habit' then
            v_is_seen := exists (
                select from app.habits as h
                where h.family_id = NEW.family_id and h.id = NEW.habit_id
            );
        when 'routine' then
            v_is_seen := exists (
                select from app.routines as r
                where r.family_id = NEW.family_id and r.id = NEW.routine_id
            );
    end case;
    if not v_is_seen then
        raise exception 'there is no such % that you see', TG_ARGV[0]
            using errcode = 'insufficient_privilege';
    end if;

    return NEW;
end
$$;

comment on function app.tg_require_visible_parent() is
    'Trigger: refuses a part of a habit or a routine that its writer does not see.';

revoke all on function app.tg_require_visible_parent() from public;
