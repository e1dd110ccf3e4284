-- tg_keep_quota: what one member keeps in a day of large responses has an end, as a small request
-- may have a large one. The trigger's condition spares the small ones: they cost no look.
--
-- Two that are written at the same moment may both pass; the pool bounds how many do.
--
-- Invoker: members see their own.
--
-- requires: 0009_idempotency_keys

create or replace function app.tg_keep_quota()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_kept bigint;
begin
    select sum(octet_length(k.body)) into v_kept
    from app.idempotency_keys as k
    where k.family_id = NEW.family_id and k.user_id = NEW.user_id;

    if v_kept + octet_length(NEW.body) > 33554432 then
        raise exception 'the responses kept for this member have 32 MiB already'
            using errcode = 'ZH006', schema = TG_TABLE_SCHEMA, table = TG_TABLE_NAME;
    end if;

    return NEW;
end
$$;

comment on function app.tg_keep_quota() is
    'Trigger: a member has 32 MiB of kept responses at most.';

revoke all on function app.tg_keep_quota() from public;
