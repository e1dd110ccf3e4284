"""The ways around row level security, each of them tried.

Two families are alike to the letter, and somebody of one of them tries to see, touch or guess what
the other has, at a prompt of the service's login. Tables, keys and functions come from the catalog,
so that a new one is tried as soon as it is there. Where a way could work on a table with a hole, it
is tried on one, too: a test that cannot fail shows nothing.
"""

import io
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import asyncpg
import pytest

from app.settings import sql_directory
from tests.security.access import Row, insertion
from tests.support.fixtures import Hearth
from tests.support.households import (
    CONTEXT,
    RUNTIME,
    Household,
    act_as,
    attempt,
    columns,
    make_household,
    rows_about,
)
from tests.support.tally import tally

pytestmark = pytest.mark.first

LOGINS = ("app_api", "app_reader")
DENIED = "42501"


class Intruder:
    """The owner of `home`, at a prompt, before the rows of `other`."""

    tried = 0

    def __init__(self, root: asyncpg.Connection, home: Household, other: Household) -> None:
        self.root, self.home, self.other = root, home, other
        own = {home.family_id, *home.users.values(), *home.sessions.values()}
        theirs = {other.family_id, *other.users.values(), *other.sessions.values()}
        self.secrets = {str(id_) for id_ in theirs - own}

    async def asks(self, statement: str) -> str:
        """Run a statement for good; return its rows, or all that the error says, as text."""
        Intruder.tried += 1
        await act_as(self.root, "app_api", **self.home.context("owner"))
        return await said(self.root, statement)

    def sees(self, text: str) -> bool:
        """Say whether an id of the other family stands in a text."""
        return any(secret in text for secret in self.secrets)

    async def digs_holes(self) -> None:
        """Switch row level security off, for what a way is worth on a table without it."""
        await self.root.execute("set local role none")
        for table in await columns(self.root):
            await self.root.execute(f"alter table app.{table} disable row level security")


@pytest.fixture
async def intruder(
    root: asyncpg.Connection, home: Household, other: Household
) -> AsyncIterator[Intruder]:
    """Return who is to find a way."""
    yield Intruder(root, home, other)
    tally("ways around", f"{Intruder.tried:,} statements tried")


async def said(connection: asyncpg.Connection, statement: str) -> str:
    """Run a statement; return its rows, or all that the error says, as text."""
    try:
        async with connection.transaction():
            return str([tuple(row) for row in await connection.fetch(statement)])
    except asyncpg.PostgresError as error:
        return " ".join(
            str(part)
            for part in (error.sqlstate, error.message, error.detail, error.hint, error.context)
        )


async def row_of(root: asyncpg.Connection, table: str, household: Household) -> Row:
    """Return a row of the household's owner."""
    await root.execute("set local role none")
    row = await root.fetchval(
        f"select to_jsonb(t) from app.{table} as t where family_id = $1 and user_id = $2 limit 1",
        *(household.family_id, household.users["owner"]),
    )
    assert row is not None, f"tests/support/households.py makes no row of app.{table}"
    return dict(json.loads(row))


@asynccontextmanager
async def emptied(root: asyncpg.Connection, table: str) -> AsyncIterator[None]:
    """Empty a table, so that no other key of it is in the way, and undo what happens within."""
    savepoint = root.transaction()
    await savepoint.start()
    await root.execute("set local role none; set local session_replication_role = replica")
    await root.execute(f"delete from app.{table}")
    await root.execute("set local session_replication_role = origin")
    yield
    await savepoint.rollback()


async def put(root: asyncpg.Connection, table: str, row: Row) -> None:
    """Put a row into a table, whatever keys and triggers say."""
    await root.execute("set local role none; set local session_replication_role = replica")
    await root.execute(insertion(table, (await columns(root))[table], row))
    await root.execute("set local session_replication_role = origin")


# Reading.

