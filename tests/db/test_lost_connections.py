"""What breaks before COMMIT is sent runs again on another connection; what may be done does not."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import psycopg
import pytest

from app import embedded, migrations
from app.db.context import Context, MemberRole
from app.db.errors import ConnectionLostError, is_lost
from app.db.pool import Database, OutcomeUnknownError, Transaction
from app.settings import sql_directory
from tests.conftest import Cluster, temporary_server
from tests.support.crowd import Crowd, titles
from tests.support.fixtures import (
    Hearth,
    NewPerson,
    Person,
    Serve,
    bootstrap,
    wait_until_requests_block,
)

pytestmark = pytest.mark.straight("it ends, stops and counts connections of the server itself")

OURS = (
    "select pid, pg_terminate_backend(pid, 5000) from pg_stat_activity"
    " where datname = current_database() and application_name ~ '^hearth( [-0-9a-f]{36})?$'"
)


@asynccontextmanager
async def _connected(hearth: Hearth, **changes: object) -> AsyncIterator[Database]:
    database = Database(hearth.settings(**changes))
    await database.connect()
    try:
        yield database
    finally:
        await database.disconnect()


async def _pid(transaction: Transaction) -> int:
    return int(await transaction._connection.fetchval("select pg_backend_pid()"))


async def _pids(database: Database, number: int) -> list[int]:
    """Return the processes of so many connections, all of them in use at once."""
    barrier = asyncio.Barrier(number)

    async def look(transaction: Transaction) -> int:
        await barrier.wait()
        return await _pid(transaction)

    return await asyncio.gather(*(database.run(None, look) for _ in range(number)))


async def test_connections_that_were_ended_while_idle_cost_no_request(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings(pool_max_size=4)) as url:
        ann = await new_person(at=url)
        root = await asyncpg.connect(own_hearth.superuser_url)
        statuses = []
        for number in range(10):
            await root.execute(OURS)
            answers = await asyncio.gather(
                *(ann.client.get("/v1/tasks") for _ in range(6)),
                ann.client.post("/v1/tasks", json={"title": f"Task {number}"}),
            )
            statuses += [answer.status_code for answer in answers]
        tasks = (await ann.client.get("/v1/tasks")).json()["items"]
        await root.close()

    assert statuses == [*[200] * 6, 201] * 10
    assert len(tasks) == 10


async def test_a_write_whose_connection_is_ended_before_its_commit_is_done_once(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings(pool_max_size=2)) as url:
        ann = await new_person(at=url)
        root, holder = [await asyncpg.connect(own_hearth.superuser_url) for _ in range(2)]
        await holder.execute("begin; lock table app.tasks in access exclusive mode")
        writing = asyncio.create_task(ann.client.post("/v1/tasks", json={"title": "Once"}))
        await wait_until_requests_block(root, 1)
        await root.execute(OURS)
        await wait_until_requests_block(root, 1)
        await holder.execute("rollback")
        written = await writing
        tasks = (await ann.client.get("/v1/tasks")).json()["items"]
        await root.close()
        await holder.close()

    assert written.status_code == 201
    assert [task["title"] for task in tasks] == ["Once"]


async def test_a_connection_that_is_closed_when_commit_is_due_leaves_nothing_open(
    hearth: Hearth,
) -> None:
    root = await asyncpg.connect(hearth.superuser_url)
    calls = 0

    async def work(transaction: Transaction) -> str:
        nonlocal calls
        calls += 1
        pid = await _pid(transaction)
        if calls == 1:
            connection = transaction._connection
            await root.fetchval("select pg_terminate_backend($1, 5000)", pid)
            while not connection.is_closed():
                await root.execute("select")
        return "done"

    async with _connected(hearth, pool_max_size=2) as database:
        done = await database.run(None, work)
        counts = dict(database.figures.counts)
    await root.close()

    assert (done, calls) == ("done", 2)
    assert counts["retried"] == 1
    assert "outcome_unknown" not in counts


@contextmanager
def _stopped(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def test_of_silent_connections_one_is_found_and_the_others_are_replaced(
    hearth: Hearth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.pool.OPENING_LIMIT", 0.3)
    async with _connected(hearth, pool_min_size=3, pool_max_size=6) as database:
        before = await _pids(database, 3)
        with _stopped(before):
            first = await database.run(None, _pid)
            others = await _pids(database, 3)
            counts = dict(database.figures.counts)

    assert first not in before
    assert first in others
    assert not {*others} & {*before}
    assert counts == {"retried": 1, "replaced": 2}


async def test_who_has_answered_since_is_not_replaced(
    hearth: Hearth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.pool.OPENING_LIMIT", 1.0)
    holding, may_end = asyncio.Event(), asyncio.Event()

    async def hold(transaction: Transaction) -> int:
        pid = await _pid(transaction)
        holding.set()
        await may_end.wait()
        return pid

    async with _connected(hearth, pool_min_size=2, pool_max_size=4) as database:
        both = await _pids(database, 2)
        holder = asyncio.create_task(database.run(None, hold))
        await holding.wait()
        (idle,) = {*both} - {await _busy(hearth, both)}
        with _stopped([idle]):
            silent = asyncio.create_task(database.run(None, _pid))
            while database.pool_use[0] < 2:
                await _busy(hearth, [*{*both} - {idle}])  # others run meanwhile
            may_end.set()
            held = await holder
            since = await database.run(None, _pid)
            await silent
        again = await _pids(database, 2)

    assert held == since
    assert held in again
    assert idle not in again


async def _busy(hearth: Hearth, pids: list[int]) -> int:
    root = await asyncpg.connect(hearth.superuser_url)
    query = "select pid from pg_stat_activity where pid = any ($1) and state <> 'idle'"
    (row,) = await root.fetch(query, pids)
    await root.close()
    return int(row["pid"])


async def test_an_opening_waits_for_a_lock_for_as_long_as_the_server_does(
    hearth: Hearth, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.pool.OPENING_LIMIT", 0.01)
    monkeypatch.setattr("app.db.pool.HEARD_WITHIN", -1.0)
    holder = await asyncpg.connect(hearth.superuser_url)
    who = Context(ann.user_id, None, ann.family_id, MemberRole(ann.role))
    async with _connected(hearth, lock_timeout_ms=100) as database:
        await holder.execute("begin; lock table app.users in access exclusive mode")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await database.run(who, _pid)
        await holder.close()
        counts = dict(database.figures.counts)

    assert counts == {}


async def test_a_commit_that_is_not_answered_in_time_is_not_sent_again(
    hearth: Hearth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db.pool.COMMIT_LIMIT", 0.3)
    calls: list[int] = []

    async def work(transaction: Transaction) -> None:
        calls.append(await _pid(transaction))
        os.kill(calls[-1], signal.SIGSTOP)

    async with _connected(hearth) as database:
        try:
            with pytest.raises(OutcomeUnknownError):
                await database.run(None, work)
        finally:
            os.kill(calls[0], signal.SIGCONT)
        counts = dict(database.figures.counts)

    assert len(calls) == 1
    assert counts == {"outcome_unknown": 1}


async def test_a_connection_is_used_until_it_is_old(hearth: Hearth) -> None:
    async with _connected(hearth, pool_min_size=1, pool_max_size=1) as database:

        async def age(transaction: Transaction) -> int:
            transaction._connection.born -= 1800
            return await _pid(transaction)

        young = {await database.run(None, _pid) for _ in range(3)}
        old = await database.run(None, age)
        new = {await database.run(None, _pid) for _ in range(3)}

    assert young == {old}
    assert len(new) == 1
    assert old not in new


ERRORS = [
    (OSError(), True),
    (ConnectionResetError(), True),
    (TimeoutError(), False),
    (asyncpg.InternalClientError("got result for unknown protocol state 3"), True),
    (asyncpg.TargetServerAttributeNotMatched(""), True),
    (asyncpg.ConnectionDoesNotExistError(""), True),
    (asyncpg.InterfaceError("connection is closed"), True),
    (asyncpg.DataError("invalid input"), False),
    (asyncpg.ClientConfigurationError(""), False),
    *(
        (asyncpg.PostgresError.new({"C": state, "M": "…"}), True)
        for state in ("08000", "08006", "57P01", "57P02", "57P03", "57P05")
    ),
    *(
        (asyncpg.PostgresError.new({"C": state, "M": "…"}), False)
        for state in ("57014", "25P03", "25P04", "28P01", "53300", "23505", "57P04")
    ),
]


@pytest.mark.parametrize(("error", "is_one"), ERRORS, ids=lambda value: str(type(value).__name__))
async def test_only_a_lost_connection_makes_a_transaction_run_again(
    hearth: Hearth, error: Exception, *, is_one: bool
) -> None:
    calls = 0

    async def fail(_: Transaction) -> None:
        nonlocal calls
        calls += 1
        raise error

    async with _connected(hearth) as database:
        with pytest.raises(ConnectionLostError if is_one else type(error)):
            await database.run(None, fail)

    assert is_lost(error) is is_one
    assert calls == 1 + is_one


async def test_faults_lose_nothing_double_nothing_and_are_no_errors_of_ours(
    serve: Serve, new_person: NewPerson
) -> None:
    with temporary_server() as server:
        hearth = Hearth(Cluster(str(server.socket), 5432, "postgres"), "hearth")
        bootstrap(hearth.cluster, hearth.name)
        migrations.migrate(hearth.url("hearth_deployer"), sql_directory())
        with psycopg.connect(hearth.superuser_url, autocommit=True) as root:
            # As it is by default; the servers of the tests are careless about crashes.
            root.execute("alter database hearth set synchronous_commit = on")
        with serve(hearth.settings(pool_max_size=4)) as url:
            people = [await new_person(at=url) for _ in range(4)]
            crowd = Crowd(people)
            async with asyncio.TaskGroup() as tasks:
                for person in people:
                    tasks.create_task(crowd.write(person))
                await crowd.more(40)
                await asyncio.to_thread(_end_all, hearth)
                await crowd.more(80)
                await asyncio.to_thread(_crash, hearth)
                await crowd.more(80)
                await asyncio.to_thread(embedded.stop, server)
                await asyncio.to_thread(
                    embedded.start,
                    server.data,
                    version=server.version,
                    durable=False,
                    binaries=server.binaries,
                )
                await crowd.more(80)
                crowd.may_end = True
            kept = [await titles(person) for person in people]

    assert kept == [crowd.acknowledged[person.user_id] for person in people]
    assert crowd.statuses <= {201, 503, 504}
    assert crowd.codes <= {"unavailable", "outcome-unknown"}


def _end_all(hearth: Hearth) -> None:
    with psycopg.connect(hearth.superuser_url, autocommit=True) as root:
        for _ in range(3):
            root.execute(OURS)


def _crash(hearth: Hearth) -> None:
    with psycopg.connect(hearth.superuser_url, autocommit=True) as root:
        found = root.execute(OURS.replace("pg_terminate_backend(pid, 5000)", "pid")).fetchall()
    os.kill(found[0][0], signal.SIGKILL)
