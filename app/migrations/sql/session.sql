-- How a session of a deployer is set, before anything else and again after a file that changed it.
--
-- yoyo names its own tables without their schema, hence the search path; every name of ours is
-- qualified. Whoever reads or writes queues behind a migration that waits for a lock, so it waits
-- three seconds and gives up. A statement may take as long as it needs.

set search_path to yoyo;
set lock_timeout to '3s';
set statement_timeout to 0;
set client_min_messages to warning;
