-- A table whose ids came one after the other, as they do; run by psql.
--
-- Variables: id, what makes one; key, the columns of the primary key; rows, how many there are.

\set ON_ERROR_STOP on

drop table if exists ids;

create table ids (
    family_id integer not null,
    id uuid not null,
    title text not null,
    created_at timestamptz not null default now(),
    primary key (:key)
);

insert into ids (family_id, id, title)
select 1 + n::bigint * 7919 % 1000, :id, 'Take out the rubbish ' || n
from generate_series(1, :rows) as n;

checkpoint;
