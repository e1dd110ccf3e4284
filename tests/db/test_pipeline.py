"""The beginning and the first query go in one message: and nothing runs without its context."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.db.context import Context, MemberRole
from app.db.figures import observer
from app.db.pool import Database, Transaction
from app.db.queries import Query, load_queries
from tests.support.fixtures import Hearth, Person, wait_until_blocked

pytestmark = pytest.mark.straight("a pipeline is not used through a pooler")

EXTRA = {
    "who": (
        "select coalesce(current_setting('app.user_id', true), '') || '/'"
        " || coalesce(current_setting('app.family_id', true), '')",
        (),
    ),
    "number": ("select $1::integer", ("number",)),
    "lock": ("select pg_backend_pid(), pg_advisory_xact_lock($1)::text", ("key",)),
    "star": ("select t.* from app.tasks as t where t.family_id = $1", ("family_id",)),
}
LOCK = 4712


@pytest.fixture(autouse=True)
def _extra(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {
        name: Query(name, text, names, Path("extra.sql")) for name, (text, names) in EXTRA.items()
    }
    monkeypatch.setattr("app.db.transaction.load_queries", lambda: {**load_queries(), **extra})


@pytest.fixture
async def database(hearth: Hearth) -> AsyncIterator[Database]:
    """Yield a pool of one connection, which has just been heard of for as long as a test lasts."""
    database = Database(hearth.settings(pool_min_size=1, pool_max_size=1))
    await database.connect()
    yield database
    await database.disconnect()


@pytest.fixture(autouse=True)
def _always_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.db.pool.HEARD_WITHIN", 3600.0)


def _context(person: Person) -> Context:
    return Context(person.user_id, None, person.family_id, MemberRole(person.role))


async def _read(database: Database, context: Context | None, name: str, **values: object) -> Any:
    async def work(transaction: Transaction) -> Any:
        return await transaction.value(name, values)

    return await database.run(context, work, read_only=True, is_single=True)


async def _execute(hearth: Hearth, statement: str) -> None:
    connection = await asyncpg.connect(hearth.superuser_url)
    await connection.execute(statement)
    await connection.close()


async def test_a_read_is_one_round_trip_and_a_write_two(database: Database, ann: Person) -> None:
    steps: list[str] = []

    class Observer:
        def took(self, step: str, name: str, *_: object) -> None:
            steps.append(name)

        def ended(self, _: object) -> None:
            steps.append("end")

    observer.set(Observer())

    async def write(transaction: Transaction) -> None:
        values = {"user_id": ann.user_id, "family_id": ann.family_id, "title": "Letters"}
        await transaction.row("create_conversation", values)

    await _read(database, _context(ann), "who")
    await database.run(_context(ann), write)

    assert steps == [
        *("acquire", "who", "end"),
        *("acquire", "create_conversation", "commit", "end"),
    ]


async def test_it_reads_in_a_transaction_that_ends_with_it(database: Database, ann: Person) -> None:
    inside = await _read(database, _context(ann), "who")
    afterwards = await database.run(None, _value("who"))

    assert inside == f"{ann.user_id}/{ann.family_id}"
    assert afterwards == "/"


def _value(name: str, **values: object) -> Any:
    async def work(transaction: Transaction) -> Any:
        return await transaction.value(name, values)

    return work


async def test_a_context_that_is_refused_runs_nothing(
    database: Database, ann: Person, hearth: Hearth
) -> None:
    forged = Context(uuid4(), None, ann.family_id, MemberRole.OWNER)

    async def write(transaction: Transaction) -> None:
        values = {"user_id": ann.user_id, "family_id": ann.family_id, "title": "Forged"}
        await transaction.row("create_conversation", values)

    for _ in range(2):  # where all is prepared, too
        with pytest.raises(asyncpg.PostgresError) as read:
            await _read(database, forged, "who")
        with pytest.raises(asyncpg.PostgresError) as written:
            await database.run(forged, write)
        assert (read.value.sqlstate, written.value.sqlstate) == ("ZH001", "ZH001")

    assert await database.run(None, _value("who")) == "/"
    assert (await ann.client.get("/v1/conversations")).json()["items"] == []


async def test_a_value_that_cannot_be_sent_leaves_no_context_to_the_next(
    database: Database, ann: Person
) -> None:
    assert await _read(database, _context(ann), "number", number=1) == 1

    with pytest.raises(asyncpg.DataError):
        await _read(database, _context(ann), "number", number=2**40)

    assert await database.run(None, _value("who")) == "/"


async def test_a_query_that_went_without_its_beginning_is_no_success(
    database: Database, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would with an asyncpg that writes in another way: it reads nothing, and is no error."""
    monkeypatch.setattr(
        "app.db.pipeline._Joining.write", lambda self, data: self._transport.write(data)
    )

    with pytest.raises(AssertionError):
        await _read(database, _context(ann), "who")


