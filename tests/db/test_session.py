"""Whatever the server, a role or the environment is set to, Hearth works and writes the same."""

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import psycopg
import pytest

from app import migrations
from app.db.context import Context, MemberRole
from app.db.session import PINNED, pins
from app.db.transaction import Beginning, Limits
from app.resources.habits import HabitCreate
from app.settings import sql_directory
from tests.conftest import Cluster
from tests.support.fixtures import Hearth, NewPerson, Person, Serve

OTHERS = {
    "datestyle": ("German", "SQL, DMY", "Postgres, YMD"),
    "intervalstyle": ("sql_standard", "postgres_verbose", "iso_8601"),
    "timezone": ("Asia/Kolkata", "America/New_York"),
    "standard_conforming_strings": ("off",),
    "transform_null_equals": ("on",),
    "array_nulls": ("off",),
    "bytea_output": ("escape",),
    "extra_float_digits": ("-15",),
    "quote_all_identifiers": ("on",),
    "search_path": ("''", "public, app, yoyo"),
    "row_security": ("off",),
    "default_transaction_isolation": ("serializable",),
    # Not pinned by name, but sent by both drivers with every connection.
    "client_encoding": ("LATIN1",),
}

# Every value, in as many cases as a setting has at most.
CASES = [{name: values[n % len(values)] for name, values in OTHERS.items()} for n in range(3)]

# What libpq sends of the environment.
ENVIRONMENT = {
    "PGDATESTYLE": "German",
    "PGTZ": "Asia/Kolkata",
    "PGCLIENTENCODING": "LATIN1",
    "PGOPTIONS": "-c intervalstyle=sql_standard -c quote_all_identifiers=on -c search_path=",
    "PGAPPNAME": "yoyo",
}


def _set(hearth: Hearth, settings: dict[str, str]) -> None:
    with psycopg.connect(hearth.superuser_url, autocommit=True) as root:
        for name, value in settings.items():
            for login in ("hearth_deployer", "app_api"):
                where = f'alter role {login} in database "{hearth.name}"'
                root.execute(f"{where} {_setting(name, value)}")


def _setting(name: str, value: str) -> str:
    quoted = value if name in ("search_path", "datestyle") else f"'{value}'"
    return f"set {name} = {quoted};"


def test_every_pin_has_other_values_here() -> None:
    assert {*PINNED, "client_encoding"} == {*OTHERS}


def test_the_pins_are_what_the_server_then_says(hearth: Hearth) -> None:
    with psycopg.connect(hearth.url("app_api")) as connection:
        connection.execute(pins("set local"))
        rows = connection.execute("select lower(name), setting from pg_settings").fetchall()
        now: dict[str, str] = dict(rows)

    assert {name: now[name] for name in PINNED} == dict(PINNED)


# What a session is set to, without what comes with plpgsql, and the context as it is read.
_STATE = """
    select lower(name) as name, setting from pg_catalog.pg_settings where name not like 'plpgsql.%'
    union all
    select 'context', pg_catalog.concat_ws(
        ' ', app.current_user_id(), app.current_session_id(), app.current_family_id(),
        app.current_member_role(), app.current_request_id()
    )
"""

_CALL = "select app.begin_request($1, $2, $3, $4, $5, $6, $7, $8, $9)"


@pytest.mark.parametrize("settings", CASES, ids=["first", "second", "third"])
@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("limit", [None, 4321])
async def test_a_request_begins_by_one_call_as_by_the_first_message(
    hearth: Hearth, ann: Person, settings: dict[str, str], read_only: bool, limit: int | None
) -> None:
    context, request_id = await _context(hearth, ann), uuid4()
    limits = Limits(statement=limit, lock=limit, idle=limit)
    message = Beginning(context, read_only, None, limits, request_id).message
    values = [context.user_id, context.session_id, context.family_id, context.role, request_id]
    given = {name: value for name, value in settings.items() if name != "client_encoding"}

    async with _login(hearth) as connection:
        await connection.execute("".join(_setting(name, value) for name, value in given.items()))
        before = await _state(connection)
        await connection.execute(message)
        by_message = await _state(connection)
        await connection.execute("commit; begin isolation level read committed")
        rows = await connection.fetch(_CALL, *values, read_only, limit, limit, limit)
        by_call = await _state(connection)
        await connection.execute("commit")
        after = await _state(connection)
        await connection.execute("begin isolation level read committed")
        with pytest.raises(asyncpg.PostgresError, match="the account is not active"):
            await connection.fetch(_CALL, uuid4(), *values[1:], read_only, limit, limit, limit)
        await connection.execute("rollback")
        after_refusal = await _state(connection)

    assert rows == []
    assert by_call == by_message != before
    assert after == after_refusal == before


async def test_a_request_does_not_begin_in_another_isolation(hearth: Hearth, ann: Person) -> None:
    context = await _context(hearth, ann)
    values = [context.user_id, context.session_id, context.family_id, context.role, None, True]
    async with _login(hearth) as connection:
        for isolation in ("read uncommitted", "repeatable read", "serializable"):
            await connection.execute(f"begin isolation level {isolation}")
            with pytest.raises(asyncpg.InvalidTransactionStateError, match="not read committed"):
                await connection.fetch(_CALL, *values, None, None, None)
            await connection.execute("rollback")


