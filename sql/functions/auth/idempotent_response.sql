-- idempotent_response: the response that the user's request under a key was given, if any.
--
-- A transaction that asks for a key holds it until its end: another one that asks for the same key
-- waits, and then sees the response. That is why this is a function and not a query: the second
-- statement of a volatile function sees what was committed while the first one waited.
--
-- requires: 0009_idempotency_keys current_user_id current_family_id delete_expired_idempotency_keys

create or replace function app.idempotent_response(idempotency_key text)
    returns table (request_hash bytea, status bigint, body text, etag_version bigint)
    language plpgsql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_user_id uuid := app.current_user_id();
    v_family_id uuid := app.current_family_id();
begin
    perform pg_advisory_xact_lock(
        hashtextextended(concat_ws(' ', v_user_id, v_family_id, idempotency_key), 0)
    );
    perform app.delete_expired_idempotency_keys(idempotency_key);

    return query
    select k.request_hash, k.status, k.body, k.etag_version
    from app.idempotency_keys as k
    where
        k.family_id = v_family_id
        and k.user_id = v_user_id
        and k.idempotency_key = idempotent_response.idempotency_key;
end
$$;

comment on function app.idempotent_response(text) is
    'The response stored under a key, after waiting for whoever is giving one.';

revoke all on function app.idempotent_response(text) from public;
grant execute on function app.idempotent_response(text) to app_api;
