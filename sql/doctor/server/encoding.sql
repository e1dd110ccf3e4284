-- A database of ours is in UTF8.
--
-- Another encoding cannot hold what people write, and `hearth migrate` refuses it. It cannot be
-- changed in place.
--
-- level: error

select
    null as object,
    format('the database is in %s', pg_encoding_to_char(d.encoding)) as says,
    'make another (`create database … encoding ''UTF8'' template template0`) and restore into it'
        as remedy
from pg_database as d
where d.datname = current_database() and pg_encoding_to_char(d.encoding) <> 'UTF8';
