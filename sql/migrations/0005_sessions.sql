-- Sessions: one row for each sign-in, and the chain of refresh tokens it went through.
--
-- A refresh token works once: using it appends the next link. The chain is insert-only, so whether
-- a token has been used is not a flag that two requests could race for but a fact that a unique
-- key decides: it has a successor or it has none. Presenting a token that has one revokes the
-- session.
--
-- Tokens are stored as SHA-256 of 32 random bytes: nobody can guess them, so a slow hash would only
-- cost time.
--
-- depends: 0004_families

set local role app_owner;

create table app.sessions (
    id uuid not null default app.new_id(),
    user_id uuid not null,
    family_id uuid,

    expires_at timestamptz not null,
    revoked_at timestamptz,
    network_hash bytea,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,

    primary key (id),
    foreign key (user_id) references app.users (id) on delete cascade,
    -- A session outlives its membership: the next refresh moves it to another family.
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete set null (family_id),

    constraint sessions_network_hash_is_a_sha256
        check (length(network_hash) = 32)
);
alter table app.sessions enable row level security;
alter table app.sessions force row level security;

-- Serves change_password and retire_account, and the cascade from users.
create index sessions_user_id_idx on app.sessions (user_id);

-- Serves retire_family, and the foreign key to the membership.
create index sessions_family_id_user_id_idx on app.sessions (family_id, user_id);

-- Serves count_sessions_to_purge and purge_sessions.
create index sessions_expires_at_idx on app.sessions (expires_at);

-- Serves knows_network.
create index sessions_network_hash_idx on app.sessions (network_hash);

comment on table app.sessions is 'A sign-in, from its first token to its revocation or expiry.';
comment on column app.sessions.id is 'Stands in the access token as sid.';
comment on column app.sessions.family_id is
    'The family the session acts in; null when the user has none.';
comment on column app.sessions.expires_at is
    'When the newest refresh token of the session stops working.';
comment on column app.sessions.revoked_at is
    'When the session was ended before its time; null while it lives.';
comment on column app.sessions.network_hash is
    'HMAC-SHA-256 of the network that it began in and the address of the account; null if unknown.';
comment on constraint sessions_network_hash_is_a_sha256 on app.sessions is
    'The hash of a network has 32 bytes.';
comment on constraint sessions_user_id_fkey on app.sessions is 'The user does not exist.';
comment on constraint sessions_family_id_user_id_fkey on app.sessions is
    'The user does not belong to this family.';

create table app.refresh_tokens (
    token_hash bytea not null,
    session_id uuid not null,
    replaces_hash bytea,

    created_at timestamptz not null default now(),

    primary key (token_hash),
    foreign key (session_id) references app.sessions (id) on delete cascade,
    -- A token has one successor at most.
    unique (replaces_hash),
    foreign key (replaces_hash) references app.refresh_tokens (token_hash) on delete cascade,

    constraint refresh_tokens_token_hash_is_sha256 check (length(token_hash) = 32)
);
alter table app.refresh_tokens enable row level security;
alter table app.refresh_tokens force row level security;

-- Serves the cascade from sessions.
create index refresh_tokens_session_id_idx on app.refresh_tokens (session_id);

comment on table app.refresh_tokens is
    'The links of a session''s chain, the newest without successor. Only app_auth can read it.';
comment on column app.refresh_tokens.token_hash is 'SHA-256 of the token, which is stored nowhere.';
comment on column app.refresh_tokens.replaces_hash is
    'The token before it in the chain; null for the first.';
comment on constraint refresh_tokens_pkey on app.refresh_tokens is 'This token already exists.';
comment on constraint refresh_tokens_session_id_fkey on app.refresh_tokens is
    'The session does not exist.';
comment on constraint refresh_tokens_replaces_hash_key on app.refresh_tokens is
    'This token has already been used.';
comment on constraint refresh_tokens_replaces_hash_fkey on app.refresh_tokens is
    'The previous token does not exist.';
comment on constraint refresh_tokens_token_hash_is_sha256 on app.refresh_tokens is
    'Tokens are stored as SHA-256.';
