-- retire_family: closes the family of the context. Nothing is lost: app_ops can restore it, and
-- only a purge deletes.
--
-- Definer, owned by app_auth: the sessions that stand in the family are other people's as well, and
-- they end. Only an owner may, and the membership itself says who is one.
--
-- owner: app_auth
-- requires: 0006_audit

create or replace function app.retire_family()
    returns boolean
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform from app.family_memberships as m
    where
        m.family_id = app.current_family_id()
        and m.user_id = app.current_user_id()
        and m.role = 'owner'
        and m.is_active;
    if not found then
        raise exception 'only an owner may retire the family'
            using errcode = 'insufficient_privilege';
    end if;

    update app.families as f
    set deleted_at = now()
    where f.id = app.current_family_id() and f.is_active;
    if not found then
        return false;
    end if;

    with revoked as (
        update app.sessions as s
        set revoked_at = now()
        where s.family_id = app.current_family_id() and s.revoked_at is null
        returning s.id, s.user_id
    )
    insert into app.account_events (user_id, event_type, metadata)
    select
        r.user_id,
        'session_revoked',
        app.event_metadata() || jsonb_build_object('session_id', r.id)
    from revoked as r;

    return true;
end
$$;

comment on function app.retire_family() is
    'Retires the family of the context and ends the sessions that stand in it; owners only.';

revoke all on function app.retire_family() from public;
grant execute on function app.retire_family() to app_api;