READS = {
    "select": "select {columns} from app.{table}",
    "only": "select {columns} from only app.{table}",
    "tablesample": "select {columns} from app.{table} tablesample system (100)",
    "ctid": "select {columns} from app.{table} where ctid > '(0,0)'",
    "aggregate": "select json_agg(json_build_array({columns})) from app.{table}",
    "lateral": "select o.* from (select) as one, lateral (select {columns} from app.{table}) as o",
    "recursion": "with recursive r as (select {columns} from app.{table}) table r",
    "for update": "select {columns} from app.{table} for update",
    "for key share": "select {columns} from app.{table} for key share",
    "a query in a function": "select word from ts_stat($$select array_to_tsvector(array_remove("
    "array_remove(array[{texts}], ''), null)) from app.{table}$$)",
}


async def shown_by(intruder: Intruder, way: str) -> set[str]:
    """Return the tables of which a way of reading shows something of the other family."""
    tables = set()
    for table, names in (await columns(intruder.root, "app_api")).items():
        statement = READS[way].format(
            table=table,
            columns=", ".join(names),
            texts=", ".join(f"{name}::text" for name in names),
        )
        if intruder.sees(await intruder.asks(statement)):
            tables.add(table)
    return tables


@pytest.mark.parametrize("way", READS)
async def test_no_way_of_reading_shows_another_family(intruder: Intruder, way: str) -> None:
    shown = await shown_by(intruder, way)
    await intruder.digs_holes()

    assert not shown
    assert await shown_by(intruder, way)


async def test_copy_shows_what_select_shows(intruder: Intruder) -> None:
    async def shown() -> set[str]:
        tables = set()
        await act_as(intruder.root, "app_api", **intruder.home.context("owner"))
        for table, names in (await columns(intruder.root, "app_api")).items():
            target = io.BytesIO()
            # Without policies, a partitioned table has nothing to copy itself.
            with suppress(asyncpg.WrongObjectTypeError):
                async with intruder.root.transaction():
                    await intruder.root.copy_from_table(
                        table, schema_name="app", columns=names, output=target
                    )
            if intruder.sees(target.getvalue().decode()):
                tables.add(table)
        return tables

    copied = await shown()
    await intruder.digs_holes()

    assert not copied
    assert await shown()


@pytest.mark.parametrize("where", ["'/tmp/hearth'", "program 'cat'"])
async def test_copy_reaches_neither_files_nor_programs(intruder: Intruder, where: str) -> None:
    responses = {
        await intruder.asks(f"copy app.tasks {direction} {where}") for direction in ("to", "from")
    }

    assert {response[:5] for response in responses} == {DENIED}


async def test_a_function_in_a_condition_meets_only_rows_that_one_may_see(
    intruder: Intruder,
) -> None:
    # It costs nothing, so the planner would call it before the policies if it could.
    await intruder.root.execute("""
        create function app.spy(anyelement) returns boolean language plpgsql cost 0.0000001 as $$
        begin
            if $1::text ~ current_setting('spy.wanted') then
                perform set_config('spy.found', 'yes', true);
            end if;
            return true;
        end $$;
        grant execute on function app.spy to app_api;
        set local enable_indexscan = off;
        set local enable_bitmapscan = off
    """)
    wanted = "select set_config('spy.wanted', $1, true)"
    await intruder.root.execute(wanted, "|".join(intruder.secrets))
    tables = await columns(intruder.root, "app_api")

    async def shown() -> set[str]:
        found = set()
        for table, names in tables.items():
            await intruder.root.execute("set local spy.found = ''")
            spied = " and ".join(f"app.spy({name})" for name in names)
            await intruder.asks(f"select from app.{table} where {spied}")
            if await intruder.root.fetchval("select current_setting('spy.found')"):
                found.add(table)
        return found

    met = await shown()
    await intruder.root.execute("set local role none; alter function app.spy leakproof")

    assert not met
    assert await shown()


async def test_row_security_cannot_be_switched_off(intruder: Intruder) -> None:
    await intruder.root.execute("set local row_security = off")

    responses = {
        table: (await intruder.asks(f"select from app.{table}"))[:5]
        for table in await columns(intruder.root, "app_api")
    }

    assert responses == dict.fromkeys(responses, DENIED)


