-- reset_rate_limit: forgets the attempts on a subject once a password was right: all of them, or
-- the newest few.
--
-- Definer, owned by app_auth: nobody else reads or writes attempts. Its caller is the service,
-- after a password was right.
--
-- owner: app_auth
-- requires: 0010_rate_limits

create or replace function app.reset_rate_limit(
    rate_limit app.rate_limit, subject_hash bytea, newest integer
)
    returns void
    language sql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    delete from app.rate_limit_hits as a
    where a.id in (
        select h.id
        from app.rate_limit_hits as h
        where
            h.rate_limit = reset_rate_limit.rate_limit
            and h.subject_hash = reset_rate_limit.subject_hash
        order by h.created_at desc
        limit reset_rate_limit.newest
    )
$$;

comment on function app.reset_rate_limit(app.rate_limit, bytea, integer) is
    'Forgets the newest attempts on a subject; all of them where no number is given.';

revoke all on function app.reset_rate_limit(app.rate_limit, bytea, integer) from public;
grant execute on function app.reset_rate_limit(app.rate_limit, bytea, integer) to app_api;
