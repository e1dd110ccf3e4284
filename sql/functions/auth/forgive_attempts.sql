-- forgive_attempts: forgets attempts on a subject, for who has shown to be allowed in: all of them,
-- or the newest few.
--
-- Definer, owned by app_auth: nobody else reads or writes attempts. Its caller is the service,
-- after a password was right.
--
-- owner: app_auth
-- requires: 0010_attempts

create or replace function app.forgive_attempts(
    attempt_type app.attempt_type, subject_hash bytea, most integer
)
    returns void
    language sql
    volatile
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    delete from app.attempts as a
    where a.id in (
        select newest.id
        from app.attempts as newest
        where
            newest.attempt_type = forgive_attempts.attempt_type
            and newest.subject_hash = forgive_attempts.subject_hash
        order by newest.created_at desc
        limit most
    )
$$;

comment on function app.forgive_attempts(app.attempt_type, bytea, integer) is
    'Forgets the newest attempts on a subject; all of them where no number is given.';

revoke all on function app.forgive_attempts(app.attempt_type, bytea, integer) from public;
grant execute on function app.forgive_attempts(app.attempt_type, bytea, integer) to app_api;
