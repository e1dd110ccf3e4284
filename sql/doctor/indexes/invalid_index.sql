-- Every index is complete.
--
-- One whose building broke off costs each write and serves no read, and a unique one refuses
-- nothing.
--
-- level: error

select
    i.indexrelid::regclass::text as object,
    format('%s is invalid', i.indexrelid::regclass) as says,
    format('`reindex index concurrently %s`, or drop it', i.indexrelid::regclass) as remedy
from pg_index as i
inner join pg_class as c on c.oid = i.indexrelid
where c.relnamespace = to_regnamespace('app') and not (i.indisvalid and i.indisready);
