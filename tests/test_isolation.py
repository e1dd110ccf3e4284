"""Two families with the same data, down to the ids: neither can be reached from the other.

They even share a person: the guest, a member of both. Tables, columns and functions come from the
catalog, so that a new one is attacked as soon as it is there.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.fixtures import Hearth
from tests.households import ROLES, RUNTIME, Household, act_as, attempt, row_id, rows_about

LOGINS = ("app_api", "app_reader")
DENIED = "42501"


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


async def copies(root: asyncpg.Connection, *ids: UUID) -> list[tuple[str, str]]:
    """Return tables, and the inserts that repeat the rows in which these ids stand.

    They name the columns that app_api may insert; where there are none, all.
    """
    may_insert = await columns(root, "app_api", "insert")
    inserts = []
    for table, names in (await columns(root)).items():
        wanted = ", ".join(may_insert.get(table, names))
        insert = f"insert into app.{table} ({wanted}) select {wanted} from"
        inserts += [
            (table, f"{insert} jsonb_populate_record(null::app.{table}, {row})")
            for (row,) in await root.fetch(
                f"select quote_literal(to_jsonb(t)) from app.{table} as t"
                " where t::text like all($1)",
                [f"%{id_}%" for id_ in ids],
            )
        ]
    return inserts


# Rows.


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("role", ROLES)
async def test_nobody_sees_a_row_of_another_family(
    root: asyncpg.Connection, home: Household, other: Household, login: str, role: str
) -> None:
    may_select = await columns(root, login)
    strangers = {other.family_id, *other.users.values()} - {home.users["member"]}
    await act_as(root, login, **home.context(role))

    seen = {
        table: [str(row) for row in await root.fetch(f"select {', '.join(names)} from app.{table}")]
        for table, names in may_select.items()
    }

    ours = (str(home.family_id), str(home.users[role]))
    rows = [row for rows in seen.values() for row in rows]
    assert all(any(name in row for name in ours) for row in rows)
    assert not any(str(name) in row for name in strangers for row in rows)
    assert {table for table in seen if not seen[table]} == (
        {"audit_log"} if role == "member" else set()
    )


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("role", ROLES)
async def test_no_write_touches_a_row_of_another_family(
    root: asyncpg.Connection, home: Household, other: Household, login: str, role: str
) -> None:
    ours, theirs = await rows_about(root, home), await rows_about(root, other)
    writes = []
    for table, names in (await columns(root)).items():
        for name in names:  # a constant, so that nothing has to be readable
            value = await root.fetchval(f"select quote_nullable({name}::text) from app.{table}")
            writes.append(f"update app.{table} set {name} = {value}")
        writes += [f"delete from app.{table}", f"truncate app.{table} cascade"]
    await act_as(root, login, **home.context(role))

    for write in writes:
        with suppress(asyncpg.PostgresError):
            async with root.transaction():
                await root.execute(write)

    assert await rows_about(root, other) == theirs
    assert (await rows_about(root, home) != ours) is (login == "app_api")


@pytest.mark.parametrize(
    ("login", "inserted"),
    [("app_api", {"tasks", "conversations", "messages"}), ("app_reader", set())],
)
@pytest.mark.parametrize("role", ROLES)
async def test_nobody_makes_a_row_in_another_family_or_name(
    root: asyncpg.Connection,
    home: Household,
    other: Household,
    login: str,
    inserted: set[str],
    role: str,
) -> None:
    theirs = await copies(root, other.family_id) + await copies(root, other.users["owner"])
    theirs += await copies(
        root, home.family_id, home.users["owner" if role != "owner" else "admin"]
    )
    ours = await copies(root, home.family_id, home.users[role])
    await act_as(root, login, **home.context(role))

    done = {table for table, insert in ours if await attempt(root, insert) == "INSERT 0 1"}
    assert {await attempt(root, insert) for _, insert in theirs} == {DENIED}
    assert done == inserted


async def test_the_floor_holds_whatever_another_policy_allows(
    root: asyncpg.Connection, home: Household, other: Household
) -> None:
    tables = {table for table, names in (await columns(root)).items() if "family_id" in names}
    tables = tables - {"sessions"} | {"families"}  # a session belongs to no family
    for table in tables:
        await root.execute(
            f"grant all on app.{table} to app_api;"
            f"create policy mistake on app.{table} to app_api using (true) with check (true)"
        )
    theirs = [insert for table, insert in await copies(root, other.family_id) if table in tables]
    await act_as(root, "app_api", **home.context("member"))

    seen = set()
    for table in tables:
        tenant = "id" if table == "families" else "family_id"
        seen |= {row[0] for row in await root.fetch(f"select {tenant} from app.{table}")}
    assert seen == {home.family_id}
    assert {await attempt(root, insert) for insert in theirs} == {DENIED}


@pytest.mark.parametrize("context", [None, {}], ids=["never set", "empty strings"])
@pytest.mark.parametrize("login", LOGINS)
async def test_without_a_context_there_are_no_rows_at_all(
    root: asyncpg.Connection, home: Household, login: str, context: dict[str, object] | None
) -> None:
    inserts = await copies(root, home.family_id)
    tables = await columns(root, login)
    updates = {
        f"update app.{table} set {name} = default"
        for table, names in (await columns(root, login, "update")).items()
        for name in names
    }
    if context is None:
        await root.execute(f"set local role {login}")
    else:
        await act_as(root, login, **context)

    selects = {await attempt(root, f"select from app.{table}") for table in tables}
    assert selects == {"SELECT 0"}
    assert {await attempt(root, insert) for _, insert in inserts} == {DENIED}
    assert {await attempt(root, update) for update in updates} <= {"UPDATE 0"}
    assert {await attempt(root, f"delete from app.{table}") for table in tables} <= {
        "DELETE 0",
        DENIED,
    }


async def test_row_security_cannot_be_switched_off(
    root: asyncpg.Connection, home: Household
) -> None:
    tables = await columns(root, "app_api")
    await act_as(root, "app_api", **home.context("owner"))

    await root.execute("set local row_security = off")

    assert {await attempt(root, f"select from app.{table}") for table in tables} == {DENIED}


async def test_the_owner_of_the_tables_sees_and_changes_no_rows(
    root: asyncpg.Connection, home: Household
) -> None:
    tables = await columns(root)
    inserts = await copies(root, home.family_id)
    await act_as(root, "app_owner", **home.context("owner"))

    assert {await attempt(root, f"select from app.{table}") for table in tables} == {"SELECT 0"}
    assert {await attempt(root, f"delete from app.{table}") for table in tables} == {"DELETE 0"}
    assert {await attempt(root, insert) for _, insert in inserts} == {DENIED}


async def test_partitions_of_the_trail_are_refused_to_everybody(root: asyncpg.Connection) -> None:
    await root.execute("select app.ensure_audit_partitions(1)")
    partitions = await root.fetch(
        "select inhrelid::regclass::text from pg_inherits"
        " where inhparent = 'app.audit_log'::regclass"
    )
    commands = (
        "select from {}",
        "insert into {} default values",
        "delete from {}",
        "update {} set table_name = ''",
        "truncate {}",
    )

    answers = set()
    for role in RUNTIME:
        await act_as(root, role)
        answers |= {
            await attempt(root, command.format(name))
            for command in commands
            for (name,) in partitions
        }

    assert answers == {DENIED}


# Roles.


@pytest.mark.parametrize("login", LOGINS)
async def test_a_login_cannot_become_anybody_else(hearth: Hearth, login: str) -> None:
    connection = await asyncpg.connect(hearth.url(login))
    try:
        roles = await connection.fetch("select rolname from pg_roles where rolname <> $1", login)

        answers = {
            await attempt(connection, f'{command} "{role}"')
            for command in ("set role", "set session authorization")
            for (role,) in roles
        }
    finally:
        await connection.close()

    assert answers == {DENIED}


@pytest.mark.parametrize(
    "statement",
    [
        "create table app.mine ()",
        "create table public.mine ()",
        "create schema mine",
        "create function app.mine() returns integer language sql return 1",
        "create trigger mine after insert on app.tasks execute function app.record_audit()",
        "create policy mine on app.tasks using (true)",
        "alter table app.tasks disable row level security",
        "alter role app_api bypassrls",
        "select lo_create(0)",
        "select lo_creat(-1)",
        "select lo_from_bytea(0, 'for the neighbours')",
    ],
)
async def test_the_service_login_makes_and_changes_no_objects(
    root: asyncpg.Connection, statement: str
) -> None:
    await act_as(root, "app_api")

    assert await attempt(root, statement) == DENIED


# The context.


async def assertion(root: asyncpg.Connection) -> str:
    """Return "SELECT 1" if the context holds, or the error."""
    return await attempt(root, "select app.assert_membership()")


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("role", ROLES)
async def test_a_context_that_is_true_holds(
    root: asyncpg.Connection, home: Household, login: str, role: str
) -> None:
    await act_as(root, login, **home.context(role))

    assert await assertion(root) == "SELECT 1"


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("part", ["user_id", "session_id", "family_id"])
async def test_a_context_with_a_part_of_somebody_else_is_refused(
    root: asyncpg.Connection, home: Household, other: Household, login: str, part: str
) -> None:
    context = home.context("owner") | {part: other.context("owner")[part]}
    await act_as(root, login, **context)

    assert await assertion(root) == "ZH001"


async def test_no_context_and_a_role_that_one_does_not_have_are_refused(
    root: asyncpg.Connection, home: Household
) -> None:
    await act_as(root, "app_api")
    without = await assertion(root)
    await act_as(root, "app_api", **home.context("admin") | {"member_role": "owner"})

    assert [without, await assertion(root)] == ["ZH001", "ZH001"]


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


# Foreign keys.


async def test_a_foreign_parent_is_refused_like_one_that_does_not_exist(
    root: asyncpg.Connection, home: Household, other: Household
) -> None:
    foreign, missing = uuid4(), uuid4()
    await root.execute(
        "insert into app.conversations (family_id, user_id, id, title) values ($1, $2, $3, '-')",
        *(other.family_id, other.users["owner"], foreign),
    )
    await act_as(root, "app_api", **home.context("owner"))
    errors = []
    for parent in (foreign, missing, row_id("talk", "admin")):
        with pytest.raises(asyncpg.ForeignKeyViolationError) as refused:
            async with root.transaction():
                await root.execute(
                    "insert into app.messages (family_id, user_id, conversation_id, role, content)"
                    " values ($1, $2, $3, 'user', '-')",
                    *(home.family_id, home.users["owner"], parent),
                )
        errors.append((refused.value.message, refused.value.detail))

    assert len(set(errors)) == 1
    assert not re.search("[0-9a-f]{8}-", str(errors))


# Who may do what within a family: to things of a member, or of an admin in the second column.

THINGS = {
    "private task": ("tasks", "id = '{private task}'", "title = 'New'"),
    "shared task": ("tasks", "id = '{shared task}'", "title = 'New'"),
    "secrecy of it": ("tasks", "id = '{shared task}'", "visibility = 'private'"),
    "talk": ("conversations", "id = '{talk}'", "title = 'New'"),
    "messages": ("messages", "conversation_id = '{talk}'", "content = 'New'"),
    "membership": ("family_memberships", "user_id = '{user}'", "display_name = 'New'"),
    "account": ("users", "id = '{user}'", "full_name = 'New'"),
    "session": ("sessions", "user_id = '{user}'", "revoked_at = now()"),
    "password": ("credentials", "user_id = '{user}'", "password_hash = '$argon2id$new'"),
    "family": ("families", "true", "name = 'New'"),
    "shared trail": ("audit_log", "row_key ->> 'id' = '{shared task}'", "after = null"),
    "private trail": ("audit_log", "row_key ->> 'id' = '{private task}'", "after = null"),
}
WHO_MAY = {
    # thing:          by themselves, another member, an admin, an owner
    "private task": ("select update delete", "", "", ""),
    "shared task": (
        "select update delete",
        "select update",
        "select update delete",
        "select update delete",
    ),
    "secrecy of it": ("select update delete", "select", "select delete", "select delete"),
    "talk": ("select update delete", "", "", ""),
    "messages": ("select", "", "", ""),
    "membership": ("select update", "select", "select update", "select update"),
    "account": ("select update", "", "", ""),
    "session": ("select", "", "", ""),
    "password": ("", "", "", ""),
    "family": ("select", "select", "select update", "select update"),
    "shared trail": ("", "", "select", "select"),
    "private trail": ("", "", "", ""),
}


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize(
    ("place", "by", "of"),
    [
        (0, "member", "member"),
        (1, "member", "admin"),
        (2, "admin", "member"),
        (3, "owner", "member"),
    ],
    ids=["themselves", "another member", "an admin", "an owner"],
)
async def test_who_may_do_what(
    root: asyncpg.Connection, home: Household, login: str, place: int, by: str, of: str
) -> None:
    names = {kind: row_id(kind, of) for kind in ("private task", "shared task", "talk")}
    names["user"] = home.users[of]
    await act_as(root, login, **home.context(by))

    found = {}
    for thing, (table, condition, change) in THINGS.items():
        where = condition.format_map(names)
        tags = [
            await attempt(root, f"select from app.{table} where {where}"),
            await attempt(root, f"update app.{table} set {change} where {where}"),
            await attempt(root, f"delete from app.{table} where {where}"),
        ]
        found[thing] = {
            tag.split()[0].lower() for tag in tags if tag != DENIED and not tag.endswith(" 0")
        }

    allowed = {"select"} if login == "app_reader" else {"select", "update", "delete"}
    assert found == {
        thing: allowed & set(commands[place].split()) for thing, commands in WHO_MAY.items()
    }


# How many rows it reaches when a member, an admin or an owner writes without any condition. Nothing
# is read, so only the policy for the command stands between.
UNCONDITIONAL = {
    "update app.tasks set title = 'New'": ("UPDATE 4", "UPDATE 4", "UPDATE 4"),
    "update app.tasks set visibility = 'private'": (DENIED, DENIED, DENIED),  # others share some
    "delete from app.tasks": ("DELETE 2", "DELETE 4", "DELETE 4"),
    "update app.conversations set title = 'New'": ("UPDATE 1", "UPDATE 1", "UPDATE 1"),
    "delete from app.conversations": ("DELETE 1", "DELETE 1", "DELETE 1"),
    "update app.family_memberships set display_name = 'New'": ("UPDATE 1", "UPDATE 2", "UPDATE 3"),
    "update app.families set name = 'New'": ("UPDATE 0", "UPDATE 1", "UPDATE 1"),
    "update app.users set full_name = 'New'": ("UPDATE 1", "UPDATE 1", "UPDATE 1"),
}


@pytest.mark.parametrize("statement", UNCONDITIONAL)
async def test_a_write_without_a_condition_reaches_what_one_may_write(
    root: asyncpg.Connection, home: Household, statement: str
) -> None:
    answers = []
    for role in ("member", "admin", "owner"):
        await act_as(root, "app_api", **home.context(role))
        answers.append(await attempt(root, statement))

    assert tuple(answers) == UNCONDITIONAL[statement]


@pytest.mark.parametrize(
    ("by", "of", "to", "answer"),
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
    root: asyncpg.Connection, home: Household, by: str, of: str, to: str, answer: str
) -> None:
    await act_as(root, "app_api", **home.context(by))

    change = "update app.family_memberships set role = $1 where user_id = $2"
    assert await attempt(root, change, to, home.users[of]) == answer


@pytest.mark.parametrize("by", ROLES)
async def test_nobody_takes_a_removed_member_back_in_by_hand(
    root: asyncpg.Connection, home: Household, by: str
) -> None:
    await root.execute(
        "update app.family_memberships set deleted_at = now() where user_id = $1",
        home.users["member"],
    )
    await act_as(root, "app_api", **home.context(by))

    assert (
        await attempt(root, "update app.family_memberships set deleted_at = null")
        == {
            "member": "UPDATE 0",  # themselves, in a context that nobody asserted
            "admin": "UPDATE 1",  # the admin, who is active already
            "owner": "UPDATE 2",
        }[by]
    )


# Functions that lend the rights of another role.

# Who calls what, and what comes of it; nothing of the other family changes. An admin at home claims
# to be an owner there (upstart), to own the other family (impostor), or to do so in the session of
# its owner (thief).
SIGN_UP = "app.sign_up({}, {}, 'Somebody', 'The Others', 'UTC', sha256('new'), now())"
ATTACKS = [
    ("nobody", "app.sign_up(null, null, null, null, null, null, null)", "23502"),
    ("nobody", SIGN_UP.format("upper('{email}')", "'$argon2id$'"), "23505"),
    ("nobody", SIGN_UP.format("'x@example.com'", "'a password'"), "23514"),
    ("nobody", "app.find_credentials(null)", "None"),
    ("nobody", "app.find_credentials('%')", "None"),
    ("nobody", "app.open_session('{user}', null, sha256('new'), now())", "None"),
    ("nobody", "app.open_session('{user}', 'guessed', sha256('new'), now())", "None"),
    ("nobody", "app.open_session(null, null, null, null)", "None"),
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


async def test_functions_that_are_not_granted_are_refused(root: asyncpg.Connection) -> None:
    calls = await root.fetch("""
        select format('select %s(%s)', oid::regproc, array_to_string(
            array_fill('null'::text, array[pronargs::integer]), ', '))
        from pg_proc
        where pronamespace = 'app'::regnamespace
            and not has_function_privilege('app_api', oid, 'execute')
    """)
    await act_as(root, "app_api")

    assert {await attempt(root, call) for (call,) in calls} == {DENIED}
