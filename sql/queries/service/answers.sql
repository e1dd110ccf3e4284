-- Kept answers: what a request with an Idempotency-Key does first and last.

-- name: find_kept_answer
select k.request_hash, k.status, k.body, k.etag_version
from app.kept_answer(:idempotency_key) as k;

-- name: keep_answer
insert into app.kept_answers (
    family_id, user_id, idempotency_key, request_hash, status, body, etag_version
)
values (
    :family_id, :user_id, :idempotency_key, :request_hash, :status, :body, :etag_version
)
returning 'true';
