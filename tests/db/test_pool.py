"""The pool and the one door to a transaction: nothing leaks, nothing half-done is a success."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.db.context import Context, MemberRole
from app.db.errors import ConnectionLostError
from app.db.pool import Database, DatabaseError, PoolTimeoutError, State, Transaction
from app.db.queries import Query, load_queries
from app.db.session import PINNED
from tests.conftest import POOLER
from tests.support.fixtures import Hearth, NewPerson, Person, wait_until_blocked

# Queries of the tests' own, beside those of sql/queries.
EXTRA = {
    "who": (
        "select coalesce(current_setting('app.user_id', true), '') || '/'"
        " || coalesce(current_setting('app.family_id', true), '')",
        (),
    ),
    "settings": (
        "select string_agg(name || '=' || setting, ',' order by name) from pg_settings"
        " where source = 'session' and lower(name) <> all ("
        f"'{{application_name, client_encoding, transaction_isolation, {', '.join(PINNED)}}}')",
        (),
    ),
    "pid": ("select pg_backend_pid()", ()),
    "fail": ("select 1 / $1::integer", ("divisor",)),
    "wait": ("select pg_sleep($1::float8)::text", ("seconds",)),
    "limits": (
        "select current_setting('statement_timeout') || ' ' || current_setting('lock_timeout')"
        " || ' ' || current_setting('idle_in_transaction_session_timeout')",
        (),
    ),
    "star": ("select u.id::text, u.* from app.users as u where u.id = $1", ("user_id",)),
    "lock": ("select pg_advisory_xact_lock($1)::text", ("key",)),
}


@pytest.fixture(autouse=True)
def _extra(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {
        name: Query(name, text, names, Path("extra.sql")) for name, (text, names) in EXTRA.items()
    }
    monkeypatch.setattr("app.db.transaction.load_queries", lambda: {**load_queries(), **extra})


@pytest.fixture
async def database(hearth: Hearth) -> AsyncIterator[Database]:
    database = Database(hearth.settings(pool_min_size=1, pool_max_size=4))
    await database.connect()
    yield database
    await database.disconnect()


async def _ask(
    database: Database,
    context: Context | None,
    name: str,
    *,
    is_single: bool = False,
    **values: object,
) -> Any:
    async def work(transaction: Transaction) -> Any:
        return await transaction.value(name, values)

    return await database.run(context, work, read_only=is_single, is_single=is_single)


def _context(person: Person) -> Context:
    return Context(person.user_id, None, person.family_id, MemberRole(person.role))


async def test_a_context_lives_for_one_transaction(database: Database, ann: Person) -> None:
    inside = await _ask(database, _context(ann), "who")
    afterwards = await _ask(database, None, "who")

    assert inside.replace("-", "") == f"{ann.user_id.hex}/{ann.family_id.hex}"
    assert afterwards == "/"


async def test_ten_thousand_mixed_transactions_leak_neither_connection_nor_setting(
    database: Database, new_person: NewPerson
) -> None:
    people = [await new_person() for _ in range(4)]
    dice = random.Random(20261121)  # noqa: S311 - to be repeated, not to be secret

    async def one() -> None:
        context = _context(dice.choice(people))
        kind, is_single = dice.random(), dice.random() < 0.5
        if kind < 0.02:
            with pytest.raises(asyncpg.DivisionByZeroError):
                await _ask(database, context, "fail", is_single=is_single, divisor=0)
        elif kind < 0.04:
            wrong = Context(uuid4(), None, context.family_id, context.role)
            with pytest.raises(asyncpg.PostgresError):
                await _ask(database, wrong, "who", is_single=is_single)
        elif kind < 0.08:
            waiting = _ask(database, context, "wait", is_single=is_single, seconds=10)
            task = asyncio.create_task(waiting)
            for _ in range(dice.randrange(40)):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            seen = await _ask(database, context, "who", is_single=is_single)
            assert seen.replace("-", "") == f"{context.user_id.hex}/{context.family_id.hex}"  # type: ignore[union-attr]

    async def client() -> None:
        for _ in range(625):
            await one()

    await asyncio.gather(*(client() for _ in range(16)))

    assert database.pool_use == (0, 4)
    for _ in range(8):
        assert await _ask(database, None, "who") == "/"
        left = await _ask(database, None, "settings")
        # asyncpg turns it off to look up a type and on again, and a pooler's connections differ.
        assert left is None or (POOLER and left in {"jit=off", "jit=on"})


async def test_an_error_undoes_the_whole_transaction(database: Database, ann: Person) -> None:
    async def work(transaction: Transaction) -> None:
        values = {"user_id": ann.user_id, "family_id": ann.family_id, "title": "Half-done"}
        await transaction.value("create_conversation", values)
        await transaction.value("fail", {"divisor": 0})

    with pytest.raises(asyncpg.DivisionByZeroError):
        await database.run(_context(ann), work)

    assert (await ann.client.get("/v1/conversations")).json()["items"] == []


async def test_a_swallowed_error_does_not_pass_for_a_commit(
    database: Database, ann: Person
) -> None:
    async def work(transaction: Transaction) -> None:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await transaction.value("fail", {"divisor": 0})

    with pytest.raises(DatabaseError, match="could not be committed"):
        await database.run(_context(ann), work)


async def test_read_only_means_that_the_server_refuses_writes(
    database: Database, ann: Person
) -> None:
    async def work(transaction: Transaction) -> None:
        values = {"user_id": ann.user_id, "family_id": ann.family_id, "title": "No"}
        await transaction.value("create_conversation", values)

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await database.run(_context(ann), work, read_only=True)


async def test_a_cancelled_request_cancels_its_query_and_gives_the_connection_back(
    database: Database, hearth: Hearth
) -> None:
    watcher = await asyncpg.connect(hearth.superuser_url)
    await watcher.execute("select pg_advisory_lock(4711)")
    pid = await _ask(database, None, "pid")
    waiting = asyncio.create_task(_ask(database, None, "lock", key=4711))
    await wait_until_blocked(watcher, pid)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    blocked = await watcher.fetchval("select cardinality(pg_blocking_pids($1))", pid)
    await watcher.close()
    assert not blocked
    assert database.pool_use == (0, 4)


async def test_who_waits_too_long_for_a_connection_is_told(hearth: Hearth) -> None:
    settings = hearth.settings(pool_min_size=0, pool_max_size=1, pool_acquire_timeout=0.05)
    database = Database(settings)
    await database.connect()
    holding = asyncio.Event()

    async def hold(transaction: Transaction) -> None:
        holding.set()
        await transaction.value("wait", {"seconds": 10})

    holder = asyncio.create_task(database.run(None, hold))
    await holding.wait()

    with pytest.raises(PoolTimeoutError):
        await _ask(database, None, "who")

    holder.cancel()
    await asyncio.gather(holder, return_exceptions=True)
    await database.disconnect()


async def test_the_roles_limits_hold_and_settings_replace_them(hearth: Hearth) -> None:
    async def limits(**changes: object) -> str:
        database = Database(hearth.settings(**changes))
        await database.connect()
        seen = await _ask(database, None, "limits")
        await database.disconnect()
        return str(seen)

    assert await limits() == "5s 2s 10s"
    assert (
        await limits(
            statement_timeout_ms=1500, lock_timeout_ms=700, idle_in_transaction_timeout_ms=900
        )
        == "1500ms 700ms 900ms"
    )


async def test_a_migration_under_way_costs_a_prepared_statement_no_request(
    database: Database, hearth: Hearth, ann: Person
) -> None:
    context = _context(ann)
    before = await _ask(database, context, "star", user_id=ann.user_id)
    owner = await asyncpg.connect(hearth.url("hearth_deployer"))
    await owner.execute("set role app_owner; alter table app.users add column nickname text")
    try:
        after = await _ask(database, context, "star", user_id=ann.user_id)
    finally:
        await owner.execute("alter table app.users drop column nickname")
        await owner.close()

    assert after == before


async def test_states_follow_the_pool(hearth: Hearth) -> None:
    database = Database(hearth.settings())
    seen = [database.state]
    connecting = asyncio.create_task(database.connect())
    await asyncio.sleep(0)
    seen.append(database.state)
    await connecting
    seen.append(database.state)
    disconnecting = asyncio.create_task(database.disconnect())
    await asyncio.sleep(0)
    seen.append(database.state)
    await disconnecting
    seen.append(database.state)

    assert seen == [
        State.DISCONNECTED,
        State.CONNECTING,
        State.CONNECTED,
        State.DISCONNECTING,
        State.DISCONNECTED,
    ]


async def test_closing_waits_for_transactions_and_for_who_waits_for_a_connection(
    hearth: Hearth,
) -> None:
    watcher = await asyncpg.connect(hearth.superuser_url)
    await watcher.execute("select pg_advisory_lock(4712)")
    database = Database(hearth.settings(pool_min_size=1, pool_max_size=1))
    await database.connect()
    pid = await _ask(database, None, "pid")
    first = asyncio.create_task(_ask(database, None, "lock", key=4712))
    await wait_until_blocked(watcher, pid)
    second = asyncio.create_task(_ask(database, None, "who"))
    await asyncio.sleep(0)

    closing = asyncio.create_task(database.disconnect())
    await asyncio.sleep(0)
    with pytest.raises(DatabaseError, match="not connected"):
        await _ask(database, None, "who")
    await watcher.execute("select pg_advisory_unlock(4712)")

    assert (await first, await second) == ("", "/")
    await closing
    await watcher.close()
    assert database.state == State.DISCONNECTED


async def test_a_transaction_that_outlasts_the_pool_fails_as_its_connection_did(
    hearth: Hearth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.pool.CLOSE_LIMIT", 0.05)
    watcher = await asyncpg.connect(hearth.superuser_url)
    await watcher.execute("select pg_advisory_lock(4713)")
    database = Database(hearth.settings(pool_min_size=1, pool_max_size=1))
    await database.connect()
    pid = await _ask(database, None, "pid")
    blocked = asyncio.create_task(_ask(database, None, "lock", key=4713))
    await wait_until_blocked(watcher, pid)

    await database.disconnect()

    with pytest.raises(ConnectionLostError):
        await blocked
    await watcher.close()


async def test_a_server_that_comes_late_is_waited_for(
    hearth: Hearth, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = 0
    connect = asyncpg.connect

    async def refuse_twice(*arguments: Any, **options: Any) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ConnectionRefusedError
        return await connect(*arguments, **options)

    monkeypatch.setattr(asyncpg, "connect", refuse_twice)
    database = Database(hearth.settings(pool_min_size=1))

    await database.connect()

    await database.disconnect()
    assert attempts == 3


async def test_kept_connections_are_opened_at_once_and_none_is_left_where_one_cannot_be(
    hearth: Hearth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, a host that is silent would be waited for as often."""
    connect = asyncpg.connect
    opened: list[Any] = []
    asked = 0
    all_asked = asyncio.Event()
    refuses = False

    async def together(*arguments: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == 4:
            all_asked.set()
        if asked > 1:
            await all_asked.wait()
            if refuses and asked == 4:
                raise ConnectionRefusedError
        opened.append(await connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(asyncpg, "connect", together)
    database = Database(hearth.settings(pool_min_size=4))
    async with asyncio.timeout(30):
        await database.connect()
    await database.disconnect()

    asked, refuses = 0, True
    all_asked.clear()
    with pytest.raises(DatabaseError):
        await Database(hearth.settings(pool_min_size=4)).connect(within=0)

    assert len(opened) >= 5
    assert all(connection.is_closed() for connection in opened)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://app_api:swordfish@127.0.0.1:9/hearth", "cannot reach the server"),
        ("postgresql://app_api@/none{where}", "no such database"),
        ("postgresql://nobody@/{name}{where}", "refuses this login"),
        ("postgresql://app_api@/postgres{where}", "this login may not"),
    ],
)
async def test_a_database_that_cannot_be_used_is_told_in_a_line_without_secrets(
    hearth: Hearth, url: str, why: str
) -> None:
    _, _, query = hearth.url("app_api").partition("?")
    url = url.format(where=f"?{query}", name=hearth.name)
    database = Database(hearth.settings(database_url=url, connect_timeout=0))

    with pytest.raises(DatabaseError, match=why) as caught:
        await database.connect()

    assert "swordfish" not in str(caught.value)
    assert database.state is State.DISCONNECTED
