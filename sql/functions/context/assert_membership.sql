-- assert_membership: is the context true right now? Called in the first message of every
-- transaction that acts for a user, so that removing or demoting somebody, retiring an account or
-- a family, and revoking a session work at once, however long an access token has yet to live.
--
-- Invoker: the policies show the caller their own account, session and family, and nothing else is
-- read. A context without a family (somebody who has none) is true if the account is.
--
-- One statement, of look-ups that are made until one fails: each statement that a function runs
-- has its own start.
--
-- requires: 0005_sessions

create or replace function app.assert_membership()
    returns void
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_fault text;
begin
    v_fault := case
        when
            not exists (
                select from app.users as u
                where u.id = app.current_user_id() and u.is_active
            )
            then 'the account is not active'
        when
            app.current_session_id() is not null
            and not exists (
                select from app.sessions as s
                where
                    s.id = app.current_session_id()
                    and s.user_id = app.current_user_id()
                    and s.revoked_at is null
                    and s.expires_at > now()
            )
            then 'the session was ended'
        when
            app.current_family_id() is not null
            and not (
                exists (
                    select from app.family_memberships as m
                    where
                        m.family_id = app.current_family_id()
                        and m.user_id = app.current_user_id()
                        and m.role = app.current_member_role()
                        and m.is_active
                )
                and exists (
                    select from app.families as f
                    where f.id = app.current_family_id() and f.is_active
                )
            )
            then 'the membership is not active in this role'
    end;

    if v_fault is not null then
        raise exception '%', v_fault using errcode = 'ZH001';
    end if;
end
$$;

comment on function app.assert_membership() is
    'Raises ZH001 unless user, session, family and role of the context hold right now.';

revoke all on function app.assert_membership() from public;
grant execute on function app.assert_membership() to app_api, app_reader;
