-- tg_keep_an_owner: an active family has at least one active owner, whoever demotes or removes
-- whom.
--
-- It locks the family's row first, so two owners who demote each other at the same moment wait for
-- one another, and the second sees what the first did.
--
-- Definer, owned by app_auth: it lends the lock on a family to members who may not update it. It
-- reads only the family of the row at hand, which the caller is already changing.
--
-- It guards updates only: nobody deletes memberships, except for the cascade of a purge, which
-- takes owners too.
--
-- owner: app_auth
-- requires: 0004_families

create or replace function app.tg_keep_an_owner()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- Only an owner who ceases to be one matters.
    if OLD.role <> 'owner' or OLD.deleted_at is not null
        or (NEW.role = 'owner' and NEW.deleted_at is null)
    then
        return NEW;
    end if;

    -- The lock below makes us wait, but a snapshot taken before would still show the other owner.
    if current_setting('transaction_isolation') = 'repeatable read' then
        raise exception 'owners change under read committed or serializable only'
            using errcode = 'feature_not_supported';
    end if;

    -- A retired family needs no owner.
    perform from app.families as f
    where f.id = OLD.family_id and f.deleted_at is null
    for no key update;
    if not found then
        return NEW;
    end if;

    perform from app.family_memberships as m
    where
        m.family_id = OLD.family_id
        and m.user_id <> OLD.user_id
        and m.role = 'owner'
        and m.deleted_at is null;
    if not found then
        raise exception 'the last owner cannot leave, be demoted or be removed'
            using errcode = 'ZH002', hint = 'Make somebody else an owner first.';
    end if;

    return NEW;
end
$$;

comment on function app.tg_keep_an_owner() is 'Trigger: refuses to take a family its last owner.';

revoke all on function app.tg_keep_an_owner() from public;
grant execute on function app.tg_keep_an_owner() to app_owner;  -- who makes the triggers
