-- resolve_membership: the family a user's session stands in, and the user's role there.
--
-- The preferred family if the user is still an active member of it, else the one joined first; no
-- row when the user has none. For the session functions of app_auth; nobody else may call it.
--
-- owner: app_auth
-- requires: 0004_families

create or replace function app.resolve_membership(user_id uuid, preferred_family_id uuid)
    returns table (family_id uuid, role app.member_role)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select m.family_id, m.role
    from app.family_memberships as m
    inner join app.families as f on f.id = m.family_id
    where m.user_id = resolve_membership.user_id and m.is_active and f.is_active
    order by
        m.family_id = resolve_membership.preferred_family_id desc nulls last,
        m.created_at,
        m.family_id
    limit 1
$$;

comment on function app.resolve_membership(uuid, uuid) is
    'The preferred family of a user if still a member, else the first; for the session functions.';

revoke all on function app.resolve_membership(uuid, uuid) from public;
