-- Invitations: an address asked into the family, in a role, by a token that was told once.
--
-- An invitation is pending until it is accepted or revoked, also when it has expired: so those who
-- wait see it, and ask again. An address has one pending invitation of a family: asked again, it
-- gets a new token, and the old one works no more, for nobody could tell it a second time.
--
-- It is the word of who gave it and counts while they could give it again: who was removed, or is
-- no admin any more, has left no door open. For the same reason it counts in no retired family.
-- Nothing is written for that: accept_invitation looks, and what is restored counts again.
--
-- The token is stored as SHA-256, which the service's login writes and cannot read. The trail keeps
-- neither that nor the address, which is not yet somebody's in the family.
--
-- Long expired, it is purged, however it ended: the address of who never came is nobody's to keep.
--
-- Who left, was removed or invited again comes back to the same membership, with all that hangs on
-- it. So a membership may be restored now, and only that of an account that is active.
--
-- locks: app.family_memberships access exclusive, because one of its indexes is replaced
-- depends: 0010_rate_limits

set local role app_auth;

-- It takes an invitation from now on: sql/functions/auth/sign_up.sql puts it back at once.
-- squawk-ignore ban-drop-function
drop function if exists app.sign_up(text, text, text, text, text, bytea, timestamptz);

set local role app_owner;

-- The stubs of two rules that look at accounts; sql/functions has them.
grant create on schema app to app_auth;

set local role app_auth;

create function app.tg_refuse_members()
    returns trigger
    language plpgsql
as $$
begin
    raise exception 'functions are not installed yet' using hint = 'Run: hearth migrate';
end
$$;

create function app.tg_require_active_user()
    returns trigger
    language plpgsql
as $$
begin
    raise exception 'functions are not installed yet' using hint = 'Run: hearth migrate';
end
$$;

grant execute on function app.tg_refuse_members() to app_owner;
grant execute on function app.tg_require_active_user() to app_owner;

set local role app_owner;

revoke create on schema app from app_auth;

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
    -- Purged, a member leaves no address behind.
    foreign key (family_id, member_id) references app.family_memberships (family_id, user_id)
        on delete cascade,

    constraint invitations_email_looks_like_an_address
        check (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' and length(email) <= 254),
    constraint invitations_token_hash_is_sha256
        check (length(token_hash) = 32),
    constraint invitations_acceptance_has_a_member
        check (accepted_at is null or member_id is not null),
    constraint invitations_end_is_acceptance_or_revocation
        check (accepted_at is null or revoked_at is null)
);
alter table app.invitations enable row level security;
alter table app.invitations force row level security;

-- One plan for all, which suits large families (see app.family_memberships): a thousand rows.
alter table app.invitations alter column family_id set (n_distinct = -0.001);

-- One pending invitation for each address, whatever its case.
create unique index invitations_family_id_lower_email_key
    on app.invitations (family_id, lower(email)) where is_pending;

-- Serves accept_invitation: whoever comes with a token does not say of which family. Not unique: a
-- key across families would tell one what another has, and no two random tokens are the same.
create index invitations_token_hash_idx on app.invitations (token_hash);

-- Serves list_invitations, and create_invitation, which looks for the address.
create index invitations_family_id_is_pending_created_at_id_idx
    on app.invitations (family_id, is_pending, created_at, id);

-- Serves count_purgeable and purge_invitations.
create index invitations_expires_at_idx on app.invitations (expires_at);

-- Serves the cascade from family_memberships, of who invited.
create index invitations_family_id_user_id_idx on app.invitations (family_id, user_id);

-- Serves the cascade from family_memberships, of who came.
create index invitations_family_id_member_id_idx on app.invitations (family_id, member_id);

create trigger _100_touch before update on app.invitations
    for each row execute function app.tg_touch();
create trigger _110_refuse_truncate before truncate on app.invitations
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');
-- After the row is in, so that the policies have been asked before the accounts are.
create trigger _200_refuse_members after insert on app.invitations
    for each row execute function app.tg_refuse_members();
