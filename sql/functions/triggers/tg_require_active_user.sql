-- tg_require_active_user: a membership can be restored only if its user's account is active.
--
-- Otherwise a family could be left to an owner whom nobody can sign in as. A request that retires
-- the account at the same moment waits, and then takes the membership along.
--
-- Definer, owned by app_auth: it lends a look at somebody else's account, of which it tells only
-- whether it is active, and the lock on the family. The policies have already let the caller change
-- the membership.
--
-- owner: app_auth
-- requires: 0011_invitations

create or replace function app.tg_require_active_user()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform from app.users as u
    where u.id = NEW.user_id and u.is_active
    for share;
    if not found then
        raise exception 'the account is not active'
            using errcode = 'foreign_key_violation',
                constraint = 'family_memberships_user_id_fkey';
    end if;

    -- The lock keeps the family from retiring with its only member meanwhile (retire_account).
    perform from app.families as f
    where f.id = NEW.family_id
    for share;

    return NEW;
end
$$;

comment on function app.tg_require_active_user() is
    'Trigger: refuses to bring back a membership without an active account.';

revoke all on function app.tg_require_active_user() from public;
grant execute on function app.tg_require_active_user() to app_owner;  -- who makes the triggers