async def views_that_lend_rights(root: asyncpg.Connection) -> set[str]:
    """Return views that read with the rights of their owner, and stored copies of rows."""
    await root.execute("set local role none")
    found = await root.fetch("""
        select oid::regclass::text
        from pg_class
        where relkind = 'm'
            or relkind = 'v'
                and relnamespace not in
                    ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
                and not coalesce(reloptions && array['security_invoker=true'], false)
    """)
    return {name for (name,) in found}


async def test_no_view_reads_with_the_rights_of_its_owner(intruder: Intruder) -> None:
    none = await views_that_lend_rights(intruder.root)
    await intruder.root.execute("""
        create view app.leak as select family_id from app.tasks;
        create view app.honest with (security_invoker = true) as select family_id from app.tasks;
        grant select on app.leak, app.honest to app_api
    """)

    assert not none, "create them `with (security_invoker = true)`"
    assert await views_that_lend_rights(intruder.root) == {"app.leak"}
    assert intruder.sees(await intruder.asks("table app.leak"))
    assert not intruder.sees(await intruder.asks("table app.honest"))


# Writing.

WRITES = {
    "update": "update app.{table} set {column} = {column} returning {columns}",
    "delete": "delete from app.{table} returning {columns}",
    "merge with update": "merge into app.{table} using (select) as one on true"
    " when matched then update set {column} = {column}",
    "merge with delete": "merge into app.{table} using (select) as one on true"
    " when matched then delete",
    "a modifying with": "with d as (delete from app.{table} returning {columns}) table d",
}


async def reached_by(intruder: Intruder, way: str) -> set[str]:
    """Return the tables of which a way of writing shows or changes the other family's rows."""
    may_update = await columns(intruder.root, "app_api", "update")
    before = await rows_about(intruder.root, intruder.other)
    tables = set()
    for table, names in (await columns(intruder.root, "app_api")).items():
        statement = WRITES[way].format(
            table=table, columns=", ".join(names), column=may_update.get(table, names)[0]
        )
        if intruder.sees(await intruder.asks(statement)):
            tables.add(table)
    after = await rows_about(intruder.root, intruder.other)
    return tables | {table for table, _ in before ^ after}


@pytest.mark.parametrize("way", WRITES)
async def test_no_way_of_writing_shows_or_changes_another_family(
    intruder: Intruder, way: str
) -> None:
    reached = await reached_by(intruder, way)
    await intruder.digs_holes()

    assert not reached
    assert await reached_by(intruder, way)


@pytest.mark.parametrize("role", RUNTIME)
async def test_nobody_may_truncate(root: asyncpg.Connection, role: str) -> None:
    tables = await columns(root)
    await act_as(root, role)

    responses = {table: await attempt(root, f"truncate app.{table} cascade") for table in tables}

    assert responses == dict.fromkeys(tables, DENIED)


async def grant_keys(root: asyncpg.Connection) -> Mapping[str, list[str]]:
    """Let app_api insert and update every column where it may insert some; return them."""
    may_insert = await columns(root, "app_api", "insert")
    tables = {table: names for table, names in (await columns(root)).items() if table in may_insert}
    for table, names in tables.items():
        listed = ", ".join(names)
        await root.execute(f"grant insert ({listed}), update ({listed}) on app.{table} to app_api")
    return tables


async def primary_keys(root: asyncpg.Connection) -> Mapping[str, list[str]]:
    """Return the columns of each table's primary key; the last one names a row in its family."""
    query = """
        select c.relname::text as table, array_agg(a.attname::text order by k.place) as columns
        from pg_class as c
        join pg_index as i on i.indrelid = c.oid and i.indisprimary
        cross join unnest(i.indkey::smallint[]) with ordinality as k (number, place)
        join pg_attribute as a on (a.attrelid, a.attnum) = (c.oid, k.number)
        where c.relnamespace = 'app'::regnamespace and not c.relispartition
        group by c.relname
    """
    return {row["table"]: row["columns"] for row in await root.fetch(query)}


def new_name(column: str) -> dict[str, str]:
    """Return a value for a column that names a row, which no row has."""
    if column in ("version", "position"):
        return {column: "77"}
    return {column: "2000-02-29" if column.endswith("_on") else str(uuid4())}


