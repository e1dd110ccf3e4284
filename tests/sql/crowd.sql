-- The crowd: two large families among crowd.size small ones, for tests/sql/plans.py.
--
-- Made by arithmetic on row numbers, so that every run has the same rows and the planner the same
-- statistics. A small family is one person with a few rows. In each large one there are a thousand
-- people, and the newest rows by far are private to one of them, the busy one: whoever else reads a
-- list must not have to come past those. A family is retired and an account is, for a purge.
--
-- Runs as a superuser, as one message. Triggers and foreign keys are off while it does.

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

insert into app.users (id, email, full_name, deleted_at)
select
    pg_temp.id('user', person),
    'person' || person || '@example.com',
    'Person ' || person,
    case when place = 998 and person > 200000 then timestamptz '2020-02-02' end
from people;

insert into app.credentials (user_id, password_hash)
select pg_temp.id('user', person), '$argon2id$' || md5(person::text)
from people;

insert into app.families (id, name, deleted_at)
select
    pg_temp.id('family', family),
    'Family ' || family,
    case when family = pg_temp.size() then timestamptz '2020-02-02' end
from people
where place in (0, family);

insert into app.family_memberships (
    family_id, user_id, role, display_name, deleted_at, created_at
)
select
    pg_temp.id('family', family),
    pg_temp.id('user', person),
    role,
    'Person ' || person,
    case when place in (997, 998) and person > 200000 then timestamptz '2020-02-02' end,
    timestamptz '2026-01-01' + person * interval '1 second'
from people;

-- Everybody in the large families came by an invitation of its first member; in the small ones one
-- was asked, and every tenth has not come. Each large family has thirty that are pending, one of
-- the second for the reader, whose token is that of the example in app/resources/invitations.py.
insert into app.invitations (
    family_id, user_id, id, email, role, token_hash, expires_at, accepted_at, member_id, created_at
)
select
    pg_temp.id('family', family),
    pg_temp.id('user', family),
    pg_temp.id('invitation of ', person),
    'person' || person || '@example.com',
    'member'::app.member_role,
    sha256(convert_to('invitation ' || person, 'UTF8')),
    now() + interval '7 days' - person * interval '1 second',
    case when person % 20 <> 0 or person > 200000 then now() - interval '8 days' end,
    case when person % 20 <> 0 or person > 200000 then pg_temp.id('user', person) end,
    now() - person * interval '1 second'
from people
where person % 2 = 0 or person > 200000
union all
select
    pg_temp.id('family', family),
    pg_temp.id('user', family),
    pg_temp.id('invitation of ' || family || ', ', n),
    case when family + n = 300001 then 'person200000' else 'friend' || n end || '@example.com',
    'member',
    case
        when family + n = 300001 then sha256('u1mmVBHLRjy4hYPZ1Bs0YlKpyP9fWUSPjYq5mpM3kOI')
        else sha256(convert_to('open invitation ' || family || ', ' || n, 'UTF8'))
    end,
    now() + n * interval '1 hour',
    null,
    null,
    now() - interval '7 days' + n * interval '1 hour'
from people, generate_series(1, 30) as n
where person in (200000, 300000);

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

insert into app.sessions (id, user_id, family_id, expires_at, revoked_at)
select
    pg_temp.id('session of ' || person || ', ', n),
    pg_temp.id('user', person),
    pg_temp.id('family', family),
    case when n > 1 then timestamptz '2020-02-02' else now() + interval '30 days' end,
    case when n > 1 then timestamptz '2020-02-01' end
from sign_ins;

insert into app.refresh_tokens (token_hash, session_id, replaces_hash)
select
    sha256(convert_to('token ' || person || ', ' || n, 'UTF8')),
    pg_temp.id('session of ' || person || ', ', 1),
    case when n > 1 then sha256(convert_to('token ' || person || ', ' || n - 1, 'UTF8')) end
from sign_ins;

-- Everybody who is signed in has sent a request with a key, today or yesterday, and tried to get
-- in: the readers more often.
insert into app.idempotency_keys (
    family_id, user_id, idempotency_key, request_hash, status, created_at
)
select
    pg_temp.id('family', family),
    pg_temp.id('user', person),
    case n when 1 then 'saturday' else 'key ' || n end,
    sha256('flour'),
    201,
    now() - person % 30 * interval '1 hour'
