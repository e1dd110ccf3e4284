-- tg_require_active_user: a membership comes back only where its user's account is active.
--
-- Else a family could be left to an owner whom nobody can sign in as. An account that retires at
-- the same moment waits, and then takes the membership along.
--
-- Definer, owned by app_auth: it lends a look at the account of somebody else, of whom it tells
-- only that there is none, and the locking of the family. The policies have let the caller change
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

    -- Nor does the family retire as a lone one meanwhile (retire_account).
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
