-- Add a line to the history, and tell whoever listens once the transaction commits: statements
-- that they have prepared may be out of date.

insert into yoyo.history (host, kind, name, action, reason, sha256, milliseconds, overwritten)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning pg_notify('hearth_migrated', '')
