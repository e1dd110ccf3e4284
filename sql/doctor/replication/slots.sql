-- Every slot is read.
--
-- One that nobody reads keeps all that is written until the disk is full; one that has lost what it
-- needs has to be made anew.
--
-- level: warning

with slots as (
    select
        s.slot_name,
        s.active,
        s.wal_status,
        pg_wal_lsn_diff(
            case
                when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                else pg_current_wal_lsn()
            end,
            s.restart_lsn
        ) as kept
    from pg_replication_slots as s
    where not s.temporary
)

select
    case when s.wal_status in ('lost', 'unreserved') then 'error' end as level,
    s.slot_name::text as object,
    case s.wal_status
        when 'lost' then format('the slot %s has lost what it needs', s.slot_name)
        else format(
            'the slot %s is %s and keeps %s of the log',
            s.slot_name, case when s.active then 'behind' else 'not read' end,
            pg_size_pretty(coalesce(s.kept, 0))
        )
    end as says,
    format(
        'bring its reader back, or `select pg_drop_replication_slot(%L)`;'
        ' max_slot_wal_keep_size sets a limit',
        s.slot_name
    ) as remedy
from slots as s
where not s.active or s.wal_status in ('lost', 'unreserved');
