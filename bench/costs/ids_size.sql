-- How large the primary key is, in bytes.

select pg_relation_size('ids_pkey');
