-- The crowd: two large families among crowd.size small ones, for tests/sql/plans.py.
--
-- Made by arithmetic on row numbers, so that every run has the same rows and the planner the same
-- statistics. A small family is one person with a few rows. In each large one there are a thousand
-- people, and the newest rows by far are private to one of them, the busy one: whoever else reads a
-- list must not have to come past those. A family is retired and an account is, for a purge.
--
-- Here is who is in it; the rows of each table are the examples' in tests/examples, which read these
-- temporary tables. All of it runs as a superuser, as one message. Triggers and foreign keys are off
-- while it does.

set local session_replication_role = replica;
set local timezone = 'UTC';
set local synchronous_commit = off;

create function pg_temp.id(kind text, n bigint)
    returns uuid
    language sql
    immutable
as $$ select md5(kind || n)::uuid $$;

create function pg_temp.size()
    returns integer
    language sql
    stable
as $$ select current_setting('crowd.size')::integer $$;

-- Small families and their only members are 1 to size, of which the last family is retired. The
-- large ones are 200,000 and 300,000, with a thousand members from that number on. The first of
-- them is the reader of the tests, the second is the busy one, and both are owners; of the last but
-- one the account is retired.
create temporary table people on commit drop as
select
    n as person,
    n as family,
    n as place,
    'owner'::app.member_role as role
from generate_series(1, pg_temp.size()) as n
union all
select
    large + place,
    large,
    place,
    case when place < 2 then 'owner' else 'member' end::app.member_role
from unnest('{200000,300000}'::integer[]) as large, generate_series(0, 999) as place;

-- Every second person is signed in. The readers have been often, and their last session has the
-- longest chain of tokens; those before have ended long ago, for a purge.
create temporary table sign_ins on commit drop as
select person, family, 1 as n
from people
where person % 2 = 0
union all
select person, family, n
from people, generate_series(2, 500) as n
where person in (200000, 300000);

-- What people keep, every fourth in the small families: how many rows each has, and from which
-- second on they were made.
create temporary table keepers on commit drop as
select person, family, 0 as since, 1 as few, 1 as many
from people
where person < 200000 and person % 4 = 0
union all
select
    person,
    family,
    case place when 1 then 100000 else place end,
    case when place < 2 then pg_temp.size() / 100 else 2 end,
    case place when 0 then pg_temp.size() / 50 when 1 then pg_temp.size() / 5 else 5 end
from people
where person >= 200000;
