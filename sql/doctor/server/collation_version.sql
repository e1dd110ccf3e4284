-- Indexes are sorted as the collation sorts that they were built with.
--
-- After an upgrade of the operating system or of ICU another order may hold; an index that was
-- built in the old one then misses rows, and a unique one lets duplicates in. Nobody but the
-- server compares the two versions.
--
-- level: error

with changed as (
    select
        d.datname::text as name,
        d.datcollversion as was,
        pg_database_collation_actual_version(d.oid) as is_now,
        format('alter database %I refresh collation version', d.datname) as refresh,
        (select c.oid from pg_collation as c where c.collname = 'default') as collation_id
    from pg_database as d
    where d.datname = current_database()
    union all
    select
        c.oid::regcollation::text,
        c.collversion,
        pg_collation_actual_version(c.oid),
        format('alter collation %s refresh version', c.oid::regcollation),
        c.oid
    from pg_collation as c
    where c.collprovider <> 'd'
),

used as (
    select c.*, count(i.indexrelid) as indexes
    from changed as c
    left join pg_index as i on c.collation_id = any(i.indcollation::oid[])
    where c.was is not null and c.was is distinct from c.is_now
    group by c.name, c.was, c.is_now, c.refresh, c.collation_id
)

select
    case when u.indexes = 0 then 'notice' end as level,
    u.name as object,
    format(
        'the collation changed from version %s to %s under %s indexes',
        u.was, coalesce(u.is_now, 'none'), u.indexes
    ) as says,
    format('`reindex database concurrently`, then `%s`', u.refresh) as remedy
from used as u
where u.indexes > 0 or u.name = current_database();
