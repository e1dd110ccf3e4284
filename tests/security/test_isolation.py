"""What holds families apart beside the policies of each table: the floor under them, the context
that they compare with, the triggers and the functions that lend rights.

What each caller may do to each row is in tests/security/test_access_matrix.py; the ways around
that, in tests/security/test_ways_around.py.
"""

import json
from collections.abc import Mapping
from uuid import uuid4

import asyncpg
import pytest

from tests.security.access import insertion
from tests.support.households import ROLES, Household, act_as, attempt, columns, rows_about

LOGINS = ("app_api", "app_reader")
DENIED = "42501"


async def test_the_floor_holds_whatever_another_policy_allows(
    root: asyncpg.Connection, home: Household, other: Household
) -> None:
    tenants = {
        table: "family_id" for table, names in (await columns(root)).items() if "family_id" in names
    }
    del tenants["sessions"]  # which belong to no family
    tenants["families"] = "id"
    theirs = []
    for table, tenant in tenants.items():
        await root.execute(
            f"grant all on app.{table} to app_api;"
            f"create policy mistake on app.{table} to app_api using (true) with check (true)"
        )
        query = f"select to_jsonb(t) from app.{table} as t where {tenant} = $1"
        names = (await columns(root))[table]
        theirs += [
            insertion(table, names, json.loads(row))
            for (row,) in await root.fetch(query, other.family_id)
        ]
    await act_as(root, "app_api", **home.context("member"))

    seen = set()
    for table, tenant in tenants.items():
        seen |= {row[0] for row in await root.fetch(f"select {tenant} from app.{table}")}
    assert seen == {home.family_id}
    assert {await attempt(root, insert) for insert in theirs} == {DENIED}


# The context.


async def assertion(root: asyncpg.Connection) -> str:
    """Return "SELECT 1" if the context holds, or the error."""
    return await attempt(root, "select app.assert_membership()")


async def beginning(root: asyncpg.Connection, context: Mapping[str, object]) -> str:
    """Return "SELECT 0" if a request may begin in a context, or the error."""
    await act_as(root, "app_api")
    parts = ("user_id", "session_id", "family_id", "member_role")
    call = "select app.begin_request($1, $2, $3, $4, $5, true, null, null, null)"
    return await attempt(root, call, *(context.get(part) for part in parts), uuid4())


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("role", ROLES)
async def test_a_context_that_is_true_holds(
    root: asyncpg.Connection, home: Household, login: str, role: str
) -> None:
    await act_as(root, login, **home.context(role))

    assert await assertion(root) == "SELECT 1"
    assert await beginning(root, home.context(role)) == "SELECT 0"


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("part", ["user_id", "session_id", "family_id"])
async def test_a_context_with_a_part_of_somebody_else_is_refused(
    root: asyncpg.Connection, home: Household, other: Household, login: str, part: str
) -> None:
    context = home.context("owner") | {part: other.context("owner")[part]}
    await act_as(root, login, **context)

    assert await assertion(root) == "ZH001"
    assert await beginning(root, context) == "ZH001"


async def test_no_context_and_a_role_that_one_does_not_have_are_refused(
    root: asyncpg.Connection, home: Household
) -> None:
    forged = home.context("admin") | {"member_role": "owner"}
    await act_as(root, "app_api")
    without = await assertion(root)
    await act_as(root, "app_api", **forged)

    assert [without, await assertion(root)] == ["ZH001", "ZH001"]
    assert [await beginning(root, context) for context in ({}, forged)] == ["ZH001", "ZH001"]


async def test_a_family_without_a_role_and_a_role_without_a_family_are_nobodys(
    root: asyncpg.Connection, home: Household
) -> None:
    owner = home.context("owner")
    of_nothing = owner | {"member_role": None}
    of_no_family = owner | {"family_id": None}

    assert await beginning(root, of_nothing) == "ZH001"
    assert await beginning(root, of_no_family) == "SELECT 0"
    await root.execute(
        "select app.begin_request($1, $2, null, 'owner', null, true, null, null, null)",
        owner["user_id"],
        owner["session_id"],
    )
    assert await root.fetchval("select app.current_member_role()") is None


