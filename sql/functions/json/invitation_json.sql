-- invitation_json: an invitation as every endpoint shows it, in one place so that no two can
-- differ.
--
-- It takes columns and not the row, for whoever names the row reads all of it, and the hash of the
-- token is not to be read. A set of one, without a search path of its own: so the planner inlines
-- it behind `from`, and it costs what the bare expression does.
--
-- requires: 0011_invitations

create or replace function app.invitation_json(
    id uuid,
    user_id uuid,
    email text,
    role app.member_role,
    is_pending boolean,
    expires_at timestamptz,
    accepted_at timestamptz,
    member_id uuid,
    revoked_at timestamptz,
    created_at timestamptz,
    updated_at timestamptz,
    row_version bigint
)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            id,
            user_id,
            email,
            role,
            is_pending,
            expires_at,
            accepted_at,
            member_id,
            revoked_at,
            created_at,
            updated_at,
            row_version
    ) as shown
$$;

comment on function app.invitation_json(
    uuid, uuid, text, app.member_role, boolean, timestamptz, timestamptz, uuid, timestamptz,
    timestamptz, timestamptz, bigint
) is 'An invitation as every endpoint shows it.';

revoke all on function app.invitation_json(
    uuid, uuid, text, app.member_role, boolean, timestamptz, timestamptz, uuid, timestamptz,
    timestamptz, timestamptz, bigint
) from public;
grant execute on function app.invitation_json(
    uuid, uuid, text, app.member_role, boolean, timestamptz, timestamptz, uuid, timestamptz,
    timestamptz, timestamptz, bigint
) to app_api;
