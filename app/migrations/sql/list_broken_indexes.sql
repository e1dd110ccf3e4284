-- The statements that drop what is left of an index whose concurrent building broke off. Nothing
-- reads such an index, but `create index … if not exists` would keep it. Partitioned indexes are
-- left out (relkind I): they cannot be built or dropped concurrently.

select format('drop index concurrently %s', indexrelid::regclass)
from pg_index
join pg_class on pg_class.oid = indexrelid
where relnamespace = to_regnamespace('app') and relkind = 'i' and not indisvalid
