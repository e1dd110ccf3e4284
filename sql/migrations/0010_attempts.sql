-- Attempts: who tried to get in how often, so that nobody guesses passwords for long.
--
-- They are counted here and not in the service, so that all its processes count together and a
-- restart forgets nothing. Subjects are keyed hashes: whose address or which network tried is not
-- to be read here. A row is kept for a day, and then until somebody tries again.
--
-- depends: 0009_kept_answers

set local role app_owner;

create type app.attempt_type as enum ('sign_in', 'sign_up', 'password_change');

comment on type app.attempt_type is 'What somebody attempted.';

create table app.attempts (
    id uuid not null default app.new_id(),

    attempt_type app.attempt_type not null,
    subject_hash bytea not null,

    -- The clock, not the transaction's start: attempts that waited for one another keep order.
    created_at timestamptz not null default clock_timestamp(),

    primary key (id),

    constraint attempts_subject_hash_is_a_sha256
        check (length(subject_hash) = 32)
);
alter table app.attempts enable row level security;
alter table app.attempts force row level security;

-- Serves count_attempt and forgive_attempts.
create index attempts_attempt_type_subject_hash_created_at_idx
    on app.attempts (attempt_type, subject_hash, created_at);

-- Serves count_attempt, which forgets what is old.
create index attempts_created_at_idx on app.attempts (created_at);

create trigger _100_refuse_change before update on app.attempts
    for each row execute function app.refuse_change('an attempt was made or was not');

comment on table app.attempts is 'Attempts to sign in or up; kept for a day.';
comment on column app.attempts.id is 'Names the attempt.';
comment on column app.attempts.attempt_type is 'What was attempted.';
comment on column app.attempts.subject_hash is
    'HMAC-SHA-256 of what is counted together: an address of mail, a network, both, or a user.';
comment on column app.attempts.created_at is 'When it was made; never changes.';
comment on constraint attempts_pkey on app.attempts is 'This attempt exists already.';
comment on constraint attempts_subject_hash_is_a_sha256 on app.attempts is
    'The hash of a subject has 32 bytes.';
comment on index app.attempts_attempt_type_subject_hash_created_at_idx is
    'Serves count_attempt and forgive_attempts.';
comment on index app.attempts_created_at_idx is 'Serves count_attempt, which forgets what is old.';
comment on trigger _100_refuse_change on app.attempts is 'Attempts are counted, not changed.';
