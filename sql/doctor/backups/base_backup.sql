-- There is a backup, and it was restored once.
--
-- A server does not know of its backups. This is said every time, so that nobody takes silence for
-- a yes.
--
-- level: unseen

select
    null as object,
    'when the last base backup was made, and whether it can be restored' as says,
    'ask the backup''s own tool' as remedy;