create trigger _900_audit after insert or update or delete on app.invitations
    for each row execute function app.tg_record_audit('family', 'email', 'token_hash');

-- Of memberships: the list of those that are no more, and the way back. They are few for each
-- family, and an index of them is made in a moment, within the transaction of all the rest.
-- squawk-ignore require-concurrent-index-deletion
drop index app.family_memberships_family_id_created_at_user_id_idx;

-- Serves list_members.
-- squawk-ignore require-concurrent-index-creation
create index family_memberships_family_id_is_active_created_at_user_id_idx
    on app.family_memberships (family_id, is_active, created_at, user_id);

create trigger _210_need_an_account before update on app.family_memberships
    for each row when (OLD.deleted_at is not null and NEW.deleted_at is null)
    execute function app.tg_require_active_user();

comment on table app.invitations is
    'An address asked into the family. Seen by owners and admins; accepted once, within 7 days.';
comment on column app.invitations.family_id is 'The tenant.';
comment on column app.invitations.id is 'Names the invitation within its family.';
comment on column app.invitations.user_id is 'Who invited; while they could, it counts.';
comment on column app.invitations.email is
    'Whom: only an account with this address may accept, in whatever case it is written.';
comment on column app.invitations.role is 'What they will be in the family.';
comment on column app.invitations.token_hash is
    'SHA-256 of the token; the token itself is stored nowhere.';
comment on column app.invitations.expires_at is '7 days after it was made; never changes.';
comment on column app.invitations.accepted_at is 'When it was accepted; null until then.';
comment on column app.invitations.member_id is 'Who came, a user; null until it is accepted.';
comment on column app.invitations.revoked_at is
    'When it was taken back, or another took its place; null if it was not.';
comment on column app.invitations.is_pending is
    'True until it is accepted or revoked; it may have expired.';
comment on column app.invitations.created_at is 'When the row was made; never changes.';
comment on column app.invitations.updated_at is 'When the row last changed; strictly increasing.';
comment on column app.invitations.row_version is 'Counts the changes of the row, from 1.';
comment on constraint invitations_pkey on app.invitations is 'This invitation exists already.';
comment on constraint invitations_family_id_user_id_fkey on app.invitations is
    'The user does not belong to this family.';
comment on constraint invitations_family_id_member_id_fkey on app.invitations is
    'Who accepts does not belong to this family.';
comment on constraint invitations_email_looks_like_an_address on app.invitations is
    'The e-mail address must look like name@host and have at most 254 characters.';
comment on constraint invitations_token_hash_is_sha256 on app.invitations is
    'Tokens are stored as SHA-256.';
comment on constraint invitations_acceptance_has_a_member on app.invitations is
    'An invitation is accepted by somebody.';
comment on constraint invitations_end_is_acceptance_or_revocation on app.invitations is
    'An invitation is accepted or revoked, not both.';
comment on index app.invitations_family_id_lower_email_key is
    'There is an invitation for this e-mail address already.';
comment on index app.invitations_token_hash_idx is 'Serves accept_invitation.';
comment on index app.invitations_family_id_is_pending_created_at_id_idx is
    'Serves list_invitations and create_invitation.';
comment on index app.invitations_expires_at_idx is
    'Serves count_purgeable and purge_invitations.';
comment on index app.invitations_family_id_user_id_idx is
    'Serves the cascade from family_memberships, of who invited.';
comment on index app.invitations_family_id_member_id_idx is
    'Serves the cascade from family_memberships, of who came.';
comment on trigger _100_touch on app.invitations is
    'Keeps created_at, updated_at and row_version.';
comment on trigger _110_refuse_truncate on app.invitations is
    'Rows leave one by one, so that the audit trail sees them.';
comment on trigger _200_refuse_members on app.invitations is
    'Who is a member already is not invited.';
comment on trigger _900_audit on app.invitations is
    'Writes the audit trail, of address and token only the hash.';
comment on index app.family_memberships_family_id_is_active_created_at_user_id_idx is
    'Serves list_members.';
comment on trigger _210_need_an_account on app.family_memberships is
    'A membership comes back only where the account is active.';
