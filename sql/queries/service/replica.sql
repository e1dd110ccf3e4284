-- Whether what is written on the primary can be read on a replica of it.

-- name: get_position
-- How far the primary is, and what makes it the primary: whatever was acknowledged before this was
-- asked lies before the position. Of what is inserted and not only of what is flushed, because
-- with synchronous_commit off the one is acknowledged before the other.
--
-- The timeline is that of the name of a file of the log: the control file learns of a new one late.
select
    json_build_object(
        'lsn', w.lsn,
        'timeline', ('x' || left(pg_walfile_name(w.lsn), 8))::bit(32)::integer,
        'cluster', c.system_identifier,
        'database', (select d.oid from pg_database as d where d.datname = current_database()),
        'login', quote_ident(current_user)::regrole::oid
    )::text as position
from pg_current_wal_insert_lsn() as w (lsn)
cross join pg_control_system() as c;

-- name: get_replica_fault
-- Why what the primary had at a position cannot be read here, in words; null if it can.
--
-- A standby that goes on with a primary that was replaced may be as far, and have something else:
-- of the timelines that are known here the later one is where it has been for certain. It learns
-- of that some time after it has followed, so this errs on the safe side.
--
-- At the end of a page the primary stands behind the head of the next one, of 24 or 40 bytes, and
-- whoever has replayed all stands before it. No record is as short as what is between.
select
    case
        when not pg_is_in_recovery() then 'it is no standby'
        when c.system_identifier <> (p.at ->> 'cluster')::bigint
            then 'it is a standby of another server'
        when d.oid <> (p.at ->> 'database')::oid then 'it is another database'
        when quote_ident(current_user)::regrole <> (p.at ->> 'login')::oid
            then 'its login is another one'
        when greatest(k.timeline_id, y.min_recovery_end_timeline) <> (p.at ->> 'timeline')::integer
            then 'it does not yet follow the server that is the primary now'
        when
            w.lsn < (p.at ->> 'lsn')::pg_lsn
            and not (
                (w.lsn - '0/0') % current_setting('wal_block_size')::integer = 0
                and (p.at ->> 'lsn')::pg_lsn - w.lsn <= 40
            )
            then concat('it is ', (p.at ->> 'lsn')::pg_lsn - w.lsn, ' bytes behind')
    end as fault
from (select :position::jsonb as at) as p
cross join pg_last_wal_replay_lsn() as w (lsn)
cross join pg_control_system() as c
cross join pg_control_checkpoint() as k
cross join pg_control_recovery() as y
inner join pg_database as d on d.datname = current_database();
