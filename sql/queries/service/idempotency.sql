-- Idempotency keys: what a request that has one does first and last.

-- name: find_idempotent_response
select k.request_hash, k.status, k.body, k.etag_version
from app.idempotent_response(:idempotency_key) as k;

-- name: save_idempotent_response
insert into app.idempotency_keys (
    family_id, user_id, idempotency_key, request_hash, status, body, etag_version
)
values (
    :family_id, :user_id, :idempotency_key, :request_hash, :status, :body, :etag_version
)
returning 'true';
