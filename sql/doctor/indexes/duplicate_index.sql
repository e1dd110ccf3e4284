-- No two indexes are the same.
--
-- The second costs each write again, and serves nothing that the first does not. Expressions are
-- compared as they are stored, but for where they stood in their statement: to print them would
-- wait for whoever changes the table.
--
-- level: warning

with described as (
    select
        i.indexrelid,
        row_number() over alike as number,
        first_value(i.indexrelid) over alike as first_id
    from pg_index as i
    inner join pg_class as c on c.oid = i.indexrelid
    where c.relnamespace = to_regnamespace('app') and not c.relispartition
    window alike as (
        partition by
            i.indrelid, c.relam, i.indnkeyatts, i.indkey::text, i.indclass::text,
            i.indcollation::text, i.indoption::text,
            regexp_replace(i.indexprs::text, ':location -?\d+', '', 'g'),
            regexp_replace(i.indpred::text, ':location -?\d+', '', 'g')
        order by i.indisprimary desc, i.indisunique desc, i.indexrelid
    )
)

select
    d.indexrelid::regclass::text as object,
    format('%s is the same as %s', d.indexrelid::regclass, d.first_id::regclass) as says,
    format('`drop index concurrently %s`', d.indexrelid::regclass) as remedy
from described as d
where d.number > 1;