@pytest.mark.parametrize(
    "event",
    [
        "update app.family_memberships set deleted_at = now() where user_id = '{user_id}'",
        "update app.family_memberships set role = 'admin' where user_id = '{user_id}'",
        "delete from app.family_memberships where user_id = '{user_id}'",
        "update app.families set deleted_at = now() where id = '{family_id}'",
        "update app.users set deleted_at = now() where id = '{user_id}'",
        "update app.sessions set revoked_at = now() where id = '{session_id}'",
    ],
    ids=["removed", "promoted", "deleted", "family retired", "account retired", "signed out"],
)
async def test_a_context_ends_with_what_it_stands_on(
    root: asyncpg.Connection, home: Household, event: str
) -> None:
    context = home.context("member")
    await root.execute(event.format(**context))
    await act_as(root, "app_api", **context)

    assert await assertion(root) == "ZH001"
    assert await beginning(root, context) == "ZH001"


# What a policy and a trigger decide together.


@pytest.mark.parametrize(
    ("by", "of", "to", "response"),
    [
        ("owner", "member", "owner", "UPDATE 1"),
        ("owner", "admin", "member", "UPDATE 1"),
        ("owner", "owner", "member", "ZH002"),  # the last one
        ("admin", "member", "admin", "UPDATE 1"),
        ("admin", "admin", "member", "UPDATE 1"),
        ("admin", "admin", "owner", DENIED),
        ("admin", "member", "owner", DENIED),
        ("admin", "owner", "admin", "UPDATE 0"),
        ("member", "member", "admin", DENIED),
        ("member", "admin", "member", "UPDATE 0"),
    ],
)
async def test_who_may_give_which_role(
    root: asyncpg.Connection, home: Household, by: str, of: str, to: str, response: str
) -> None:
    await act_as(root, "app_api", **home.context(by))

    change = "update app.family_memberships set role = $1 where user_id = $2"
    assert await attempt(root, change, to, home.users[of]) == response


@pytest.mark.parametrize(
    ("by", "removed", "response"),
    [
        ("owner", "member", "UPDATE 1"),
        ("owner", "admin", "UPDATE 1"),
        ("admin", "member", "UPDATE 1"),
        ("admin", "owner", "UPDATE 0"),
        ("member", "admin", "UPDATE 0"),
        ("member", "member", "UPDATE 0"),  # themselves, in a context that nobody asserted
    ],
)
async def test_who_may_take_whom_back_in(
    root: asyncpg.Connection, home: Household, by: str, removed: str, response: str
) -> None:
    await root.execute("set local session_replication_role = replica")  # the last owner may go
    await root.execute(
        "update app.family_memberships set deleted_at = now() where user_id = $1",
        home.users[removed],
    )
    await root.execute("set local session_replication_role = origin")
    await act_as(root, "app_api", **home.context(by))

    restore = "update app.family_memberships set deleted_at = null where user_id = $1"
    assert await attempt(root, restore, home.users[removed]) == response


async def test_nobody_comes_back_whose_account_is_retired(
    root: asyncpg.Connection, home: Household
) -> None:
    await act_as(root, "app_api", **home.context("admin"))
    await root.execute("select app.retire_account()")
    await act_as(root, "app_api", **home.context("owner"))

    restore = "update app.family_memberships set deleted_at = null where user_id = $1"
    assert await attempt(root, restore, home.users["admin"]) == "23503"


# Functions that lend the rights of another role.

