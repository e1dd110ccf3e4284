-- Users: people, across all families, and the passwords they sign in with.
--
-- A user belongs to no tenant, so there is no family_id here: users see only their own row. What a
-- family may know of a user (a name, a role) is in the membership.
--
-- The password hash has a table of its own that the service's login cannot read at all, so that no
-- careless column grant on users can ever show one.
--
-- depends: 0002_schema

set local role app_owner;

create table app.users (
    id uuid not null default app.new_id(),

    email text not null,
    full_name text not null,
    time_zone text not null default 'UTC',
    is_notified boolean not null default true,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    deleted_at timestamptz,
    is_active boolean not null generated always as (deleted_at is null) stored,

    primary key (id),

    -- A rough shape only: whether an address exists, only a mail to it can tell. Asked of the key
    -- too, in which a fullwidth @ is one.
    constraint users_email_looks_like_an_address
        check (
            email = app.visible(email)
            and app.text_key(email) ~ '^[^@ ]+@[^@ ]+$'
            and email ~ '@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*$'
            and length(email) <= 254
        ),
    constraint users_full_name_is_1_to_200_characters
        check (app.is_line(full_name) and length(full_name) <= 200),
    constraint users_time_zone_is_known
        check (app.is_time_zone(time_zone))
);
alter table app.users enable row level security;
alter table app.users force row level security;

-- One active account per address, in whatever form it is written: whoever closed an account may
-- sign up anew. Serves find_credentials.
create unique index users_email_key on app.users (app.text_key(email)) where is_active;

-- Serves count_accounts_to_purge and purge_accounts: what is retired, the oldest first.
create index users_deleted_at_idx on app.users (deleted_at) where deleted_at is not null;

comment on table app.users is
    'A person with an account. Retired by deleted_at, removed for good by a purge.';
comment on column app.users.email is
    'As the person wrote it, the domain in ASCII; of active accounts one has it, as text_key says.';
comment on column app.users.time_zone is 'IANA name, such as Europe/Vienna.';
comment on column app.users.is_notified is 'Whether the person wants notifications.';
comment on index app.users_email_key is 'This e-mail address already has an account.';
comment on constraint users_email_looks_like_an_address on app.users is
    'The e-mail address must look like name@host, without blanks or invisible characters, the host'
    ' in ASCII as in xn--bcher-kva.example, and have at most 254 characters.';
comment on constraint users_full_name_is_1_to_200_characters on app.users is
    'The full name must have 1 to 200 characters, not all invisible, and no blank at its ends.';
comment on constraint users_time_zone_is_known on app.users is
    'The time zone must be a name such as Europe/Vienna.';

create table app.credentials (
    user_id uuid not null,

    password_hash text not null,

    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,

    primary key (user_id),
    foreign key (user_id) references app.users (id) on delete cascade,

    -- Keeps a plain password from being stored by mistake.
    constraint credentials_password_hash_is_argon2id
        check (password_hash like '$argon2id$%')
);
alter table app.credentials enable row level security;
alter table app.credentials force row level security;

comment on table app.credentials is 'The password hash of a user. Only app_auth can read it.';
comment on column app.credentials.password_hash is
    'argon2id in its encoded form: parameters, salt and hash.';
comment on constraint credentials_pkey on app.credentials is 'This user already has a password.';
comment on constraint credentials_user_id_fkey on app.credentials is 'The user does not exist.';
comment on constraint credentials_password_hash_is_argon2id on app.credentials is
    'Passwords are stored as argon2id hashes only.';
