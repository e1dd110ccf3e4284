-- retire_account: closes the account of the user of the context. Nothing is lost: app_ops can
-- restore it, and only a purge deletes.
--
-- Families in which the user is alone retire too. Where others would be left without an owner,
-- tg_keep_an_owner refuses (ZH002), and nothing has happened.
--
-- All that retires together carries the same deleted_at: by it restore_account finds it again.
--
-- Definer, owned by app_auth: it reaches across the families of one user, the one of the context.
--
-- owner: app_auth
-- requires: 0006_audit

create or replace function app.retire_account()
    returns boolean
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_user_id uuid := app.current_user_id();
    -- Not the transaction's: what else retires in it does not come back with the account.
    v_now timestamptz := clock_timestamp();
begin
    -- Whoever makes a family or opens a session for this user waits, and then finds it retired.
    perform from app.users as u
    where u.id = v_user_id and u.is_active
    for no key update;
    if not found then
        return false;
    end if;

    -- Whoever joins one of these families waits, or is waited for, and then is seen below.
    perform from app.families as f
    inner join app.family_memberships as own on own.family_id = f.id
    where own.user_id = v_user_id
    order by f.id
    for no key update of f;

    update app.families as f
    set deleted_at = v_now
    from app.family_memberships as own
    where
        own.user_id = v_user_id
        and own.is_active
        and f.id = own.family_id
        and f.is_active
        and not exists (
            select from app.family_memberships as other
            where other.family_id = f.id and other.user_id <> v_user_id and other.is_active
        );

    update app.family_memberships as m
    set deleted_at = v_now
    where m.user_id = v_user_id and m.is_active;

    update app.users as u
    set deleted_at = v_now
    where u.id = v_user_id;

    insert into app.account_events (user_id, event_type, metadata)
    values (v_user_id, 'account_retired', app.event_metadata());

    perform app.revoke_sessions(v_user_id, null);

    return true;
end
$$;

comment on function app.retire_account() is
    'Retires the user of the context with memberships and lone families, and ends all sessions.';

revoke all on function app.retire_account() from public;
grant execute on function app.retire_account() to app_api;