# Who calls what, and what comes of it; nothing of the other family changes. An admin at home claims
# to be an owner there (upstart), to own the other family (impostor), or to do so in the session of
# its owner (thief).
SIGN_UP = "app.sign_up({}, {}, 'Somebody', 'The Others', 'UTC', {}, sha256('new'), now(), null)"
GUESSED = "sha256('guessed')"  # no invitation's token, of which there are some
ATTACKS = [
    ("nobody", "app.sign_up(null, null, null, null, null, null, null, null, null)", "23502"),
    ("nobody", SIGN_UP.format("upper('{email}')", "'$argon2id$'", "null"), "23505"),
    ("nobody", SIGN_UP.format("'x@example.com'", "'a password'", "null"), "23514"),
    ("nobody", SIGN_UP.format("'x@example.com'", "'$argon2id$'", GUESSED), "ZH004"),
    ("impostor", SIGN_UP.format("'x@example.com'", "'$argon2id$'", "null"), DENIED),
    ("impostor", SIGN_UP.format("'x@example.com'", "'$argon2id$'", "null"), DENIED),
    ("nobody", "app.accept_invitation(null)", "ZH001"),
    ("impostor", "app.accept_invitation(null)", "ZH004"),
    ("impostor", f"app.accept_invitation({GUESSED})", "ZH004"),
    ("thief", f"app.accept_invitation({GUESSED})", "ZH004"),
    ("nobody", "app.find_credentials(null)", "None"),
    ("nobody", "app.find_credentials('%')", "None"),
    ("nobody", "app.open_session('{user}', null, sha256('new'), now(), null)", "None"),
    ("nobody", "app.open_session('{user}', 'guessed', sha256('new'), now(), null)", "None"),
    ("nobody", "app.open_session(null, null, null, null, null)", "None"),
    ("nobody", "app.knows_network(null)", "False"),
    ("nobody", "app.knows_network(sha256('guessed'))", "False"),
    ("nobody", "app.refresh_session(null, null, null)", "None"),
    ("nobody", "app.refresh_session('guessed', sha256('new'), now())", "None"),
    ("nobody", "app.close_session()", "False"),
    ("thief", "app.close_session()", "False"),
    ("nobody", "app.own_credentials()", "None"),
    ("nobody", "app.change_password(null, null)", "False"),
    ("nobody", "app.change_password('$argon2id$', '$argon2id$new')", "False"),
    ("impostor", "app.change_password(null, '$argon2id$new')", "False"),
    ("impostor", "app.change_password('$argon2id$', null)", "23502"),
    ("impostor", "app.change_password('$argon2id$', '$argon2id$new')", "True"),
    ("nobody", "app.create_family('The Others', 'UTC')", "ZH001"),
    ("impostor", "app.create_family(null, null)", "23502"),
    ("nobody", "app.my_families()", "None"),
    ("nobody", "app.retire_account()", "False"),
    ("impostor", "app.retire_account()", "True"),  # their own
    ("nobody", "app.retire_family()", DENIED),
    ("upstart", "app.retire_family()", DENIED),
    ("impostor", "app.retire_family()", DENIED),
    ("nobody", "app.switch_family('{family}')", "None"),
    ("impostor", "app.switch_family('{family}')", "None"),
    ("impostor", "app.switch_family(null)", "None"),
    ("nobody", "app.hit_rate_limit(null, null, null, null)", "23502"),
    ("nobody", "app.hit_rate_limit('sign_in', sha256('a'), -1, null)", "None"),
    ("nobody", "app.reset_rate_limit(null, null, null)", "None"),
    ("nobody", "app.delete_expired_idempotency_keys('saturday')", "None"),
    ("impostor", "app.delete_expired_idempotency_keys('saturday')", "None"),
    ("thief", "app.switch_family('{home}') ->> 'role'", "admin"),
]


@pytest.mark.parametrize(("who", "call", "outcome"), ATTACKS)
async def test_a_definer_function_cannot_be_turned_against_others(
    root: asyncpg.Connection, home: Household, other: Household, who: str, call: str, outcome: str
) -> None:
    victim, attacker = other.context("owner"), home.context("admin")
    contexts = {
        "nobody": {},
        "upstart": attacker | {"member_role": "owner"},
        "impostor": victim | {part: attacker[part] for part in ("user_id", "session_id")},
        "thief": victim | {"user_id": attacker["user_id"]},
    }
    names = {"user": victim["user_id"], "email": f"{victim['user_id']}@example.com"}
    names |= {"family": other.family_id, "home": home.family_id}
    theirs = await rows_about(root, other)
    await act_as(root, "app_api", **contexts[who])

    try:
        async with root.transaction():
            came = str(await root.fetchval("select " + call.format_map(names)))
    except asyncpg.PostgresError as error:
        came = error.sqlstate

    assert came == outcome
    assert await rows_about(root, other) == theirs


async def test_every_definer_function_is_attacked(root: asyncpg.Connection) -> None:
    lent = await root.fetch("""
        select oid::regproc::text
        from pg_proc
        where pronamespace = 'app'::regnamespace and prosecdef
            and (has_function_privilege('app_api', oid, 'execute')
                or has_function_privilege('app_reader', oid, 'execute'))
    """)

    assert {call.split("(")[0] for _, call, _ in ATTACKS} == {name for (name,) in lent}


async def test_what_definer_functions_show_is_the_users_own(
    root: asyncpg.Connection, home: Household, other: Household
) -> None:
    await act_as(root, "app_api", **other.context("owner") | {"user_id": home.users["admin"]})

    credentials = await root.fetch("select user_id from app.own_credentials()")
    families = await root.fetch("select (family).id, role from app.my_families()")
    made = await root.fetchval("select (app.create_family('Mine', null)).id")
    await act_as(root, "app_auth")
    members = await root.fetch(
        "select user_id from app.family_memberships where family_id = $1", made
    )

    assert [tuple(row) for row in credentials] == [(home.users["admin"],)]
    assert [tuple(row) for row in families] == [(home.family_id, "admin")]
    assert [tuple(row) for row in members] == [(home.users["admin"],)]
