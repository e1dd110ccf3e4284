-- find_credentials: what sign-in needs to check a password: the user with an address, and the hash.
--
-- The hash is argon2id and is checked by the service, off the database's processors. So the service
-- sees hashes, one at a time and by address; it can neither list them nor reach those of retired
-- accounts.
--
-- Definer, owned by app_auth: before sign-in there is no user whose row a policy could show.
--
-- owner: app_auth
-- requires: 0003_users

create or replace function app.find_credentials(email text)
    returns table (user_id uuid, password_hash text)
    language sql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select u.id, c.password_hash
    from app.users as u
    inner join app.credentials as c on c.user_id = u.id
    where app.text_key(u.email) = app.text_key(find_credentials.email) and u.is_active
$$;

comment on function app.find_credentials(text) is
    'User and password hash of an active account, by its address; no row when there is none.';

revoke all on function app.find_credentials(text) from public;
grant execute on function app.find_credentials(text) to app_api;
