-- switch_family: moves the session of the context to another family of its user.
--
-- Definer, owned by app_auth: the family looked at is not the one of the context. Null when the
-- user is no active member there, whether or not there is such a family.
--
-- owner: app_auth
-- requires: 0005_sessions

create or replace function app.switch_family(family_id uuid)
    returns json
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_role app.member_role;
begin
    select m.role
    into v_role
    from app.family_memberships as m
    inner join app.families as f on f.id = m.family_id
    where
        m.family_id = switch_family.family_id
        and m.user_id = app.current_user_id()
        and m.is_active
        and f.is_active;
    if not found then
        return null;
    end if;

    update app.sessions
    set family_id = switch_family.family_id
    where id = app.current_session_id() and user_id = app.current_user_id();

    return json_build_object(
        'session_id', app.current_session_id(),
        'user_id', app.current_user_id(),
        'family_id', switch_family.family_id,
        'role', v_role
    );
end
$$;

comment on function app.switch_family(uuid) is
    'Moves the session to another family of the user; null if the user is no member there.';

revoke all on function app.switch_family(uuid) from public;
grant execute on function app.switch_family(uuid) to app_api;
