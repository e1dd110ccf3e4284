-- delete_expired_idempotency_keys: deletes keys that are older than a day, a few at a time.
--
-- Each request with an Idempotency-Key calls it, so that the table stays as small as its use, and
-- no job has to be remembered. While one transaction does it, no other waits for it or joins in.
--
-- Definer, owned by app_auth: old keys are anybody's. It deletes what is older than a day,
-- whoever asks, and gives nothing back.
--
-- owner: app_auth
-- requires: 0009_idempotency_keys current_user_id current_family_id

create or replace function app.delete_expired_idempotency_keys(idempotency_key text)
    returns void
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- The caller's own key may be used again, however many are older.
    delete from app.idempotency_keys as k
    where
        k.family_id = app.current_family_id()
        and k.user_id = app.current_user_id()
        and k.idempotency_key = delete_expired_idempotency_keys.idempotency_key
        and k.created_at < now() - interval '24 hours';

    if not pg_try_advisory_xact_lock(
        hashtextextended('app.delete_expired_idempotency_keys', 0)
    ) then
        return;
    end if;

    delete from app.idempotency_keys as k
    where (k.family_id, k.user_id, k.idempotency_key) in (
        select old.family_id, old.user_id, old.idempotency_key
        from app.idempotency_keys as old
        where old.created_at < now() - interval '24 hours'
        order by old.created_at
        limit 20
    );
end
$$;

comment on function app.delete_expired_idempotency_keys(text) is
    'Deletes idempotency keys that are older than a day: one by its name, and some others.';

revoke all on function app.delete_expired_idempotency_keys(text) from public;
grant execute on function app.delete_expired_idempotency_keys(text) to app_api;
