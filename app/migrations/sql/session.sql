-- How a session of a deployer is set besides what sql/session.sql pins for everybody: before
-- anything else, and again after a file, which may have changed it.
--
-- yoyo names its own tables without their schema, hence the search path; every name of ours is
-- qualified. Whoever reads or writes queues behind a migration that waits for a lock, and app_api for
-- two seconds at most: so it waits for less, or for as long as app.lock_timeout says, gives all up and
-- tries again later. A statement, and the transaction that holds them all, may take as long as they
-- need, whatever the login's limits say; transaction_timeout there is since 17.

set client_encoding to 'UTF8';
set search_path to yoyo;
set lock_timeout to '750ms';
select set_config('lock_timeout', asked, false)
from current_setting('app.lock_timeout', true) as asked
where asked <> '';
set statement_timeout to 0;
set idle_in_transaction_session_timeout to 0;
set client_min_messages to warning;
set check_function_bodies to on;
select set_config(name, '0', false) from pg_catalog.pg_settings where name = 'transaction_timeout';