@pytest.mark.parametrize("action", ["nothing", "update set family_id = excluded.family_id"])
async def test_an_upsert_does_not_tell_a_row_of_another_family_from_none(
    intruder: Intruder, action: str
) -> None:
    keys = await primary_keys(intruder.root)
    for table, names in (await grant_keys(intruder.root)).items():
        taken = await row_of(intruder.root, table, intruder.other)
        free = taken | new_name(keys[table][-1])
        key = ", ".join(keys[table])

        responses = {
            await intruder.asks(f"{insertion(table, names, row)} on conflict ({key}) do {action}")
            for row in (taken, free)
        }

        assert len(responses) == 1, f"app.{table} tells one from the other: {responses}"
        assert responses.pop()[:5] == DENIED, f"app.{table} takes a row for another family"


async def test_an_id_that_another_family_has_is_free_in_ones_own(intruder: Intruder) -> None:
    keys = await primary_keys(intruder.root)
    for table, names in (await grant_keys(intruder.root)).items():
        id_ = new_name(keys[table][-1])
        theirs = await row_of(intruder.root, table, intruder.other) | id_
        mine = await row_of(intruder.root, table, intruder.home) | id_
        async with emptied(intruder.root, table):
            await put(intruder.root, table, theirs)

            # A routine is made with its first version, in one statement; by itself it misses that.
            response = await intruder.asks(insertion(table, names, mine))
            assert response[:5] == ("23503" if table == "routines" else "[]"), table


@pytest.mark.parametrize("role", ["admin", "member"])
async def test_a_key_that_somebody_else_has_in_private_is_like_one_that_nobody_has(
    intruder: Intruder, role: str
) -> None:
    root, home = intruder.root, intruder.home
    may_insert = await columns(root, "app_api", "insert")
    every = await columns(root)
    tried = set()
    for table, key in (await primary_keys(root)).items():
        seen_by = [column for column in every[table] if column.endswith("visibility")]
        if table not in may_insert or not seen_by or "id" in every[table]:
            continue  # an id is made up by nobody
        await root.execute("set local role none")
        row = await root.fetchval(
            f"select to_jsonb(t) from app.{table} as t"
            " where family_id = $1 and user_id = $2 and visibility = 'private'",
            *(home.family_id, home.users["owner"]),
        )
        if row is None:
            continue
        theirs = json.loads(row) | {"author_id": str(home.users[role])}
        await act_as(root, "app_api", **home.context(role))
        for claimed in ({"user_id": str(home.users[role])}, dict.fromkeys(seen_by, "family")):
            responses = {
                await said(root, insertion(table, may_insert[table], theirs | claimed | name))
                for name in ({}, new_name(key[-1]))
            }
            assert len(responses) == 1, f"app.{table} tells one from the other: {responses}"
        tried.add(table)

    assert tried >= {"habit_logs", "routine_versions", "routine_steps"}


# Keys.


