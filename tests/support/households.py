"""Households made in SQL, and how to act in them as anybody.

Households are alike to the letter: the rows of one have the ids of the other's, so nothing but
`family_id` and the people tells them apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import asyncpg

ROLES = ("owner", "admin", "member")
RUNTIME = ("app_api", "app_reader", "app_auth", "app_audit", "app_ops")
CONTEXT = ("user_id", "session_id", "family_id", "member_role", "request_id")

Rows = frozenset[tuple[str, str]]  # table and row, as text

# Foreign keys are checked when the statement ends, so one statement can make it all. What is done
# is worth nothing, else the ledger of points would have ids that differ.
_MAKE = """
    with people as (
        select *
        from unnest(
            $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $9::uuid[],
            $10::uuid[], $11::uuid[], $12::uuid[], $13::uuid[]
        ) as people (
            role, user_id, session_id, private_id, shared_id, conversation_id, private_habit_id,
            shared_habit_id, exercise_id, log_id, invitation_id
        )
    ), users as (
        insert into app.users (id, email, full_name)
        select user_id, user_id || '@example.com', 'Somebody' from people
        on conflict do nothing
        returning id
    ), credentials as (
        insert into app.credentials (user_id, password_hash) select id, '$argon2id$' from users
    ), account_events as (
        insert into app.account_events (user_id, event_type) select id, 'signed_up' from users
    ), families as (
        insert into app.families (id, name) values ($1, 'The Alikes')
    ), family_memberships as (
        insert into app.family_memberships (family_id, user_id, role, display_name)
        select $1, user_id, role::app.member_role, 'Somebody' from people
    ), sessions as (
        insert into app.sessions (id, user_id, family_id, expires_at)
        select session_id, user_id, $1, now() + interval '1 day' from people
    ), refresh_tokens as (
        insert into app.refresh_tokens (token_hash, session_id)
        select sha256(session_id::text::bytea), session_id from people
    ), tasks as (
        insert into app.tasks (family_id, user_id, id, title, visibility)
        select $1, user_id, private_id, 'Hide the present', 'private'::app.visibility from people
        union all
        select $1, user_id, shared_id, 'Take out the rubbish', 'family' from people
    ), conversations as (
        insert into app.conversations (family_id, user_id, id, title)
        select $1, user_id, conversation_id, 'A talk' from people
    ), routines as (
        insert into app.routines (family_id, user_id, id, name, visibility, points)
        select $1, user_id, private_id, 'Sit still', 'private'::app.visibility, 0 from people
        union all
        select $1, user_id, shared_id, 'Lay the table', 'family', 0 from people
        returning *
    ), routine_versions as (
        insert into app.routine_versions
            (family_id, routine_id, version, user_id, visibility, author_id)
        select family_id, id, version, user_id, visibility, user_id from routines
        returning *
    ), routine_steps as (
        insert into app.routine_steps
            (family_id, routine_id, version, position, user_id, visibility, title, minutes)
        select family_id, routine_id, version, 1, user_id, visibility, 'Breathe', 5
        from routine_versions
    ), routine_completions as (
        insert into app.routine_completions
            (family_id, routine_id, user_id, completed_on, owner_id, visibility, version)
        select family_id, id, people.user_id, '2026-03-29', routines.user_id, visibility, version
        from people, routines
        where visibility = 'family' and routines.user_id = (
            select user_id from people where role = 'owner'
        )
    ), idempotency_keys as (
        insert into app.idempotency_keys (family_id, user_id, idempotency_key, request_hash, status)
        select $1, user_id, 'saturday', sha256('flour'), 201 from people
    ), exercises as (
        insert into app.exercises (family_id, user_id, id, name, points)
        select $1, user_id, exercise_id, 'Exercise of the ' || role, 0 from people
        union all
        select $1, null, md5('nobody')::uuid, 'Exercise of somebody who is gone', 0
    ), exercise_logs as (
        insert into app.exercise_logs (family_id, user_id, exercise_id, id, performed_on, reps)
        select $1, user_id, exercise_id, log_id, '2025-11-20', 8 from people
    ), rate_limit_hits as (
        insert into app.rate_limit_hits (rate_limit, subject_hash)
        select 'sign_in', sha256(user_id::text::bytea) from people
    ), habits as (
        insert into app.habits (
            family_id, user_id, id, name, visibility, type, target_value, unit, weekdays,
            times_per_week, points
        )
        select $1, user_id, private_habit_id, 'Practise', 'private'::app.visibility,
            'boolean'::app.habit_type, null::numeric, null, '{1,3,5}'::integer[], null::integer, 0
        from people
        union all
        select $1, user_id, shared_habit_id, 'Read', 'family', 'numeric', 20, 'pages', null, 3, 0
        from people
        returning *
    ), habit_logs as (
        insert into app.habit_logs (
            family_id, user_id, habit_id, logged_on, visibility, type, value, target_value,
            is_done, entered_on
        )
        select family_id, user_id, id, '2026-03-29', visibility, type,
            case type when 'numeric' then 12.5 end, target_value, type = 'boolean', '2026-03-29'
        from habits
    ), score_entries as (
        insert into app.score_entries (
            family_id, user_id, id, kind, source_id, scored_on, sequence, points
        )
        select $1, user_id, md5(role)::uuid, 'task'::app.score_kind, md5('of ' || role)::uuid,
            date '2026-03-29', 1, 5
        from people
    ), invitations as (
        insert into app.invitations (family_id, user_id, id, email, role, token_hash)
        select $1, user_id, invitation_id, role || '@guests.example.com', 'member',
            sha256(convert_to($1 || ', ' || role, 'UTF8'))
        from people
    )
    insert into app.messages (family_id, user_id, conversation_id, id, role, content)
    select $1, user_id, conversation_id, md5(role || n)::uuid, 'user', 'Message ' || n
    from people, generate_series(1, $8::integer) as n
