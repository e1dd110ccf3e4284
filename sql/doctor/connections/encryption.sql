-- What goes over a network is encrypted.
--
-- What the database answers has people's lives in it, and what it is asked has tokens' hashes.
--
-- level: warning

select
    way.url as object,
    format('%s leads over a network, without TLS', way.url) as says,
    format('add sslmode=verify-full to %s, and set ssl on the server', way.url) as remedy
from (values ('direct', 'DIRECT_URL'), ('service', 'DATABASE_URL')) as way (part, url)
where
    not ($1 -> way.part ->> 'is_local')::boolean
    and not ($1 -> way.part ->> 'is_encrypted')::boolean;
