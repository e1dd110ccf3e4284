-- Invitations: those of the family of the context, and how to accept one.

-- name: list_invitations
-- Those that are pending, or those that were, from the newest to the oldest; null for whom they are
-- not meant: the policy shows members nothing, and an empty list would pass for nobody invited.
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of((array_agg(created_at))[:limit], (array_agg(id))[:limit])
) as body
from (
    select shown, i.created_at, i.id
    from app.invitations as i
    cross join app.invitation_json(
        i.id, i.user_id, i.email, i.role, i.is_pending, i.expires_at, i.accepted_at,
        i.member_id, i.revoked_at, i.created_at, i.updated_at, i.row_version
    ) as shown
    where
        i.family_id = :family_id
        and i.is_pending = :is_pending
        and (i.created_at, i.id) < (:after_at, :after_id)
    order by i.created_at desc, i.id desc
    limit :limit::integer + 1
) as page
having app.current_member_role() in ('owner', 'admin');


-- name: create_invitation
-- An invitation that is pending for the same address makes way: its token works no more.
with secret as materialized (
    select app.new_token() as token
),

replaced as (
    update app.invitations as i
    set revoked_at = now()
    where
        i.family_id = :family_id
        and app.text_key(i.email) = app.text_key(:email)
        and i.is_pending
    returning i.id
)

insert into app.invitations as i (family_id, user_id, email, role, token_hash)
select
    :family_id, :user_id::uuid, :email, :role::app.member_role,
    sha256(convert_to(secret.token, 'UTF8'))
from secret
-- Which is asked first, so that the old one is revoked when the new one comes.
where (select count(*) from replaced) >= 0
returning
    (
        select to_json(response)
        from (
            select shown as invitation, secret.token
            from secret
            cross join app.invitation_json(
                i.id, i.user_id, i.email, i.role, i.is_pending, i.expires_at, i.accepted_at,
                i.member_id, i.revoked_at, i.created_at, i.updated_at, i.row_version
            ) as shown
        ) as response
    )::text as body,
    null::bigint as row_version;

-- name: get_invitation
select shown::text as body, i.row_version
from app.invitations as i
cross join app.invitation_json(
    i.id, i.user_id, i.email, i.role, i.is_pending, i.expires_at, i.accepted_at,
    i.member_id, i.revoked_at, i.created_at, i.updated_at, i.row_version
) as shown
where i.family_id = :family_id and i.id = :invitation_id and i.is_pending;

-- name: revoke_invitation
update app.invitations as i
set revoked_at = now()
where
    i.family_id = :family_id
    and i.id = :invitation_id
    and i.is_pending
    and (:if_match::bigint[] is null or i.row_version = any(:if_match))
returning 'true' as body, null::bigint as row_version;

-- name: accept_invitation
select to_json(response)::text as body, null::bigint as row_version
from (
    select shown as family, joined.role
    from app.accept_invitation(:token_hash) as joined
    cross join app.family_json(joined.family) as shown
) as response;