async def test_a_parent_in_another_family_is_like_one_that_does_not_exist(
    intruder: Intruder,
) -> None:
    root = intruder.root
    # What names the parent is its id, or else the last column of the key that is an id.
    keys = await root.fetch("""
        select distinct on (child, parent, c.oid)
            c.conrelid::regclass::text as child, c.confrelid::regclass::text as parent,
            a.attname::text as child_column, p.attname::text as parent_column
        from pg_constraint as c
        cross join generate_subscripts(c.conkey, 1) as place
        join pg_attribute as a on (a.attrelid, a.attnum) = (c.conrelid, c.conkey[place])
        join pg_attribute as p on (p.attrelid, p.attnum) = (c.confrelid, c.confkey[place])
        where c.contype = 'f' and c.conparentid = 0 and c.connamespace = 'app'::regnamespace
            and 2 = (
                select count(*) from pg_attribute
                where attrelid in (c.conrelid, c.confrelid) and attname = 'family_id'
            )
        order by child, parent, c.oid, p.attname = 'id' desc,
            p.attname in ('version', 'visibility'), place desc
    """)
    may_insert, every = await columns(root, "app_api", "insert"), await columns(root)
    assert keys
    for key in keys:
        child, parent = (key[part].removeprefix("app.") for part in ("child", "parent"))
        foreign, missing = str(uuid4()), str(uuid4())
        theirs = await row_of(root, parent, intruder.other)
        new = {"name": foreign} if "name" in theirs else {}  # which may be another key
        await put(root, parent, theirs | new | {key["parent_column"]: foreign})
        mine = await row_of(root, child, intruder.home)
        if "id" in mine:
            mine["id"] = str(uuid4())

        told, shown = set(), set()
        for id_ in (foreign, missing):
            row = mine | {key["child_column"]: id_}
            async with emptied(root, child):
                told.add((await said(root, insertion(child, every[child], row))).replace(id_, "…"))
                if child in may_insert:
                    shown.add(await intruder.asks(insertion(child, may_insert[child], row)))

        assert len(told) == 1, f"{key['child']}: {told}"
        # The key says so, or a trigger that looks before it.
        is_refused = told.pop().startswith(("23503", "ZH005", DENIED))
        assert is_refused, f"{key['child']} may point into another family"
        assert len(shown) <= 1, f"{key['child']} tells app_api: {shown}"
        assert not intruder.sees(str(shown))


async def test_there_is_no_sequence_to_count_what_others_insert(root: asyncpg.Connection) -> None:
    sequences = await root.fetch(
        "select relname from pg_class where relkind = 'S' and relnamespace = 'app'::regnamespace"
    )

    assert not [name for (name,) in sequences]


# Errors, and what else tells that something is there.


async def test_an_error_shows_no_value_of_a_row(intruder: Intruder) -> None:
    root = intruder.root
    may_insert = await columns(root, "app_api", "insert")
    may_update = await columns(root, "app_api", "update")
    given = str(uuid4())
    statements = [
        f"update app.{table} set {column} = {value}"
        for table, names in may_update.items()
        for column in names
        for value in ("null", "''")
    ]
    for table, names in may_insert.items():
        mine = await row_of(root, table, intruder.home)
        statements += [
            insertion(table, names, mine | {column: value})
            for column in names
            for value in (None, "", given)
        ]

    shown = "\n".join([await intruder.asks(statement) for statement in statements])
    await root.execute("set local role none")
    to_all = "\n".join([await said(root, statement) for statement in statements])

    # What was asked may be repeated.
    shown, to_all = shown.replace(given, "…"), to_all.replace(given, "…")
    values = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-|Take out|Hide the|Failing row")
    assert {"23502", "23503", "23514", DENIED} <= {line[:5] for line in shown.splitlines()}
    assert not [line for line in shown.splitlines() if values.search(line)]
    assert values.search(to_all)


async def test_sign_up_tells_that_an_address_is_taken_and_nothing_else(
    intruder: Intruder,
) -> None:
    # The one thing that anybody may ask about others: without it, nobody could be told to sign in.
    # A retired account holds no address, and is like none.
    roles = {"taken": ("owner", "member"), "free": ("admin",)}
    await intruder.root.execute(
        "update app.users set deleted_at = now() where id = $1", intruder.other.users["admin"]
    )
    addresses = {
        what: [f"{intruder.other.users[role]}@EXAMPLE.com" for role in those]
        for what, those in roles.items()
    }
    addresses["free"].append("nobody@EXAMPLE.com")

    answers: dict[str, set[str]] = {}
    for what, those in addresses.items():
        answers[what] = set()
        for number, address in enumerate(those):
            await act_as(intruder.root, "app_api")
            answer = await said(
                intruder.root,
                f"select app.sign_up('{address}', '$argon2id$', 'A', 'B', 'UTC', null,"
                f" sha256('{what} {number}'), now(), null)",
            )
            answers[what].add(re.sub(r"[0-9a-f-]{36}", "…", answer))

    assert [len(same) for same in answers.values()] == [1, 1], f"it tells which: {answers}"
    assert "owner" in answers["free"].pop()
    response = answers["taken"].pop()
    assert response.startswith("23505 ")
    assert "@" not in response
    assert not intruder.sees(response)


