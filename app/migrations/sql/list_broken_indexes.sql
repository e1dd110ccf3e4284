-- The statements that drop what is left of the indexes named in $1, the words of a script, if
-- their concurrent building broke off. Nothing reads such an index, but `create index … if not exists`
-- would keep it. What the script does not name is somebody else's, who may be at work on it.
-- Partitioned indexes are left out (relkind I): they cannot be built or dropped concurrently.

select format('drop index concurrently %s', indexrelid::regclass)
from pg_index
join pg_class on pg_class.oid = indexrelid
where
    relnamespace = to_regnamespace('app')
    and relkind = 'i'
    and not indisvalid
    and relname = any ($1)
