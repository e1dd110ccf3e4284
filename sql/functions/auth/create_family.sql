-- create_family: another family, with the user of the context as its owner.
--
-- Definer, owned by app_auth: the new family is not the one of the context, so no policy could let
-- its first rows in. Only an active user gets a family, and nobody gets one for somebody else.
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
    v_user record;
    v_family app.families;
begin
    select u.full_name, u.time_zone
    into v_user
    from app.users as u
    where u.id = app.current_user_id() and u.is_active
    -- So that the account does not retire while it becomes an owner.
    for share;
    if not found then
        raise exception 'the account is not active' using errcode = 'ZH001';
    end if;

    insert into app.families (name, time_zone)
    values (create_family.name, coalesce(create_family.time_zone, v_user.time_zone))
    returning * into v_family;

    insert into app.family_memberships (family_id, user_id, role, display_name)
    values (
        v_family.id,
        app.current_user_id(),
        'owner',
        app.display_name_of(v_user.full_name)
    );

    return v_family;
end
$$;

comment on function app.create_family(text, text) is
    'Makes a family owned by the user of the context; the time zone defaults to the user''s.';

revoke all on function app.create_family(text, text) from public;
grant execute on function app.create_family(text, text) to app_api;
