-- hit_rate_limit: notes an attempt, unless there have been too many.
--
-- Attempts on one subject take turns, so that many at once are not more than there may be. What is
-- older than a day counts for nothing and is deleted on the way, a few rows at a time.
--
-- Definer, owned by app_auth: nobody else reads or writes attempts. Its caller is the service,
-- before anybody has signed in; it tells how long to wait and nothing else.
--
-- owner: app_auth
-- requires: 0010_rate_limits new_id

create or replace function app.hit_rate_limit(
    rate_limit app.rate_limit, subject_hash bytea, max_attempts integer, period interval
)
    returns integer
    language plpgsql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_now timestamptz;
    v_frees_at timestamptz;
begin
    perform pg_advisory_xact_lock(
        hashtextextended(rate_limit::text || encode(subject_hash, 'hex'), 0)
    );

    if pg_try_advisory_xact_lock(hashtextextended('app.hit_rate_limit', 0)) then
        delete from app.rate_limit_hits as a
        where a.id in (
            select old.id
            from app.rate_limit_hits as old
            where old.created_at < now() - interval '1 day'
            order by old.created_at
            limit 20
        );
    end if;

    -- The attempt that has to be forgotten before there may be another. One of the future was made
    -- before the clock was set back, and nobody waits until it is past.
    v_now := clock_timestamp();
    select a.created_at + period into v_frees_at
    from app.rate_limit_hits as a
    where
        a.rate_limit = hit_rate_limit.rate_limit
        and a.subject_hash = hit_rate_limit.subject_hash
        and a.created_at > v_now - period
        and a.created_at <= v_now
    order by a.created_at desc
    offset greatest(max_attempts, 1) - 1
    limit 1;
    if found then
        return ceil(extract(epoch from v_frees_at - v_now));
    end if;

    insert into app.rate_limit_hits (rate_limit, subject_hash)
    values (rate_limit, subject_hash);

    return null;
end
$$;

comment on function app.hit_rate_limit(app.rate_limit, bytea, integer, interval) is
    'Notes an attempt; where there are too many already, the seconds to wait before the next.';

revoke all on function app.hit_rate_limit(app.rate_limit, bytea, integer, interval) from public;
grant execute on function app.hit_rate_limit(app.rate_limit, bytea, integer, interval) to app_api;
