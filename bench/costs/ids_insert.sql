-- More of them, with what that took; run by psql, and printed as JSON.
--
-- Variables: id, what makes one; rows, how many more.

\set ON_ERROR_STOP on

explain (analyze, buffers, wal, timing off, summary on, format json)
insert into ids (family_id, id, title)
select 1 + n::bigint * 7919 % 1000, :id, 'Take out the rubbish ' || n
from generate_series(1, :rows) as n;
