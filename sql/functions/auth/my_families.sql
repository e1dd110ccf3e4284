-- my_families: the active families of the user of the context, with the user's role in each.
--
-- Definer, owned by app_auth: a policy shows the one family of the context, and this looks across.
--
-- owner: app_auth
-- requires: 0004_families

create or replace function app.my_families()
    returns table (family app.families, role app.member_role)
    language sql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select f, m.role
    from app.family_memberships as m
    inner join app.families as f on f.id = m.family_id
    where m.user_id = app.current_user_id() and m.is_active and f.is_active
$$;

comment on function app.my_families() is
    'The active families of the user of the context, with the role in each.';

revoke all on function app.my_families() from public;
grant execute on function app.my_families() to app_api;
