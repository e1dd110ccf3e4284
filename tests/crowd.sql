-- The crowd: two large families among crowd.size small ones, for tests/plans.py.
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
-- large ones are 200,000 and 300,000, with a thousand members from that number on. The first of them
-- is the reader of the tests, the second is the busy one, and both are owners; of the last but one
-- the account is retired.
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
    case when place = 998 and person > 200000 then now() end
from people;

insert into app.credentials (user_id, password_hash)
select pg_temp.id('user', person), '$argon2id$' || md5(person::text)
from people;

insert into app.families (id, name, deleted_at)
select
    pg_temp.id('family', family),
    'Family ' || family,
    case when family = pg_temp.size() then now() end
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
    case when place = 998 and person > 200000 then now() end,
    timestamptz '2026-01-01' + person * interval '1 second'
from people;

-- Every second person is signed in. The readers have been often, and their last session has the
-- longest chain of tokens.
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
    now() + interval '30 days',
    case when n > 1 then now() end
from sign_ins;

insert into app.refresh_tokens (token_hash, session_id, replaces_hash)
select
    sha256(convert_to('token ' || person || ', ' || n, 'UTF8')),
    pg_temp.id('session of ' || person || ', ', 1),
    case when n > 1 then sha256(convert_to('token ' || person || ', ' || n - 1, 'UTF8')) end
from sign_ins;

-- Everybody who is signed in has sent a request with a key, today or yesterday, and tried to get in:
-- the readers more often.
insert into app.kept_answers (
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

insert into app.attempts (attempt_type, subject_hash, created_at)
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

insert into app.conversations (family_id, user_id, id, title, created_at)
select
    pg_temp.id('family', family),
    pg_temp.id('user', person),
    pg_temp.id('conversation of ' || person || ', ', n),
    'Conversation ' || n,
    timestamptz '2026-01-01' + (since + n) * interval '1 second'
from keepers, generate_series(1, few) as n;

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