async def test_a_second_query_is_not_run_without_a_context(database: Database, ann: Person) -> None:
    async def twice(transaction: Transaction) -> None:
        await transaction.value("who", {})
        await transaction.value("who", {})

    with pytest.raises(AssertionError):
        await database.run(_context(ann), twice, read_only=True, is_single=True)


async def test_what_a_migration_makes_anew_is_read_in_its_context(
    database: Database, ann: Person, hearth: Hearth
) -> None:
    """Prepared again, a query would run without what went before it, and find nothing."""
    await ann.client.post("/v1/tasks", json={"title": "Water the plants"})

    async def rows(transaction: Transaction) -> Any:
        return await transaction.rows("star", {"family_id": ann.family_id})

    async def found() -> Any:
        return await database.run(_context(ann), rows, read_only=True, is_single=True)

    before = await found()
    await _execute(hearth, "alter table app.tasks add column mood text default 'fine'")
    try:
        during = await found()
    finally:
        await _execute(hearth, "alter table app.tasks drop column mood")
    afterwards = await found()

    assert [len(before), len(during), len(afterwards)] == [1, 1, 1]
    assert ("mood" in before[0], "mood" in during[0], "mood" in afterwards[0]) == (
        False,
        True,
        False,
    )


@pytest.mark.parametrize("is_single", [True, False])
async def test_who_gives_up_takes_the_query_along(
    database: Database, ann: Person, hearth: Hearth, *, is_single: bool
) -> None:
    watcher = await asyncpg.connect(hearth.superuser_url)
    await watcher.execute(f"select pg_advisory_lock({LOCK})")
    pid = await database.run(None, _pid)
    asking = asyncio.create_task(
        database.run(
            _context(ann), _value("lock", key=LOCK), read_only=is_single, is_single=is_single
        )
    )
    await wait_until_blocked(watcher, pid)

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    blocked = await watcher.fetchval("select cardinality(pg_blocking_pids($1))", pid)
    await watcher.close()
    assert not blocked
    assert await database.run(None, _value("who")) == "/"


async def _pid(transaction: Transaction) -> Any:
    return await transaction._connection.fetchval("select pg_backend_pid()")


async def test_a_write_that_fails_later_leaves_nothing(database: Database, ann: Person) -> None:
    async def work(transaction: Transaction) -> None:
        values = {"user_id": ann.user_id, "family_id": ann.family_id, "title": "Half-done"}
        await transaction.row("create_conversation", values)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.run(_context(ann), work)

    assert (await ann.client.get("/v1/conversations")).json()["items"] == []
    assert await database.run(None, _value("who")) == "/"


async def test_a_server_that_was_not_heard_of_is_asked_first(
    database: Database, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No query can say within a moment that nobody is there; the first message can."""
    monkeypatch.setattr("app.db.pool.HEARD_WITHIN", -1.0)
    steps: list[str] = []

    async def work(transaction: Transaction) -> Any:
        steps.append("begun" if transaction.is_heard else "pending")
        return await transaction.value("who", {})

    await database.run(_context(ann), work)
    monkeypatch.setattr("app.db.pool.HEARD_WITHIN", 3600.0)
    await database.run(_context(ann), work)

    assert steps == ["begun", "pending"]


async def test_it_is_the_same_whatever_the_database_does_by_default(
    hearth: Hearth, ann: Person
) -> None:
    default = f"alter database {hearth.name} {{}} default_transaction_isolation"
    await _execute(hearth, default.format("set") + " = serializable")
    try:
        database = Database(hearth.settings(pool_min_size=1, pool_max_size=1))
        await database.connect()
        seen = await _read(database, _context(ann), "who")
        await database.disconnect()
    finally:
        await _execute(hearth, default.format("reset"))

    assert seen == f"{ann.user_id}/{ann.family_id}"
