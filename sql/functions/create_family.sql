-- create_family: another family, with the user of the context as its owner.
--
-- Definer, owned by app_auth: the new family is not the one of the context, so no policy could let
-- its first rows in. Called without a user it fails on the membership's key.
--
-- owner: app_auth
-- requires: 0004_families

create or replace function app.create_family(name text, time_zone text)
    returns app.families
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_family app.families;
begin
    insert into app.families (name, time_zone)
    values (
        create_family.name,
        coalesce(
            create_family.time_zone,
            (select u.time_zone from app.users as u where u.id = app.current_user_id())
        )
    )
    returning * into v_family;

    insert into app.family_memberships (family_id, user_id, role, display_name)
    select v_family.id, u.id, 'owner', left(u.full_name, 100)
    from app.users as u
    where u.id = app.current_user_id();

    return v_family;
end
$$;

comment on function app.create_family(text, text) is
    'Makes a family owned by the user of the context; the time zone defaults to the user''s.';

revoke all on function app.create_family(text, text) from public;
grant execute on function app.create_family(text, text) to app_api;