from sign_ins;

insert into app.rate_limit_hits (rate_limit, subject_hash, created_at)
select
    'sign_in',
    sha256(convert_to(
        case when person = 200000 and n <= 9 then 'ann' else concat(person, ' ', n) end, 'UTF8'
    )),
    now() - person % 30 * interval '1 hour'
from sign_ins;

insert into app.account_events (user_id, event_type, occurred_at)
select
    pg_temp.id('user', person),
    'signed_in',
    timestamptz '2026-01-01' + n * interval '1 second'
from sign_ins;

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

insert into app.tasks (
    family_id, user_id, id, title, visibility, due_on, completed_at, created_at
)
select
    pg_temp.id('family', family),
    pg_temp.id('user', person),
    pg_temp.id('task of ' || person || ', ', n),
    'Task ' || n,
    case when n % 10 = 0 and since < 100000 then 'family' else 'private' end::app.visibility,
    case when n % 7 = 0 then date '2026-01-01' + n % 1000 end,
    case when n % 10 <> 1 then timestamptz '2026-06-01' end,
    timestamptz '2026-01-01' + (since + n) * interval '1 second'
from keepers, generate_series(1, many) as n;

-- Points of ten years until today, a few a day in the large families; the newest are the busy
-- ones'.
insert into app.score_entries (
    family_id, user_id, id, kind, source_id, scored_on, sequence, points, created_at
)
select
    pg_temp.id('family', family),
    pg_temp.id('user', person),
    pg_temp.id('entry of ' || person || ', ', n),
    'task',
    pg_temp.id('task of ' || person || ', ', n),
    now()::date - (n * 3650 / many - 1),
    1,
    n % 10 + 1,
    now() - n * 3650 / many * interval '1 day'
from keepers, generate_series(1, many) as n;

insert into app.conversations (family_id, user_id, id, title, created_at)
select
    pg_temp.id('family', family),
    pg_temp.id('user', person),
    pg_temp.id('conversation of ' || person || ', ', n),
    'Conversation ' || n,
    timestamptz '2026-01-01' + (since + n) * interval '1 second'
from keepers, generate_series(1, few) as n;

-- Every fifth is shared, the first as well; every tenth is retired. The first has been saved fifty
-- times.
create temporary table routines on commit drop as
select
    pg_temp.id('family', family) as family_id,
    pg_temp.id('user', person) as user_id,
    pg_temp.id('routine of ' || person || ', ', n) as id,
    'Routine ' || n as name,
    case when n % 10 < 2 and since < 100000 then 'family' else 'private' end::app.visibility
        as visibility,
    case n when 1 then 50 else 1 end as version,
    timestamptz '2026-01-01' + (since + n) * interval '1 second' as created_at,
    case when n % 10 = 2 then timestamptz '2026-06-01' end as deleted_at
from keepers, generate_series(1, few) as n;

insert into app.routines (
    family_id, user_id, id, name, visibility, version, created_at, deleted_at
)
select family_id, user_id, id, name, visibility, version, created_at, deleted_at
from routines;

insert into app.routine_versions (
    family_id, routine_id, version, user_id, visibility, author_id, created_at
)
select family_id, id, n, user_id, visibility, user_id, created_at + n * interval '1 second'
from routines, generate_series(1, version) as n;

insert into app.routine_steps (
    family_id, routine_id, version, position, user_id, visibility, title, minutes
)
select family_id, id, n, position, user_id, visibility, 'Step ' || position, 5
from routines, generate_series(1, version) as n, generate_series(1, 3) as position;

-- The first is done day by day, for ten years by the reader; and on the last day by everybody.
insert into app.routine_completions (
    family_id, routine_id, user_id, completed_on, owner_id, visibility, version
)
select
    pg_temp.id('family', family),
    pg_temp.id('routine of ' || person || ', ', 1),
    pg_temp.id('user', person),
    date '2026-06-30' - n,
    pg_temp.id('user', person),
    case when since < 100000 then 'family' else 'private' end::app.visibility,
    n % 50 + 1
