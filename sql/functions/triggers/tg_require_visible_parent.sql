-- tg_require_visible_parent: nobody adds a part to what they do not see.
--
-- A key is checked before the foreign key, and without row level security: who named a private
-- habit of somebody else would learn on which days it was logged, and of a routine which versions
-- it has. So this looks first, as the invoker, under their own policies; the answer is the same
-- whether there is such a row or not. The trigger's arguments name the parent's table and the
-- column that refers to its id, so the statement is built of names from the file that makes the
-- trigger, and of nothing that a client sent.
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
$$;

comment on function app.tg_require_visible_parent() is
    'Trigger: refuses a part of something that its writer does not see. Arguments: table, column.';

revoke all on function app.tg_require_visible_parent() from public;