async def test_a_function_answers_for_others_as_for_nobody(intruder: Intruder) -> None:
    root, other = intruder.root, intruder.other
    functions = await root.fetch("""
        select oid::regproc::text as name,
            array(select format_type(type, null) from unnest(proargtypes) as type) as types
        from pg_proc
        where pronamespace = 'app'::regnamespace
            and has_function_privilege('app_api', oid, 'execute')
    """)

    async def responses(name: str, types: Iterable[str], uuid: object, address: str) -> str:
        values = {
            "uuid": uuid,
            "text": address,
            "bytea": r"\x00",
            "timestamp with time zone": "now",
        }
        arguments = ", ".join(
            f"'{values[type_]}'::{type_}" if type_ in values else f"null::{type_}"
            for type_ in types
        )
        savepoint = root.transaction()
        await savepoint.start()
        response = await intruder.asks(f"select {name}({arguments})::text")
        assert await rows_about(root, other) == theirs, f"{name} touches another family"
        await savepoint.rollback()
        return response.replace(address, "…").replace(str(uuid), "…")

    theirs = await rows_about(root, other)
    telling = set()
    for name, types in functions:
        for there in (other.family_id, other.users["owner"], other.sessions["owner"]):
            known = await responses(name, types, there, f"{other.users['owner']}@example.com")
            if known != await responses(name, types, uuid4(), "nobody@example.com"):
                telling.add(name)
    assert len(functions) > 20
    assert telling - {"app.new_id", "app.new_token"} == {
        "app.find_credentials",  # for sign-in, which cannot have a context yet
        "app.begin_request",  # takes a context, as the login's own `set local` does, and asserts it
    }


async def test_statistics_tell_how_much_there_is_and_never_what(intruder: Intruder) -> None:
    await intruder.root.execute("analyze app.tasks, app.users")
    visible = await intruder.asks("select attname from pg_stats where schemaname = 'app'")
    stored = [
        await intruder.asks(f"select from {catalog}")
        for catalog in ("pg_statistic", "pg_statistic_ext_data", "pg_authid", "pg_largeobject")
    ]
    amounts = await intruder.asks(
        "select reltuples > 0, pg_relation_size(oid) > 0 from pg_class where relname = 'tasks'"
    )

    assert visible == "[]"
    assert {response[:5] for response in stored} == {DENIED}
    # Of the whole table; a login could not do without pg_class.
    assert amounts == "[(True, True)]"


async def test_a_plan_tells_how_many_rows_it_passed_by_and_never_what(intruder: Intruder) -> None:
    await intruder.root.execute(
        "set local enable_indexscan = off; set local enable_bitmapscan = off"
    )

    plans = {
        table: await intruder.asks(
            "explain (analyze, verbose, settings, costs off, timing off)"
            f" select {', '.join(names)} from app.{table}"
        )
        for table, names in (await columns(intruder.root, "app_api")).items()
    }

    assert not {table for table, plan in plans.items() if intruder.sees(plan)}
    # The number is of all families together, and the service has no door to explain.
    assert "Rows Removed by Filter: " in plans["tasks"]


async def test_a_login_reads_what_its_own_sessions_run_and_nobody_elses(hearth: Hearth) -> None:
    busy, same, another = [
        await asyncpg.connect(hearth.url(login)) for login in ("app_api", "app_api", "app_reader")
    ]
    try:
        await busy.execute("select 'of a family'")
        pid = busy.get_server_pid()

        query = "select query from pg_stat_activity where pid = $1"
        responses = [await connection.fetchval(query, pid) for connection in (same, another)]
    finally:
        for connection in (busy, same, another):
            await connection.close()

    assert responses == ["select 'of a family'", "<insufficient privilege>"]


