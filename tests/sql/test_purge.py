"""What a deletion takes along, that it takes nothing else, and the way back until then.

Every row of every table is compared before and after. Two families are alike down to the ids of
their rows, and one person, the guest, belongs to both.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.examples import EXAMPLES
from tests.support.households import (
    Household,
    Rows,
    act_as,
    attempt,
    make_household,
    row_id,
    snapshot,
)
from tests.support.rows import tables_of

MESSAGES = 100  # in every conversation at home

# What keeps the names of those who are gone.
TRAIL = {"audit_log", "account_events"}

# Rows of accounts, and copies of responses.
UNAUDITED = {"users", "credentials", "sessions", "refresh_tokens", "idempotency_keys"}

Act = Callable[..., Awaitable[Any]]


@pytest.fixture
async def home(root: asyncpg.Connection) -> Household:
    """Return a household."""
    home = await make_household(root)
    await root.execute(
        "insert into app.messages (family_id, user_id, conversation_id, role, content)"
        " select family_id, user_id, id, 'user', 'Message ' || n"
        " from app.conversations, generate_series(3, $1) as n where family_id = $2",
        *(MESSAGES, home.family_id),
    )
    return home


@pytest.fixture
def act(root: asyncpg.Connection) -> Act:
    """Return what runs a statement in a role and context; its value, or its command tag."""

    async def act(role: str, statement: str, *values: object, **context: object) -> Any:
        await act_as(root, role, **context)
        if statement.startswith("select"):
            return await root.fetchval(statement, *values)
        return await root.execute(statement, *values)

    return act


def difference(before: Rows, after: Rows) -> tuple[Rows, dict[str, int], dict[str, int]]:
    """Return the rows that are gone, how many they are by table, and how many are new."""
    return before - after, tables_of(before - after), tables_of(after - before)


def names(row: tuple[str, str], *ids: UUID) -> bool:
    """Say whether a row names somebody or something of these."""
    return any(str(id_) in row[1] for id_ in ids)


def audited(lost: Mapping[str, int]) -> int:
    """Return how many of the rows that are gone the trail has a record of."""
    return sum(number for table, number in lost.items() if table not in UNAUDITED)


# What goes.


async def test_a_conversation_goes_with_its_messages_and_nothing_else(
    root: asyncpg.Connection, act: Act, home: Household, other: Household
) -> None:
    before = await snapshot(root)

    done = await act(
        "app_api",
        "delete from app.conversations where id = $1",
        row_id("conversation", "member"),
        **home.context("member"),
    )

    gone, lost, new = difference(before, await snapshot(root))
    assert done == "DELETE 1"
    assert lost == {"conversations": 1, "messages": MESSAGES}
    assert new == {"audit_log": 1 + MESSAGES}
    assert all(str(home.family_id) in row and str(home.users["member"]) in row for _, row in gone)


async def test_a_purged_user_goes_with_all_that_is_theirs_in_every_family(
    root: asyncpg.Connection, act: Act, home: Household, other: Household
) -> None:
    guest = home.users["member"]
    await act("app_api", "select app.retire_account()", **home.context("member"))
    before = await snapshot(root)

    done = await act("app_ops", "delete from app.users where id = $1", guest)

    after = await snapshot(root)
    gone, lost, new = difference(before, after)
    sessions = [household.sessions["member"] for household in (home, other)]
    assert done == "DELETE 1"
    assert gone == {row for row in before if row[0] not in TRAIL and names(row, guest, *sessions)}
    assert new.pop("audit_log") == audited(lost)
    # What is the family's stays, and nobody's name is on it.
    assert set(new) <= {each.table for each in EXAMPLES if each.private == "never"}
    assert new["exercises"] == 2
    assert {row[0] for row in after if names(row, guest)} == TRAIL


async def test_a_purged_family_goes_with_all_that_is_its_own_and_leaves_the_people(
    root: asyncpg.Connection, act: Act, home: Household, other: Household
) -> None:
    await act("app_api", "select app.retire_family()", **home.context("owner"))
    before = await snapshot(root)

    done = await act("app_ops", "delete from app.families where id = $1", home.family_id)

    after = await snapshot(root)
    gone, lost, new = difference(before, after)
    assert done == "DELETE 1"
    assert gone == {row for row in before if row[0] not in TRAIL and names(row, home.family_id)}
    # The sessions go on, and stand in no family.
    assert new == {"audit_log": audited(lost), "sessions": 3}
    assert {row[0] for row in after if names(row, home.family_id)} == {"audit_log"}


# What does not.


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(
    ("statement", "response"),
    [
        ("delete from app.users where id = $1", "DELETE 0"),
        ("delete from app.families where id = $1", "DELETE 0"),
        ("delete from app.family_memberships where user_id = $1", "DELETE 0"),
        ("delete from app.invitations where user_id = $1", "DELETE 0"),
        ("delete from app.sessions where user_id = $1", "DELETE 0"),
        ("update app.users set deleted_at = now() where id = $1", "UPDATE 0"),
        ("update app.families set deleted_at = now() where id = $1", "UPDATE 0"),
        ("update app.family_memberships set deleted_at = now() where user_id = $1", "UPDATE 0"),
        ("select app.restore_account($1)", False),
        ("select app.restore_family($1)", False),
    ],
)
async def test_what_is_not_retired_or_not_there_is_not_touched_and_that_shows(
    root: asyncpg.Connection,
    act: Act,
    home: Household,
    statement: str,
    response: object,
    is_there: bool,
) -> None:
    target = home.family_id if "app.families" in statement else home.users["member"]
    before = await snapshot(root)

    done = await act("app_ops", statement, target if is_there else uuid4())

    assert done == response
    assert await snapshot(root) == before


@pytest.mark.parametrize(
    "statement",
    [
        "update app.users set deleted_at = null where id = $1",
        "update app.families set deleted_at = null where id = $2",
        "update app.family_memberships set deleted_at = null where user_id = $1",
        "update app.sessions set revoked_at = null where user_id = $1",
    ],
)
async def test_only_maintenance_brings_back_what_is_retired(
    root: asyncpg.Connection, act: Act, home: Household, statement: str
) -> None:
    # The functions of app_auth retire and end; a mistake in one of them could not undo it.
    await act("app_api", "select app.retire_family()", **home.context("owner"))
    await act("app_api", "select app.retire_account()", **home.context("owner"))
    values = (home.users["owner"], home.family_id)

    done = await act("app_auth", statement.replace("$2", "$1"), values["$2" in statement])

    assert done == "UPDATE 0"


@pytest.mark.parametrize("table", ["users", "families", "family_memberships"])
@pytest.mark.parametrize(
    ("role", "deleted_at"), [("app_auth", "null"), ("app_ops", "deleted_at - interval '1 year'")]
)
async def test_one_role_retires_the_other_restores_and_neither_does_anything_else(
    root: asyncpg.Connection, home: Household, role: str, deleted_at: str, table: str
) -> None:
    # When something was retired is what decides how long it is kept: nobody moves that date.
    if role == "app_ops":
        for retired in ("families", table):  # a retired family needs no owner
            await root.execute(f"update app.{retired} set deleted_at = now()")
    await act_as(root, role)

    response = await attempt(root, f"update app.{table} set deleted_at = {deleted_at}")

    assert response == "42501"


async def test_maintenance_deletes_only_what_can_be_retired_and_what_expires(
    root: asyncpg.Connection, home: Household
) -> None:
    tables = await root.fetch("""
        select relname from pg_class
        where relnamespace = 'app'::regnamespace and relkind in ('r', 'p')
            and relname not in ('invitations', 'sessions') and not exists (
                select from pg_attribute where attrelid = pg_class.oid and attname = 'deleted_at'
            )
    """)

    await act_as(root, "app_ops")

    responses = {await attempt(root, f"delete from app.{table}") for (table,) in tables}

    assert responses == {"42501"}


# The way back.


async def standing(root: asyncpg.Connection) -> set[tuple[str, UUID, UUID | None, object]]:
    """Return who and what is retired since when, and who and what is not."""
    await root.execute("reset role")
    rows = await root.fetch("""
        select 'user', id, null::uuid, deleted_at from app.users
        union all
        select 'family', id, null, deleted_at from app.families
        union all
        select 'membership', user_id, family_id, deleted_at from app.family_memberships
    """)
    return {(row[0], row[1], row[2], row[3]) for row in rows}


async def test_a_restored_account_brings_back_what_retired_with_it_and_no_more(
    root: asyncpg.Connection, act: Act, home: Household, other: Household
) -> None:
    guest = home.users["member"]
    for name in ("Alone", "Left before"):
        await act("app_api", "select app.create_family($1, 'UTC')", name, **home.context("member"))
    await root.execute("reset role")
    await root.execute(
        "update app.families set deleted_at = now() - interval '1 day' where name = 'Left before'"
    )
    await root.execute(
        "update app.family_memberships set deleted_at = now() - interval '1 day'"
        " where (family_id, user_id) = ($1, $2)",
        *(other.family_id, guest),
    )
    before = await standing(root)

    await act("app_api", "select app.retire_account()", **home.context("member"))
    retired = {row[0] for row in await standing(root) - before}
    restored = await act("app_ops", "select app.restore_account($1)", guest)

    assert retired == {"user", "family", "membership"}
    assert restored is True
    assert await standing(root) == before


async def test_an_account_takes_no_family_along_that_is_not_its_own_nor_brings_one_back(
    root: asyncpg.Connection, act: Act, home: Household, other: Household
) -> None:
    guest = home.users["member"]
    state = "select is_active from app.families where name = 'Of nobody'"
    await root.execute("insert into app.families (name) values ('Of nobody')")

    await act("app_api", "select app.retire_account()", **home.context("member"))
    await root.execute("reset role")
    stayed = await root.fetchval(state)
    # As if somebody else had closed it in the same microsecond.
    await root.execute(
        "update app.families set deleted_at = (select deleted_at from app.users where id = $1)"
        " where name = 'Of nobody'",
        guest,
    )
    restored = await act("app_ops", "select app.restore_account($1)", guest)

    await root.execute("reset role")
    assert (stayed, restored) == (True, True)
    assert await root.fetchval(state) is False


async def test_nobody_moves_the_session_of_somebody_else(
    root: asyncpg.Connection, act: Act, home: Household, other: Household
) -> None:
    await root.execute(
        "insert into app.family_memberships (family_id, user_id, role, display_name)"
        " values ($1, $2, 'member', 'Owner elsewhere')",
        *(other.family_id, home.users["owner"]),
    )
    before = await snapshot(root)

    context = {**home.context("member"), "session_id": home.sessions["owner"]}
    await act("app_api", "select app.switch_family($1)", other.family_id, **context)

    assert await snapshot(root) == before


async def test_who_was_an_owner_does_not_retire_the_family(
    root: asyncpg.Connection, home: Household
) -> None:
    for change, role in (("role = 'owner'", "admin"), ("deleted_at = now()", "owner")):
        await root.execute(
            f"update app.family_memberships set {change} where (family_id, user_id) = ($1, $2)",
            *(home.family_id, home.users[role]),
        )
    await act_as(root, "app_api", **home.context("owner"))

    assert await attempt(root, "select app.retire_family()") == "42501"


async def test_a_restored_family_is_back_and_its_sessions_stay_ended(
    root: asyncpg.Connection, act: Act, home: Household, other: Household
) -> None:
    before = await standing(root)

    await act("app_api", "select app.retire_family()", **home.context("owner"))
    retired = await standing(root) - before
    restored = await act("app_ops", "select app.restore_family($1)", home.family_id)

    assert [row[:2] for row in retired] == [("family", home.family_id)]
    assert restored is True
    assert await standing(root) == before
    ended = "select count(*) from app.sessions where revoked_at is not null and family_id = $1"
    assert await root.fetchval(ended, home.family_id) == 3
