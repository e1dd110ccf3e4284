-- restore_family: undoes retire_family, as app_ops. The sessions it ended stay ended. A family
-- without an active owner cannot be restored before one of its owners is.
--
-- Invoker: the policies of app_ops decide.
--
-- requires: 0004_families

create or replace function app.restore_family(family_id uuid)
    returns boolean
    language plpgsql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
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

comment on function app.restore_family(uuid) is
    'Brings a retired family back; false if it is not retired.';

revoke all on function app.restore_family(uuid) from public;
grant execute on function app.restore_family(uuid) to app_ops;
