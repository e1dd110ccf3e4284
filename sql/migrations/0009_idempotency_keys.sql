-- Idempotency keys: the response to a request with an Idempotency-Key, stored so that the same
-- request does nothing when it is sent again.
--
-- A row is written in the transaction of the write it responds to: either both are there or neither
-- is. It is kept for a day.
--
-- depends: 0008_conversations

set local role app_owner;

create table app.idempotency_keys (
    family_id uuid not null,
    user_id uuid not null,
    idempotency_key text not null,

    request_hash bytea not null,
    status bigint not null,
    body text,
    etag_version bigint,

    created_at timestamptz not null default now(),

    primary key (family_id, user_id, idempotency_key),
    foreign key (family_id, user_id) references app.family_memberships (family_id, user_id)
        on delete cascade,

    constraint idempotency_keys_idempotency_key_is_1_to_255_characters
        check (length(idempotency_key) between 1 and 255),
    constraint idempotency_keys_request_hash_is_a_sha256
        check (length(request_hash) = 32),
    constraint idempotency_keys_status_is_one_of_success
        check (status between 200 and 299),
    constraint idempotency_keys_body_has_at_most_4_mebibytes
        check (octet_length(body) <= 4194304)
);
alter table app.idempotency_keys enable row level security;
alter table app.idempotency_keys force row level security;

-- Serves delete_expired_idempotency_keys.
create index idempotency_keys_created_at_idx on app.idempotency_keys (created_at);

comment on table app.idempotency_keys is
    'The response to a request with an Idempotency-Key; kept for a day.';
comment on column app.idempotency_keys.request_hash is
    'SHA-256 of path, role and body: another request may not use the same key.';
comment on column app.idempotency_keys.body is
    'The JSON text of the response; null where it was empty.';
comment on column app.idempotency_keys.etag_version is
    'The version in the response''s ETag; null where it had none.';
comment on constraint idempotency_keys_pkey on app.idempotency_keys is
    'This Idempotency-Key has already been used.';
comment on constraint idempotency_keys_family_id_user_id_fkey on app.idempotency_keys is
    'The user does not belong to this family.';
comment on constraint idempotency_keys_idempotency_key_is_1_to_255_characters
    on app.idempotency_keys is
    'The Idempotency-Key must have 1 to 255 characters.';
comment on constraint idempotency_keys_request_hash_is_a_sha256 on app.idempotency_keys is
    'The hash of a request has 32 bytes.';
comment on constraint idempotency_keys_status_is_one_of_success on app.idempotency_keys is
    'Only successful responses are kept.';
comment on constraint idempotency_keys_body_has_at_most_4_mebibytes on app.idempotency_keys is
    'The response must have at most 4 MiB.';