def test_nothing_is_said_to_every_session_of_the_database() -> None:
    # Channels and advisory locks know no families. These functions take locks on hashes of what is
    # theirs, until the transaction ends: a family that met another's would wait, and see nothing.
    # The purge takes one for all families, and so does who makes the months of the trail: there is
    # one at a time.
    may = {
        "hit_rate_limit.sql",
        "delete_expired_idempotency_keys.sql",
        "idempotent_response.sql",
        "ensure_audit_partitions.sql",
        "record_score.sql",
        "purge.sql",
    }
    speaking = re.compile(r"\b(notify|pg_notify|listen|pg_(try_)?advisory\w*)\b", re.I)
    files = [
        path
        for part in ("migrations", "functions", "policies", "queries")
        for path in (sql_directory() / part).rglob("*.sql")
    ]

    assert files
    assert {path.name for path in files if speaking.search(path.read_text("utf-8"))} == may


# What outlives a context.


@pytest.mark.parametrize("login", LOGINS)
async def test_a_prepared_statement_shows_the_rows_of_the_context_it_runs_in(
    intruder: Intruder, login: str
) -> None:
    root = intruder.root
    tables = await columns(root, login)
    await root.execute("set local plan_cache_mode = force_generic_plan")
    await act_as(root, login, **intruder.other.context("owner"))
    statements = {
        table: await root.prepare(f"select {', '.join(names)} from app.{table}")
        for table, names in tables.items()
    }

    async def shown_to(household: Household) -> set[str]:
        await act_as(root, login, **household.context("owner"))
        rows = {table: str(await prepared.fetch()) for table, prepared in statements.items()}
        return {table for table, text in rows.items() if intruder.sees(text)}

    assert await shown_to(intruder.other) == set(tables)
    assert not await shown_to(intruder.home)


async def test_a_cursor_that_is_left_open_shows_the_next_context_nothing_of_the_last(
    intruder: Intruder,
) -> None:
    root = intruder.root
    tables = await columns(root, "app_api")
    await act_as(root, "app_api", **intruder.other.context("owner"))
    for table, names in tables.items():
        await root.execute(
            f"declare left_{table} cursor for select {', '.join(names)} from app.{table}"
        )

    shown = {table: await intruder.asks(f"fetch all from left_{table}") for table in tables}

    assert str(intruder.home.family_id) in shown["tasks"]
    assert not {table for table, rows in shown.items() if intruder.sees(rows)}


async def test_a_held_cursor_has_the_rows_of_its_own_context_and_ends_with_the_session(
    own_hearth: Hearth,
) -> None:
    # Rows once read are read. Nobody but the session itself finds them, so a pooler must not give
    # sessions with something left to others: the service leaves nothing.
    root = await asyncpg.connect(own_hearth.superuser_url)
    home, other = await make_household(root), await make_household(root)
    first, second = [await asyncpg.connect(own_hearth.url("app_api")) for _ in range(2)]
    try:
        async with first.transaction():
            await act_as(first, "app_api", **home.context("owner"))
            await first.execute("declare held cursor with hold for select family_id from app.tasks")
        async with first.transaction():
            await act_as(first, "app_api", **other.context("owner"))
            kept = {row[0] for row in await first.fetch("fetch all from held")}
            ours = {row[0] for row in await first.fetch("select family_id from app.tasks")}
        elsewhere = await said(second, "fetch all from held")
    finally:
        for connection in (root, first, second):
            await connection.close()

    assert (kept, ours) == ({home.family_id}, {other.family_id})
    assert elsewhere.startswith("34000 ")  # no such cursor


