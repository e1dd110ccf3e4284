"""Households made in SQL, and how to act in them as anybody.

Their rows are those of tests/examples. Households are alike to the letter: the rows of one have the
ids of the other's, so nothing but `family_id` and the people tells them apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg

from tests.examples import EXAMPLES
from tests.support.example import id_of

ROLES = ("owner", "admin", "member")
RUNTIME = ("app_api", "app_reader", "app_auth", "app_audit", "app_ops")
CONTEXT = ("user_id", "session_id", "family_id", "member_role", "request_id")

Rows = frozenset[tuple[str, str]]  # table and row, as text

# Foreign keys are checked when the statement ends, so one statement can make it all, in any order.
_MAKE = """
    with recursive people as (
        select $1::uuid as family_id, *
        from unnest($2::text[], $3::uuid[], $4::uuid[]) as people (role, user_id, session_id)
    ), {}
    select
""".format(
    ", ".join(
        f"{example.table} as ({example.household} returning *)"
        for example in EXAMPLES
        if example.household
    )
)


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
        kind: Such as "task", by the names in tests/examples. Of what can be shared people have two:
            a "shared task" is the first, a "private task" the second.
        role: The person.
    """
    share, _, thing = kind.rpartition(" ")
    return id_of(f"{thing} of {role}, {2 if share == 'private' else 1}")


async def make_household(root: asyncpg.Connection, *, guest: UUID | None = None) -> Household:
    """Make a household as a superuser; `guest`, who has an account, is its member if given."""
    users = {role: uuid4() for role in ROLES} | ({"member": guest} if guest else {})
    household = Household(uuid4(), users, {role: uuid4() for role in ROLES})
    await root.execute(
        _MAKE,
        household.family_id,
        ROLES,
        [household.users[role] for role in ROLES],
        [household.sessions[role] for role in ROLES],
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
