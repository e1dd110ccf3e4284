-- accept_invitation: makes the user of the context a member of the family that a token invites to,
-- and returns that family and the role.
--
-- The token is what counts, and not the address of the account (docs/decisions/0015). It works
-- once, until it expires, while the family is active and while the member who invited could still
-- invite. Anything else is ZH004, always the same: no answer tells which families, invitations or
-- addresses exist.
--
-- A former member becomes a member again, in the role of the invitation: their history hangs on the
-- row. An active member keeps their role, and the invitation is not used up (23505).
--
-- Definer, owned by app_auth: the family is not the one of the context, so no policy could admit
-- the membership. The token is the proof, and nobody can join for somebody else.
--
-- owner: app_auth
-- requires: 0011_invitations

create or replace function app.accept_invitation(token_hash bytea)
    returns table (family app.families, role app.member_role)
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_user record;
    v_invitation record;
begin
    select u.id, u.full_name
    into v_user
    from app.users as u
    where u.id = app.current_user_id() and u.is_active
    -- The lock keeps the account from retiring while it joins.
    for share;
    if not found then
        raise exception 'the account is not active' using errcode = 'ZH001';
    end if;

    -- A request that accepts or revokes it at the same moment waits, and then finds it taken. The
    -- lock on the family keeps it from retiring with its only member meanwhile.
    select i.family_id, i.id, i.role
    into v_invitation
    from app.invitations as i
    inner join app.families as f on f.id = i.family_id
    inner join app.family_memberships as host
        on host.family_id = i.family_id and host.user_id = i.user_id
    where
        i.token_hash = accept_invitation.token_hash
        and i.is_pending
        and i.expires_at > now()
        and f.is_active
        and host.is_active
        and (host.role = 'owner' or (host.role = 'admin' and i.role <> 'owner'))
        -- An invitation from before a member left does not bring them back.
        and not exists (
            select from app.family_memberships as m
            where
                m.family_id = i.family_id
                and m.user_id = v_user.id
                and m.deleted_at > i.created_at
        )
    for no key update of i
    for share of f;
    if not found then
        raise exception 'the invitation is not valid' using errcode = 'ZH004';
    end if;

    insert into app.family_memberships as m (family_id, user_id, role, display_name)
    values (
        v_invitation.family_id,
        v_user.id,
        v_invitation.role,
        app.display_name_of(v_user.full_name)
    )
    on conflict (family_id, user_id) do update
    set deleted_at = null, role = excluded.role
    where not m.is_active;
    if not found then
        raise exception 'this person belongs to the family already'
            using errcode = 'unique_violation', constraint = 'family_memberships_pkey';
    end if;

    update app.invitations as i
    set accepted_at = now(), member_id = v_user.id
    where i.family_id = v_invitation.family_id and i.id = v_invitation.id;

    return query
    select f, v_invitation.role
    from app.families as f
    where f.id = v_invitation.family_id;
end
$$;

comment on function app.accept_invitation(bytea) is
    'Makes the user of the context a member of the family that a token invites to.';

revoke all on function app.accept_invitation(bytea) from public;
grant execute on function app.accept_invitation(bytea) to app_api;