@asynccontextmanager
async def _login(hearth: Hearth) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(hearth.url("app_api"))
    try:
        yield connection
    finally:
        await connection.close()


async def _state(connection: asyncpg.Connection) -> Mapping[str, str]:
    return {row["name"]: row["setting"] for row in await connection.fetch(_STATE)}


async def _context(hearth: Hearth, person: Person) -> Context:
    root = await asyncpg.connect(hearth.superuser_url)
    session_id = await root.fetchval(
        "select id from app.sessions where user_id = $1", person.user_id
    )
    await root.close()
    return Context(person.user_id, session_id, person.family_id, MemberRole(person.role))


@pytest.mark.parametrize("settings", CASES, ids=["first", "second", "third"])
async def test_a_setting_changes_nothing_of_what_is_told(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson, settings: dict[str, str]
) -> None:
    url = own_hearth.url("hearth_deployer")
    told = []
    for changed in ({}, settings):
        _set(own_hearth, changed)
        report = migrations.status(url, sql_directory(), lines=1)
        with serve(own_hearth.settings()) as service:
            name = "ann" if changed else "bob"
            ann = await new_person(at=service, email=f"{name}@example.com")
            said = [text async for text in _everything(ann)]
        did = migrations.migrate(url, sql_directory())
        told.append(([_alike(text) for text in said], did))
        # The role's own settings are told of: they are no file's.
        differs = [item.reason.partition(": ")[0] for item in report.items]
        assert differs == (["role app_api was changed by hand"] if changed else [])

    assert told[1] == told[0]


async def _everything(person: Person) -> AsyncIterator[str]:
    """Write a habit with a log and read what there is of it, in numbers, days and times."""
    habit = {**HabitCreate.example, "name": "Läuft \\ 'schön'"}
    made = await person.client.post("/v1/habits", json=habit)
    assert made.status_code == 201, made.text
    where = f"/v1/habits/{made.json()['id']}"
    log = {"value": 12.345678}
    put = await person.client.put(f"{where}/logs/{datetime.now(UTC).date()}", json=log)
    assert put.status_code in (200, 201), put.text
    for path in (where, f"{where}/logs", f"{where}/stats", "/v1/today", "/v1/scores", "/v1/audit"):
        answer = await person.client.get(path)
        assert answer.status_code == 200, answer.text
        yield answer.text


def _alike(text: str) -> str:
    """Leave out what differs between two people and two moments; the forms of both stay."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "id", text)
    text = re.sub(r"T\d\d:\d\d:\d\d(\.\d+)?", "Tat", text)
    return re.sub(r"Person \d+|(ann|bob)@example\.com", "person", text)


@pytest.mark.parametrize("settings", CASES, ids=["first", "second", "third"])
def test_a_database_that_is_set_so_is_made_the_same(
    own_hearth: Hearth, settings: dict[str, str]
) -> None:
    url = own_hearth.url("hearth_deployer")
    described = "select object, definition from yoyo.structure order by migration, object"
    bounds = (
        "select c.relname, pg_get_expr(c.relpartbound, c.oid) from pg_class as c"
        " where c.relispartition and c.relkind = 'r' order by 1"
    )
    seen = []
    for made in (False, True):
        if made:
            migrations.migrate(url, sql_directory(), rollback=99)
            _set(own_hearth, settings)
            migrations.migrate(url, sql_directory())
        done = _hearth(own_hearth, "migrate")
        assert (done.returncode, done.stderr.count("Error")) == (0, 0), done.stderr
        with psycopg.connect(own_hearth.superuser_url) as root:
            root.execute(pins("set local"))
            seen.append((root.execute(described).fetchall(), root.execute(bounds).fetchall()))

    ours = [[row for row in rows if not row[0].startswith("role ")] for rows, _ in seen]
    assert ours[0] == ours[1]
    assert seen[0][1] == seen[1][1]
    assert all(" 00:00:00+00" in bound for _, bound in seen[1][1] if bound != "DEFAULT")


def _hearth(
    hearth: Hearth, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    url = {"DIRECT_URL": hearth.url("hearth_deployer"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env={**os.environ, **url, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("variable", ENVIRONMENT)
def test_the_environment_of_libpq_changes_nothing(own_hearth: Hearth, variable: str) -> None:
    given = {variable: ENVIRONMENT[variable]}
    status = _hearth(own_hearth, "status", "--json", **given)
    plan = _hearth(own_hearth, "migrate", "--plan", **given)

    assert (status.returncode, status.stderr) == (0, "")
    assert json.loads(status.stdout)["is_consistent"] is True
    assert (plan.returncode, plan.stdout, plan.stderr) == (0, "nothing to do\n", "")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_in_another_encoding_is_refused_in_a_line(
    cluster: Cluster, encoding: str
) -> None:
    hearth = Hearth(cluster, f"encoded_{uuid4().hex[:8]}")
    made = f"encoding '{encoding}' locale 'C' template template0"
    with psycopg.connect(hearth.cluster.url(cluster.user, "postgres"), autocommit=True) as root:
        root.execute(f"create database {hearth.name} {made}")
        try:
            for command in (["status"], ["migrate"], ["migrate", "--plan"]):
                done = _hearth(hearth, *command)

                assert done.returncode == 1
                assert done.stderr.startswith(f"hearth: the database's encoding is {encoding};")
                assert done.stderr.count("\n") == 1
        finally:
            root.execute(f"drop database {hearth.name}")
