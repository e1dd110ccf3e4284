-- knows_network: whether somebody has signed in to an account from a network before.
--
-- The hash is of the account's address and the network together, so it tells of one account, and
-- nobody without the service's key can make one. It is asked when others have used up what the
-- account has in attempts.
--
-- Definer, owned by app_auth: before sign-in there is no user whose sessions a policy could show.
--
-- owner: app_auth
-- requires: 0005_sessions

create or replace function app.knows_network(network_hash bytea)
    returns boolean
    language sql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from app.sessions as s where s.network_hash = knows_network.network_hash
    )
$$;

comment on function app.knows_network(bytea) is
    'Whether a session began in this network and account, living or ended.';

revoke all on function app.knows_network(bytea) from public;
grant execute on function app.knows_network(bytea) to app_api;
