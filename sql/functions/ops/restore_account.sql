-- restore_account: undoes retire_account, as app_ops.
--
-- Brings back what retired together with the account, told by the same deleted_at; a membership
-- that had ended before stays ended, and so does one that the family has ended since. Not if the
-- address has another account by now: that one has to retire before. Invoker: the policies of
-- app_ops decide.
--
-- requires: 0006_audit

create or replace function app.restore_account(user_id uuid)
    returns boolean
    language plpgsql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_deleted_at timestamptz;
begin
    select u.deleted_at
    into v_deleted_at
    from app.users as u
    where u.id = restore_account.user_id and u.deleted_at is not null
    for no key update;
    if not found then
        return false;
    end if;

    begin
        update app.users set deleted_at = null where id = restore_account.user_id;
    exception
        when unique_violation then
            raise exception 'the address of this account has another account by now'
                using errcode = 'unique_violation',
                    constraint = 'users_email_key',
                    hint = 'That one has to retire before this one is restored.';
    end;

    update app.families as f
    set deleted_at = null
    from app.family_memberships as m
    where
        m.user_id = restore_account.user_id
        and f.id = m.family_id
        and f.deleted_at = v_deleted_at;

    update app.family_memberships as m
    set deleted_at = null
    where m.user_id = restore_account.user_id and m.deleted_at = v_deleted_at;

    insert into app.account_events (user_id, event_type, metadata)
    values (restore_account.user_id, 'account_restored', app.event_metadata());

    return true;
end
$$;

comment on function app.restore_account(uuid) is
    'Brings a retired account back, with what retired with it; false if it is not retired.';

revoke all on function app.restore_account(uuid) from public;
grant execute on function app.restore_account(uuid) to app_ops;
