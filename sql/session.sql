-- What every session of ours depends on, pinned here and nowhere else.
--
-- Anybody may set these for the server, the database, a role or, by the environment, for a client:
-- they change what texts mean, how values are written, what a catalog says and what a name finds.
-- The migrator sets them before anything else and after every file; the service and the other
-- commands set them locally, in each transaction.
--
-- client_encoding is not among them: asyncpg always asks for UTF-8, and the migrator's connection
-- does.

-- How dates and intervals are written and read; in which zone a time without one is.
set datestyle = 'ISO, MDY';
set intervalstyle = 'postgres';
set timezone = 'UTC';

-- What a text of SQL means.
set standard_conforming_strings = 'on';
set transform_null_equals = 'off';
set array_nulls = 'on';

-- How values and definitions are written.
set bytea_output = 'hex';
set extra_float_digits = '1';
set quote_all_identifiers = 'off';

-- What a name finds; nothing of ours is found without its schema.
set search_path = 'pg_catalog';

-- Off, a query whose rows a policy would hide fails.
set row_security = 'on';

-- What a BEGIN that says nothing means.
set default_transaction_isolation = 'read committed';
