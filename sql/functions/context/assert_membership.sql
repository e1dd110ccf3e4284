-- assert_membership: is the context true right now? Called in the first message of every
-- transaction that acts for a user, so that removing or demoting somebody, retiring an account or
-- a family, and revoking a session work at once, however long an access token has yet to live.
--
-- Invoker: the policies show the caller their own account, session and family, and nothing else is
-- read. A context without a family (somebody who has none) is true if the account is.
--
-- requires: 0005_sessions

create or replace function app.assert_membership()
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform from app.users as u
    where u.id = app.current_user_id() and u.is_active;
    if not found then
        raise exception 'the account is not active' using errcode = 'ZH001';
    end if;

    if app.current_session_id() is not null then
        perform from app.sessions as s
        where
            s.id = app.current_session_id()
            and s.user_id = app.current_user_id()
            and s.revoked_at is null
            and s.expires_at > now();
        if not found then
            raise exception 'the session was ended' using errcode = 'ZH001';
        end if;
    end if;

    if app.current_family_id() is not null then
        perform from app.family_memberships as m
        inner join app.families as f on f.id = m.family_id
        where
            m.family_id = app.current_family_id()
            and m.user_id = app.current_user_id()
            and m.role = app.current_member_role()
            and m.is_active
            and f.is_active;
        if not found then
            raise exception 'the membership is not active in this role' using errcode = 'ZH001';
        end if;
    end if;
end
$$;

comment on function app.assert_membership() is
    'Raises ZH001 unless user, session, family and role of the context hold right now.';

revoke all on function app.assert_membership() from public;
grant execute on function app.assert_membership() to app_api, app_reader;
