-- The data of the bench, for an empty, migrated database; run by psql as a superuser.
--
-- Variables: families, of ten people each; tasks, of which a tenth are the first family's and the
-- others have as many each; password_hash, of everybody's password.
--
-- Made by arithmetic on numbers, so that whoever asks can say who is in which family and what is
-- whose without looking (bench/population.py). Triggers and foreign keys are off while it runs; what
-- the triggers would have written, points and the audit trail, is written here. Of the trail only
-- what tells of tasks, and all of it in this month, for months that are over have no partition.
-- Indexes are built after the rows, so they are as dense in a small set as in a large one.

\set ON_ERROR_STOP on

select app.ensure_audit_partitions(1);

begin;
set local session_replication_role = replica;
set local timezone = 'UTC';
set local work_mem = '256MB';
set local maintenance_work_mem = '1GB';
set local client_min_messages = warning;

-- In files that this transaction makes, and that no write-ahead log needs to tell of.
truncate
    app.users, app.credentials, app.families, app.family_memberships, app.sessions, app.tasks,
    app.habits, app.habit_logs, app.score_entries, app.audit_log
    cascade;

-- Rows first, then their indexes: until `reindex` below nothing is put into any.
update pg_index set indisready = false, indisvalid = false
where indrelid in (
    select oid from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r'
);

select
    :tasks / 10 as first_has,
    (:tasks - :tasks / 10) / (:families - 1) as others_have,
    least(75, 750000 / :families) as days
\gset

-- A kind and a number of twelve digits: pgbench can write such an id, and it looks like version 7.
create function pg_temp.id(kind integer, n bigint)
    returns uuid
    language sql
    immutable
as $$
    select (lpad(kind::text, 8, '0') || '-0000-7000-8000-' || (100000000000 + n)::text)::uuid
$$;

create temporary table people on commit drop as
select
    pg_temp.id(1, n) as user_id,
    pg_temp.id(2, (n - 1) / 10 + 1) as family_id,
    pg_temp.id(3, n) as session_id,
    n,
    case n % 10 when 1 then 'owner' when 2 then 'admin' else 'member' end::app.member_role as role
from generate_series(1, :families * 10) as n;

insert into app.users (id, email, full_name, created_at)
select
    user_id, 'person' || n || '@bench.example', 'Person ' || n, now() - interval '100 days'
from people;

insert into app.credentials (user_id, password_hash)
select user_id, :'password_hash'
from people;

insert into app.families (id, name, created_at)
select pg_temp.id(2, n), 'Family ' || n, now() - interval '100 days'
from generate_series(1, :families) as n;

insert into app.family_memberships (family_id, user_id, role, display_name, created_at)
select family_id, user_id, role, 'Person ' || n, now() - interval '100 days' + n * interval '1 s'
from people;

insert into app.sessions (id, user_id, family_id, expires_at)
select session_id, user_id, family_id, now() + interval '1000 days'
from people;

-- A family's tasks are of the last ninety days, evenly. Ten in a row are shared and ten are
-- private, one of each person; seven of ten are done; every third was due a week later.
insert into app.tasks (
    family_id, id, user_id, title, description, due_on, visibility, completed_at, created_at,
    updated_at
)
select
    pg_temp.id(2, family),
    pg_temp.id(4, start + k),
    pg_temp.id(1, (family - 1) * 10 + k % 10 + 1),
    'Task ' || k || ' of family ' || family,
    case k % 4 when 0 then 'What is to be known of it before it can be done: ' || k end,
    case k % 3 when 0 then (made_at + interval '7 days')::date end,
    case k / 10 % 2 when 0 then 'family' else 'private' end::app.visibility,
    case when (k * 7 + k / 20) % 10 < 7 then made_at + interval '1 hour' end,
    made_at,
    made_at + interval '1 hour'
from (
    select
        n as family,
        case n when 1 then 0 else :first_has + (n - 2) * :others_have end as start,
        case n when 1 then :first_has else :others_have end as many
    from generate_series(1, :families) as n
) as families
cross join lateral generate_series(1, many) as k
cross join lateral (
    select now() - interval '2 hours' - interval '90 days' * (many - k) / many as made_at
) as times;

-- Two habits of each person: pages to read, which the family sees, and one that is private.
insert into app.habits (
    family_id, id, user_id, name, type, target_value, unit, weekdays, visibility, created_at
)
select
    family_id, pg_temp.id(5, n * 2 + second - 1), user_id,
    case second when 0 then 'Read' else 'Practise' end,
    case second when 0 then 'numeric' else 'boolean' end::app.habit_type,
    case second when 0 then 10 end,
    case second when 0 then 'pages' end,
    '{1,2,3,4,5,6,7}',
    case second when 0 then 'family' else 'private' end::app.visibility,
    now() - interval '80 days'
from people, generate_series(0, 1) as second;

-- Logged on two days of three, for seventy-five days: of a thousand families, a million. Of more
-- than ten thousand for fewer days, so that there are ten million at most.
insert into app.habit_logs (
    family_id, habit_id, logged_on, user_id, visibility, type, value, target_value, is_done
)
select
    h.family_id, h.id, current_date - day, h.user_id, h.visibility, h.type,
    case h.type when 'numeric' then day % 30 end,
    h.target_value,
    h.type = 'boolean' or day % 30 >= 10
from app.habits as h, generate_series(1, :days) as day
where day % 3 <> 0;

insert into app.score_entries (
    family_id, user_id, kind, source_id, scored_on, sequence, points, created_at
)
select
    family_id, user_id, 'task'::app.score_kind, id, (completed_at at time zone 'UTC')::date, 1, 1,
    completed_at
from app.tasks
where is_completed
union all
select
    family_id, user_id, 'habit', habit_id, logged_on, 1, 1, logged_on::timestamp at time zone 'UTC'
from app.habit_logs
where is_done;

insert into app.audit_log (
    family_id, occurred_at, action_type, table_name, row_key, after, actor_id, actor_role,
    private_to, metadata
)
select
    t.family_id, now(), 'insert', 'tasks', jsonb_build_object('id', t.id), to_jsonb(t), t.user_id,
    p.role, case t.visibility when 'private' then t.user_id end,
    '{"login": "app_api", "application": "hearth", "database_role": "app_api"}'
from app.tasks as t
inner join people as p on p.user_id = t.user_id;

select format('reindex table %s', oid::regclass)
from pg_class
where relnamespace = 'app'::regnamespace and relkind = 'r' and relhasindex
order by oid
\gexec

commit;

vacuum (analyze);
