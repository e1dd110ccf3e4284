-- Whoever is waited for is there.
--
-- With synchronous_standby_names and no standby, every commit waits for ever.
--
-- level: error

select
    null as object,
    format('commits wait for %s, and there is no standby', s.reset_val) as says,
    'bring it back, or `alter system reset synchronous_standby_names`, and reload' as remedy
from pg_settings as s
where
    s.name = 'synchronous_standby_names'
    and s.reset_val <> ''
    and not exists (select from pg_stat_replication);
