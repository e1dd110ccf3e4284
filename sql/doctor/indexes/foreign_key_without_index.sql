-- Every foreign key has an index that serves it.
--
-- Without one, each deletion of what it points to reads the whole table. It begins with those
-- columns that name the parent, or has no others and is unique. Where only maintenance deletes
-- parents, one that begins with the family and has these columns will do.
--
-- level: warning

with keys as (
    select
        c.oid,
        c.conrelid,
        c.conname,
        c.conkey,
        (
            select array_agg(pair.ours)
            from unnest(c.conkey, c.confkey) as pair (ours, theirs)
            where pair.theirs = any(named.conkey)
        ) as naming,
        f.attnum as family
    from pg_constraint as c
    inner join pg_constraint as named
        on
            named.conrelid = c.confrelid
            and named.contype in ('p', 'u')
            and named.conkey <@ c.confkey
    left join pg_attribute as f on f.attrelid = c.conrelid and f.attname = 'family_id'
    where c.connamespace = to_regnamespace('app') and c.contype = 'f' and c.conparentid = 0
),

indexes as (
    select i.indrelid, i.indisunique, i.indkey::smallint[] as key
    from pg_index as i
    where i.indisvalid and i.indpred is null
)

select
    format('%s.%I', k.conrelid::regclass, k.conname) as object,
    format('no index serves %s on %s', k.conname, k.conrelid::regclass) as says,
    'write a migration that makes one of its columns' as remedy
from keys as k
left join indexes as i
    on
        i.indrelid = k.conrelid
        and (
            (
                i.key @> k.naming
                and (
                    i.key[0 : cardinality(k.naming) - 1] <@ k.naming
                    or i.key[0] = k.family
                )
            )
            or (i.indisunique and i.key <@ k.conkey)
        )
group by k.oid, k.conrelid, k.conname
having count(i.indrelid) = 0;
