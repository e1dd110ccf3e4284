-- Every row is in the partition of its month.
--
-- What is in a default partition has to be moved before its month can be made, and is not dropped
-- with it.
--
-- level: warning

select
    p.partdefid::regclass::text as object,
    format('there are rows in %s', p.partdefid::regclass) as says,
    '`hearth migrate` moves them' as remedy
from pg_partitioned_table as p
inner join pg_class as c on c.oid = p.partdefid
where c.relnamespace = to_regnamespace('app') and pg_relation_size(c.oid) > 0;
