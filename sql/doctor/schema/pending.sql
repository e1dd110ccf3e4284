-- All migrations and files have been applied.
--
-- The service says that it is degraded as long as it knows files that the database does not.
--
-- level: warning

select
    null as level,
    s.step ->> 'file' as object,
    format('%s: %s', s.step ->> 'action', s.step ->> 'reason') as says,
    '`hearth migrate`' as remedy
from jsonb_array_elements($1 -> 'status') as s (step)
where s.step ->> 'action' not in ('differs', 'unmanaged')
union all
select
    'unseen', null, 'what `hearth status` compares: ' || ($1 ->> 'status_unseen'),
    '`hearth status` as the deployer'
where $1 ->> 'status_unseen' is not null;
