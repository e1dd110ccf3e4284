-- Invitations: a family asks an e-mail address to join, in a role, by a token that is told once.
--
-- An invitation is pending until it is accepted or revoked, even after it has expired: the family
-- still sees it and can invite again. An address has at most one pending invitation in a family.
-- Inviting it again makes a new token and ends the old one, which nobody could tell a second time.
--
-- An invitation counts only while the member who gave it could still give it. A member who was
-- removed, or is no longer an admin, leaves no door open, and a retired family lets nobody in. No
-- row changes for that: accept_invitation checks it, and after a restore the invitation counts
-- again.
--
-- The token is stored as SHA-256, which the service's login can write and not read. The audit trail
-- keeps neither the token nor the address, because the family does not have that address yet.
--
-- Expired invitations are purged, whatever became of them: the address of a person who never came
-- is nobody's to keep.
--
-- A member who left or was removed, and is invited again, gets the same membership back, with
-- everything that hangs on it. From here on a membership can be restored, if the account is active.
--
-- locks: app.family_memberships access exclusive, because one of its indexes is replaced
-- depends: 0010_rate_limits

set local role app_auth;

-- It takes an invitation from now on: sql/functions/auth/sign_up.sql makes it anew.
-- squawk-ignore ban-drop-function
drop function if exists app.sign_up(text, text, text, text, text, bytea, timestamptz);

set local role app_owner;

create table app.invitations (
    family_id uuid not null,
    id uuid not null default app.new_id(),
    user_id uuid not null,

    email text not null,
    role app.member_role not null,
    token_hash bytea not null,

    expires_at timestamptz not null default now() + interval '7 days',
    accepted_at timestamptz,
    member_id uuid,
    revoked_at timestamptz,
    is_pending boolean not null
        generated always as (accepted_at is null and revoked_at is null) stored,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,

    primary key (family_id, id),
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete cascade,
    -- A purged member leaves no address behind.
    foreign key (family_id, member_id) references app.family_memberships (family_id, user_id)
        on delete cascade,

    constraint invitations_email_looks_like_an_address
        check (
            email = app.visible(email)
            and app.text_key(email) ~ '^[^@ ]+@[^@ ]+$'
            and email ~ '@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*$'
            and length(email) <= 254
        ),
    constraint invitations_token_hash_is_sha256
        check (length(token_hash) = 32),
    constraint invitations_acceptance_has_a_member
        check (accepted_at is null or member_id is not null),
    constraint invitations_end_is_acceptance_or_revocation
        check (accepted_at is null or revoked_at is null)
);
alter table app.invitations enable row level security;
alter table app.invitations force row level security;
alter table app.invitations alter column family_id set (n_distinct = -0.001);

-- One pending invitation for each address, in whatever form it is written.
create unique index invitations_family_id_email_key
    on app.invitations (family_id, app.text_key(email)) where is_pending;

-- Serves accept_invitation: a token does not say which family it is of. Not unique: a key across
-- families would tell one what another has, and no two random tokens are the same.
create index invitations_token_hash_idx on app.invitations (token_hash);

-- Serves list_invitations, and create_invitation, which looks for the address.
create index invitations_family_id_is_pending_created_at_id_idx
    on app.invitations (family_id, is_pending, created_at, id);

-- Serves count_invitations_to_purge and purge_invitations.
create index invitations_expires_at_idx on app.invitations (expires_at);

-- Serves the cascade from family_memberships, of who invited.
create index invitations_family_id_user_id_idx on app.invitations (family_id, user_id);

-- Serves the cascade from family_memberships, of who came.
create index invitations_family_id_member_id_idx on app.invitations (family_id, member_id);

-- Former members are listed from now on, to be restored. A family has few members, so the index is
-- built in a moment, within the transaction of all the rest.
-- squawk-ignore require-concurrent-index-deletion
drop index app.family_memberships_family_id_created_at_user_id_idx;

-- Serves list_members.
-- squawk-ignore require-concurrent-index-creation
create index family_memberships_family_id_is_active_created_at_user_id_idx
    on app.family_memberships (family_id, is_active, created_at, user_id);

comment on table app.invitations is
    'An address asked into the family. Seen by owners and admins; accepted once, within 7 days.';
comment on column app.invitations.user_id is
    'Who invited; it counts only while they could still invite.';
comment on column app.invitations.email is
    'To whom the family hands the token; whoever has it may accept, with any account.';
comment on column app.invitations.token_hash is
    'SHA-256 of the token, which is told once to the one who invites.';
comment on column app.invitations.member_id is 'The user who accepted; null until then.';
comment on column app.invitations.revoked_at is
    'When it was revoked, or replaced by a newer one; null if neither.';
comment on column app.invitations.is_pending is
    'True until it is accepted or revoked, also when it has expired.';
comment on constraint invitations_family_id_user_id_fkey on app.invitations is
    'The user does not belong to this family.';
comment on constraint invitations_family_id_member_id_fkey on app.invitations is
    'The invited user does not belong to this family.';
comment on constraint invitations_email_looks_like_an_address on app.invitations is
    'The e-mail address must look like name@host, without blanks or invisible characters, the host'
    ' in ASCII as in xn--bcher-kva.example, and have at most 254 characters.';
comment on constraint invitations_token_hash_is_sha256 on app.invitations is
    'Tokens are stored as SHA-256.';
comment on constraint invitations_acceptance_has_a_member on app.invitations is
    'An accepted invitation must name the member.';
comment on constraint invitations_end_is_acceptance_or_revocation on app.invitations is
    'An invitation cannot be both accepted and revoked.';
comment on index app.invitations_family_id_email_key is
    'This e-mail address already has a pending invitation.';
