-- Every standby keeps up.
--
-- One that is far behind shows what is old, and would lose it in a failover. It is measured by what
-- it has applied of the log, or has kept, if it applies none.
--
-- level: warning
-- as: pg_monitor

with standbys as (
    select
        coalesce(nullif(r.application_name, ''), r.client_addr::text, 'pid ' || r.pid) as name,
        pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(r.replay_lsn, r.flush_lsn)) as behind,
        r.replay_lag
    from pg_stat_replication as r
    where not pg_is_in_recovery()
)

select
    s.name as object,
    concat_ws(
        ', ',
        format('the standby %s is %s behind', s.name, pg_size_pretty(s.behind)),
        s.replay_lag::interval(0)::text
    ) as says,
    'look at its disk, its network and what runs on it' as remedy
from standbys as s
where s.behind > 268435456 or s.replay_lag > interval '1 minute';
