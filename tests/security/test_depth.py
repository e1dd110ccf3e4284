"""Defence in depth: what the policies forbid stays forbidden when somebody grants too much."""

import asyncpg
import pytest

from tests.examples import EXAMPLE_OF
from tests.support.households import RUNTIME, Household, act_as, attempt, columns

DENIED = "42501"

# Nothing is read, so only the policy for the command stands between. What holds for every table
# whose rows have owners is tried below.
GIVEN_AWAY = [
    ("member", "update app.users set id = gen_random_uuid()"),
    ("admin", "update app.families set id = gen_random_uuid()"),
    ("member", "update app.tasks set user_id = '{admin}', visibility = 'private'"),
    *(
        ("member", f"update app.{table} set user_id = '{{admin}}', visibility = '{visibility}'")
        for table in ("habits", "routines")
        for visibility in ("private", "family")
    ),
    *(
        ("admin", f"update app.{table} set user_id = '{{member}}'")
        for table in ("habits", "routines")
    ),
    ("admin", "update app.invitations set family_id = gen_random_uuid(), revoked_at = now()"),
    ("admin", "update app.invitations set role = 'owner', revoked_at = now()"),
]

# Who makes an account, a family or a session makes it alive, and who restores brings back.
BORN_DEAD = [
    "insert into app.users (email, full_name, deleted_at) values ('x@example.com', 'X', now())",
    "insert into app.families (name, deleted_at) values ('X', now())",
    "insert into app.family_memberships (family_id, user_id, role, display_name, deleted_at)"
    " values (gen_random_uuid(), '{admin}', 'owner', 'X', now())",
    "insert into app.sessions (user_id, expires_at, revoked_at)"
    " values ('{admin}', 'infinity', now())",
]


@pytest.fixture
async def granted_all(root: asyncpg.Connection) -> None:
    """Grant every role every privilege on every table."""
    await root.execute(f"grant all on all tables in schema app to {', '.join(RUNTIME)}")


@pytest.mark.parametrize(("role", "statement"), GIVEN_AWAY)
async def test_who_may_write_every_column_gives_no_row_away(
    root: asyncpg.Connection, home: Household, granted_all: None, role: str, statement: str
) -> None:
    people = {name: str(id_) for name, id_ in home.users.items()}
    await act_as(root, "app_api", **home.context(role))

    assert await attempt(root, statement.format(**people)) == DENIED


async def test_who_may_write_every_column_gives_no_row_of_theirs_away(
    root: asyncpg.Connection, home: Household
) -> None:
    every = await columns(root)
    owned = [
        table
        for table in await columns(root, "app_api", "update")
        if {"family_id", "user_id"} <= set(every[table])
        and not EXAMPLE_OF[table].seen_if  # a member sees no invitation; an admin tries them above
    ]
    await root.execute(f"grant all on all tables in schema app to {', '.join(RUNTIME)}")
    await act_as(root, "app_api", **home.context("member"))

    responses = {
        change: await attempt(root, change)
        for table in owned
        for change in (
            f"update app.{table} set user_id = '{home.users['admin']}'",
            f"update app.{table} set family_id = gen_random_uuid()",
        )
    }

    assert {"family_memberships", "tasks", "habit_logs"} <= set(owned)
    assert responses == dict.fromkeys(responses, DENIED)


@pytest.mark.parametrize("statement", BORN_DEAD)
async def test_who_may_write_every_column_makes_nothing_that_is_retired_already(
    root: asyncpg.Connection, home: Household, granted_all: None, statement: str
) -> None:
    await act_as(root, "app_auth")

    assert await attempt(root, statement.format(admin=home.users["admin"])) == DENIED