async def test_the_names_of_temporary_objects_shadow_nothing(intruder: Intruder) -> None:
    root, home, other = intruder.root, intruder.home, intruder.other
    refused = await intruder.asks("create temporary table users ()")
    await root.execute("set local role none")
    database = await root.fetchval("select current_database()")
    await root.execute(f'grant temporary on database "{database}" to app_api')
    # An admin at home claims to own the other family, before tables and functions that agree.
    claim = other.context("owner") | {"user_id": home.users["admin"], "session_id": uuid4()}
    await act_as(root, "app_api", **claim)
    await root.execute(f"""
        create temporary table users as select '{claim["user_id"]}'::uuid as id, true as is_active;
        create temporary table families as
        select '{other.family_id}'::uuid as id, true as is_active;
        create temporary table sessions as
        select '{claim["session_id"]}'::uuid as id, '{claim["user_id"]}'::uuid as user_id,
            null::timestamptz as revoked_at, 'infinity'::timestamptz as expires_at;
        create temporary table family_memberships as
        select '{other.family_id}'::uuid as family_id, '{claim["user_id"]}'::uuid as user_id,
            'owner'::app.member_role as role, true as is_active;
        create function pg_temp.current_family_id() returns uuid language sql
        as $$ select '{other.family_id}'::uuid $$;
        set local search_path = pg_temp, app, pg_catalog
    """)

    asserted = await said(root, "select app.assert_membership()")
    await intruder.asks("set local search_path = pg_temp, app, pg_catalog")
    shown = await shown_by(intruder, "select")
    ours = await intruder.asks("select family_id from app.tasks")

    assert refused.startswith(DENIED)
    assert asserted.startswith("ZH001 ")
    assert str(home.family_id) in ours
    assert not shown


# Becoming somebody else, or something more.


@pytest.mark.parametrize("login", LOGINS)
async def test_a_login_cannot_become_anybody_else(hearth: Hearth, login: str) -> None:
    connection = await asyncpg.connect(hearth.url(login))
    try:
        roles = await connection.fetch("select rolname from pg_roles where rolname <> $1", login)

        responses = {
            await attempt(connection, f'{command} "{role}"')
            for command in ("set role", "set session authorization")
            for (role,) in roles
        }
        await connection.execute("reset role; reset session authorization; set role none")
        still = await connection.fetchrow("select current_user, session_user")
    finally:
        await connection.close()

    assert responses == {DENIED}
    assert still is not None
    assert set(still) == {login}


@pytest.mark.parametrize("login", LOGINS)
async def test_a_login_cannot_keep_a_context_for_its_next_sessions(
    hearth: Hearth, login: str
) -> None:
    connection = await asyncpg.connect(hearth.url(login))
    try:
        responses = {
            await attempt(
                connection, f"set transaction read write; alter {thing} set app.{name} = 'x'"
            )
            for thing in (f"role {login}", f'database "{hearth.name}"')
            for name in CONTEXT
        }
    finally:
        await connection.close()

    assert responses == {DENIED}


@pytest.mark.parametrize(
    "statement",
    [
        "create table app.mine ()",
        "create table public.mine ()",
        "create temporary table mine ()",
        "create schema mine",
        "create function app.mine() returns integer language sql return 1",
        "create function pg_temp.mine() returns integer language sql return 1",
        "create view app.mine as select",
        "create rule mine as on insert to app.tasks do also select",
        "create trigger mine after insert on app.tasks execute function app.tg_record_audit()",
        "create policy mine on app.tasks using (true)",
        "alter table app.tasks disable row level security",
        "alter table app.tasks no force row level security",
        "alter role app_api bypassrls",
        "select lo_create(0)",
        "select lo_creat(-1)",
        "select lo_from_bytea(0, 'for the neighbours')",
        "grant app_ops to app_api",
        "set session_replication_role = replica",
        "select pg_read_file('/etc/passwd')",
        "select pg_create_logical_replication_slot('mine', 'test_decoding')",
    ],
)
async def test_the_service_login_makes_and_changes_no_objects(
    hearth: Hearth, statement: str
) -> None:
    connection = await asyncpg.connect(hearth.url("app_api"))
    try:
        assert await attempt(connection, statement) == DENIED
    finally:
        await connection.close()


async def test_functions_that_are_not_granted_are_refused(root: asyncpg.Connection) -> None:
    calls = await root.fetch("""
        select format('select %s(%s)', oid::regproc, array_to_string(
            array_fill('null'::text, array[pronargs::integer]), ', '))
        from pg_proc
        where pronamespace = 'app'::regnamespace
            and not has_function_privilege('app_api', oid, 'execute')
    """)
    await act_as(root, "app_api")

    responses = {call: await attempt(root, call) for (call,) in calls}

    assert responses == dict.fromkeys(responses, DENIED)
