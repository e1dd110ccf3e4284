-- new_token: a secret to be told once, 43 characters that fit into a URL.
--
-- Two random UUIDs: 32 bytes of the server's cryptographic source, of which 244 bits are random
-- (RFC 9562, 5.4). Made here, the token goes out with the answer and never comes in as a value that
-- a log of statements could keep.
--
-- requires: 0002_schema

create or replace function app.new_token()
    returns text
    language sql
    volatile
    set search_path = pg_catalog, pg_temp
as $$
    select translate(
        encode(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), 'base64'),
        '+/=',
        '-_'
    )
$$;

comment on function app.new_token() is 'A random token of 43 characters.';

revoke all on function app.new_token() from public;
grant execute on function app.new_token() to app_api;