"""


@dataclass(frozen=True)
class Household:
    """A family of three, known by their roles; each has things of every kind."""

    family_id: UUID
    users: Mapping[str, UUID]
    sessions: Mapping[str, UUID]

    def context(self, role: str) -> dict[str, object]:
        """Return the context of the person in a role."""
        return {
            "user_id": self.users[role],
            "session_id": self.sessions[role],
            "family_id": self.family_id,
            "member_role": role,
        }


def row_id(kind: str, role: str) -> UUID:
    """Return the id of a person's thing, in every household.

    Args:
        kind: "private task", "shared task", "talk" or "invitation".
        role: The person.
    """
    return uuid5(NAMESPACE_OID, f"{kind} of the {role}")


async def make_household(
    root: asyncpg.Connection, *, guest: UUID | None = None, messages: int = 2
) -> Household:
    """Make a household as a superuser; `guest`, who has an account, is its member if given."""
    users = {role: uuid4() for role in ROLES} | ({"member": guest} if guest else {})
    household = Household(uuid4(), users, {role: uuid4() for role in ROLES})
    await root.execute(
        _MAKE,
        household.family_id,
        ROLES,
        [household.users[role] for role in ROLES],
        [household.sessions[role] for role in ROLES],
        *([row_id(kind, role) for role in ROLES] for kind in ("private task", "shared task")),
        [row_id("talk", role) for role in ROLES],
        messages,
        *([row_id(kind, role) for role in ROLES] for kind in ("private habit", "shared habit")),
        *([row_id(kind, role) for role in ROLES] for kind in ("exercise", "log")),
        [row_id("invitation", role) for role in ROLES],
    )
    return household


async def snapshot(root: asyncpg.Connection, naming: Iterable[str] = ()) -> Rows:
    """Return every row as this transaction has it, back in the superuser's own role.

    Only those in whose text one of these names stands, if there are any.
    """
    await root.execute("set local role none")
    tables = await root.fetch(
        "select relname from pg_class where relnamespace = 'app'::regnamespace"
        " and relkind in ('r', 'p') and not relispartition"
    )
    reads = (
        f"select '{name}', t::text from app.{name} as t where t::text ~ $1" for (name,) in tables
    )
    rows = await root.fetch(" union all ".join(reads), "|".join(naming))
    return frozenset((row[0], row[1]) for row in rows)


async def rows_about(root: asyncpg.Connection, household: Household) -> Rows:
    """Return every row that names the family, or its owner or admin.

    Not its member, who may be a guest and have a life elsewhere.
    """
    people = [kin[role] for kin in (household.users, household.sessions) for role in ROLES[:2]]
    return await snapshot(root, map(str, (household.family_id, *people)))


async def columns(
    root: asyncpg.Connection, role: str = "app_owner", command: str = "select"
) -> Mapping[str, list[str]]:
    """Return the columns of each table on which a role has a privilege; of the owner, all."""
    query = """
        select c.relname as name, array_agg(a.attname::text order by a.attnum) as columns
        from pg_class as c
        join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and a.attgenerated = ''
        where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p')
            and not c.relispartition and has_column_privilege($1, c.oid, a.attnum, $2)
        group by c.relname
    """
    return {row["name"]: row["columns"] for row in await root.fetch(query, role, command)}


async def act_as(connection: asyncpg.Connection, role: str, **context: object) -> None:
    """Take a database role and exactly this context, until the transaction ends."""
    settings = "".join(f"set local app.{name} = '{context.get(name, '')}';" for name in CONTEXT)
    await connection.execute(f"set local role {role}; {settings}")


async def attempt(connection: asyncpg.Connection, statement: str, *values: object) -> str:
    """Run a statement and undo it; return its command tag, or the SQLSTATE it failed with."""
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        return await connection.execute(statement, *values)
    except asyncpg.PostgresError as error:
        return error.sqlstate
    finally:
        await savepoint.rollback()
