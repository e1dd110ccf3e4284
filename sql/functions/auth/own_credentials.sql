-- own_credentials: the hash to check the old password against before it is changed.
--
-- Definer, owned by app_auth: the service's login cannot read credentials. Only the caller's own.
--
-- owner: app_auth
-- requires: 0003_users

create or replace function app.own_credentials()
    returns table (user_id uuid, password_hash text)
    language sql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select c.user_id, c.password_hash
    from app.credentials as c
    where c.user_id = app.current_user_id()
$$;

comment on function app.own_credentials() is 'The password hash of the user of the context.';

revoke all on function app.own_credentials() from public;
grant execute on function app.own_credentials() to app_api;
