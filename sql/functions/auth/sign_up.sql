-- sign_up: a user, the password, a family and the first session; all of it or nothing. The family
-- is the user's own, or with an invitation the one that it leads to.
--
-- Definer, owned by app_auth: nobody is signed in yet, so no policy could let the rows in. It
-- takes an address that has no account and makes rows for that account only; the unique key on the
-- address raises 23505 otherwise.
--
-- owner: app_auth
-- requires: 0011_invitations

create or replace function app.sign_up(
    email text,
    password_hash text,
    full_name text,
    family_name text,
    time_zone text,
    invitation_hash bytea,
    token_hash bytea,
    expires_at timestamptz,
    network_hash bytea
)
    returns json
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_user_id uuid := app.new_id();
    v_family_id uuid := app.new_id();
begin
    if app.current_user_id() is not null then
        raise exception 'a signed-in user cannot sign up' using errcode = 'insufficient_privilege';
    end if;

    -- The newcomer is the actor of all that follows. The one place where a context is not set by a
    -- literal SET LOCAL: no policy reads it here, only the audit trail does.
    perform set_config('app.user_id', v_user_id::text, true);

    insert into app.users (id, email, full_name, time_zone)
    values (v_user_id, sign_up.email, sign_up.full_name, sign_up.time_zone);

    insert into app.credentials (user_id, password_hash)
    values (v_user_id, sign_up.password_hash);

    if sign_up.invitation_hash is not null then
        perform app.accept_invitation(sign_up.invitation_hash);
    else
        insert into app.families (id, name, time_zone)
        values (v_family_id, sign_up.family_name, sign_up.time_zone);

        insert into app.family_memberships (family_id, user_id, role, display_name)
        values (
            v_family_id,
            v_user_id,
            'owner',
            app.display_name_of(sign_up.full_name)
        );
    end if;

    return app.begin_session(
        'signed_up', v_user_id, sign_up.token_hash, sign_up.expires_at, sign_up.network_hash);
end
$$;

comment on function app.sign_up(text, text, text, text, text, bytea, bytea, timestamptz, bytea) is
    'Makes an account, with a family of its own or an invitation to one, and signs it in.';

revoke all on function app.sign_up(text, text, text, text, text, bytea, bytea, timestamptz, bytea)
    from public;
grant execute
    on function app.sign_up(text, text, text, text, text, bytea, bytea, timestamptz, bytea)
    to app_api;