from keepers, generate_series(1, case person when 200000 then 3650 else many end) as n
union all
select
    pg_temp.id('family', family),
    pg_temp.id('routine of ' || family || ', ', 1),
    pg_temp.id('user', person),
    date '2026-06-30',
    pg_temp.id('user', family),
    'family',
    50
from keepers
where person >= 200000
order by 1, 2, 4;

-- All in the first conversation.
insert into app.messages (family_id, user_id, conversation_id, id, role, content, created_at)
select
    pg_temp.id('family', family),
    pg_temp.id('user', person),
    pg_temp.id('conversation of ' || person || ', ', 1),
    pg_temp.id('message of ' || person || ', ', n),
    'user',
    'Message ' || n,
    timestamptz '2026-01-01' + (since + n) * interval '1 second'
from keepers, generate_series(1, many) as n;

insert into app.exercises (family_id, user_id, id, name, created_at, deleted_at)
select
    pg_temp.id('family', family),
    pg_temp.id('user', person),
    pg_temp.id('exercise of ' || person || ', ', n),
    'Exercise ' || n || ' of ' || person,
    timestamptz '2026-01-01' + (since + n) * interval '1 second',
    case when n % 10 = 2 then timestamptz '2026-06-01' end
from keepers, generate_series(1, few) as n;

-- All of the same exercise, once a day, so that the reader has logs of more than five years.
insert into app.exercise_logs (
    family_id, user_id, exercise_id, id, performed_on, sets, reps, weight_kg, duration_s,
    created_at
)
select
    pg_temp.id('family', family),
    pg_temp.id('user', person),
    pg_temp.id('exercise of ' || family || ', ', 1),
    pg_temp.id('log of ' || person || ', ', n),
    date '2020-01-01' + n % 2000,
    3,
    n % 12 + 1,
    n % 100 + 1,
    60,
    timestamptz '2026-01-01' + (since + n) * interval '1 second'
from keepers, generate_series(1, many) as n;

-- Every fifth is shared, the first as well; every tenth is retired.
insert into app.habits (
    family_id, user_id, id, name, type, target_value, unit, weekdays, visibility, created_at,
    deleted_at
)
select
    pg_temp.id('family', family),
    pg_temp.id('user', person),
    pg_temp.id('habit of ' || person || ', ', n),
    'Habit ' || n,
    'numeric',
    10,
    'pages',
    '{1,2,3,4,5}',
    case when n % 10 < 2 and since < 100000 then 'family' else 'private' end::app.visibility,
    timestamptz '2026-01-01' + (since + n) * interval '1 second',
    case when n % 10 = 2 then timestamptz '2026-06-01' end
from keepers, generate_series(1, few) as n;

-- All of the first habit, day by day; the reader's for ten years.
insert into app.habit_logs (
    family_id, habit_id, logged_on, user_id, visibility, type, value, target_value, is_done,
    entered_on
)
select
    pg_temp.id('family', family),
    pg_temp.id('habit of ' || person || ', ', 1),
    date '2026-06-30' - n,
    pg_temp.id('user', person),
    case when since < 100000 then 'family' else 'private' end::app.visibility,
    'numeric',
    n % 30,
    10,
    n % 30 >= 10,
    date '2026-06-30' - n
from keepers, generate_series(1, case person when 200000 then 3650 else many end) as n;

-- The trail of three months, in the default partition and in two that hearth migrate makes. The
-- newest ten days are the busy ones' alone, and private but for every hundredth record.
insert into app.audit_log (
    family_id, occurred_at, id, action_type, table_name, row_key, after, private_to
)
select
    pg_temp.id('family', family),
    date_trunc('month', now())
        + (n % 80 - case when since = 100000 then 20 else 30 end) * interval '1 day'
        + n * interval '1 second',
    pg_temp.id('record of ' || person || ', ', n),
    'insert',
    'tasks',
    jsonb_build_object('id', pg_temp.id('task of ' || person || ', ', n)),
    '{}',
    case when n % 100 <> 0 then pg_temp.id('user', person) end
from keepers, generate_series(1, many) as n;
