-- Attempts: who tried to get in and how often, so that nobody can guess passwords for long.
--
-- They are counted here and not in the service, so that all its processes count together and a
-- restart forgets nothing. Subjects are keyed hashes: nobody can read here whose address or which
-- network tried. A row is kept for a day, and then until somebody tries again.
--
-- depends: 0009_idempotency_keys

set local role app_owner;

create type app.rate_limit as enum ('sign_in', 'sign_up', 'password_change');

comment on type app.rate_limit is 'What somebody attempted.';

create table app.rate_limit_hits (
    id uuid not null default app.new_id(),

    rate_limit app.rate_limit not null,
    subject_hash bytea not null,

    -- The clock, not the transaction's start: attempts that waited for one another keep order.
    created_at timestamptz not null default clock_timestamp(),

    primary key (id),

    constraint rate_limit_hits_subject_hash_is_a_sha256
        check (length(subject_hash) = 32)
);
alter table app.rate_limit_hits enable row level security;
alter table app.rate_limit_hits force row level security;

-- Serves hit_rate_limit and reset_rate_limit.
create index rate_limit_hits_rate_limit_subject_hash_created_at_idx
    on app.rate_limit_hits (rate_limit, subject_hash, created_at);

-- Serves hit_rate_limit, which forgets what is old.
create index rate_limit_hits_created_at_idx on app.rate_limit_hits (created_at);

comment on table app.rate_limit_hits is 'Attempts to sign in or up; kept for a day.';
comment on column app.rate_limit_hits.subject_hash is
    'HMAC-SHA-256 of what is counted together: an e-mail address, a network, both, or a user.';
comment on constraint rate_limit_hits_subject_hash_is_a_sha256 on app.rate_limit_hits is
    'The hash of a subject has 32 bytes.';
