"""A server that takes no writes, or no connection, is told as what it is, and not for longer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import sha256

import asyncpg
import psycopg
import pytest

from app.db.pool import Database, DatabaseError, OutcomeUnknownError, Transaction
from app.http.problems import INTERNAL, TIMEOUT, UNAVAILABLE, from_database
from app.settings import Settings
from tests.support.fixtures import Hearth, NewPerson, Serve
from tests.support.wire import Wire

ATTEMPT = {
    "rate_limit": "sign_in",
    "subject_hash": sha256(b"somebody").digest(),
    "max_attempts": 1000,
    "seconds": 900.0,
}


keeps_what_it_opened = pytest.mark.straight(
    "a pooler keeps connections that it opened read-only, until server_lifetime or RECONNECT"
)


@asynccontextmanager
async def _connected(hearth: Hearth) -> AsyncIterator[Database]:
    database = Database(hearth.settings(pool_min_size=2, pool_max_size=2))
    await database.connect()
    try:
        yield database
    finally:
        await database.disconnect()


def _by_root(hearth: Hearth, *statements: str) -> None:
    root = psycopg.connect(hearth.cluster.url(hearth.cluster.user, "postgres"), autocommit=True)
    with root:
        for statement in statements:
            root.execute(statement)


async def _write(transaction: Transaction) -> object:
    return await transaction.value("hit_rate_limit", ATTEMPT)


@contextmanager
def _read_only(hearth: Hearth) -> Iterator[None]:
    ours = f'alter database "{hearth.name}"'
    _by_root(hearth, f"{ours} set default_transaction_read_only = on")
    try:
        yield
    finally:
        _by_root(hearth, f"{ours} reset default_transaction_read_only")


@keeps_what_it_opened
async def test_connections_that_were_opened_read_only_are_not_kept(own_hearth: Hearth) -> None:
    with _read_only(own_hearth):
        async with _connected(own_hearth) as database:
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await database.run(None, _write)
            _by_root(own_hearth, f'alter database "{own_hearth.name}" reset all')

            written = await asyncio.gather(*(database.run(None, _write) for _ in range(6)))

    assert len(written) == 6


@keeps_what_it_opened
async def test_a_read_only_database_is_unavailable_to_who_writes(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings(pool_max_size=2)) as url:
        ann = await new_person(at=url)
        with _read_only(own_hearth):
            _by_root(own_hearth, _ending(own_hearth))
            read = await ann.client.get("/v1/tasks")
            write = await ann.client.post("/v1/tasks", json={"title": "Water the plants"})
        again = await ann.client.post("/v1/tasks", json={"title": "Water the plants"})

    assert (read.status_code, write.status_code, again.status_code) == (200, 503, 201)
    assert write.headers["Retry-After"] == "1"


@pytest.mark.straight("a pooler tries a login again only after its server_login_retry")
async def test_a_login_that_is_refused_meanwhile_is_unavailable(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings(pool_max_size=2)) as url:
        ann = await new_person(at=url)
        try:
            _by_root(own_hearth, "alter role app_api nologin", _ending(own_hearth))
            refused = await ann.client.get("/v1/tasks")
        finally:
            _by_root(own_hearth, "alter role app_api login")
        back = await ann.client.get("/v1/tasks")

    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert back.status_code == 200


@asynccontextmanager
async def _served(serve: Serve, settings: Settings) -> AsyncIterator[str]:
    # Its start and its end wait for the wire, which is in the loop of the test.
    server = serve(settings)
    url = await asyncio.to_thread(server.__enter__)
    try:
        yield url
    finally:
        await asyncio.to_thread(server.__exit__)


@pytest.mark.parametrize("is_reset", [True, False], ids=["broken", "silent"])
async def test_a_commit_that_nobody_answered_is_no_failure_to_be_repeated(
    hearth: Hearth, serve: Serve, new_person: NewPerson, *, is_reset: bool
) -> None:
    async with Wire(hearth.cluster, is_reset=is_reset) as wire:
        settings = hearth.settings(
            database_url=wire.url(hearth.name), pool_min_size=1, pool_max_size=1, request_timeout=1
        )
        async with _served(serve, settings) as url:
            ann = await new_person(at=url)
            key = {"Idempotency-Key": f'"{ann.user_id}"'}
            wire.loses_commits = 1
            lost = await ann.client.post("/v1/tasks", json={"title": "Once"})
            wire.loses_commits = 1
            kept = await ann.client.post("/v1/tasks", json={"title": "Twice"}, headers=key)
            again = await ann.client.post("/v1/tasks", json={"title": "Twice"}, headers=key)
            wire.loses_commits = 1
            read = await ann.client.get("/v1/tasks")
            tasks = (await ann.client.get("/v1/tasks")).json()["items"]

    for response, advice in ((lost, "Read what is there"), (kept, "the same Idempotency-Key")):
        assert (response.status_code, response.json()["code"]) == (504, "outcome-unknown")
        assert advice in response.json()["detail"]
        assert "Retry-After" not in response.headers
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert read.status_code == 200  # there is nothing to commit
    assert sorted(task["title"] for task in tasks) == ["Once", "Twice"]


@pytest.mark.parametrize(
    ("state", "is_known"),
    [
        *((state, False) for state in ("08006", "57P01", "57P02")),
        *((state, True) for state in ("23503", "40001", "57014", "25P04", "53100")),
    ],
)
async def test_a_commit_that_the_server_refused_was_not_done(
    hearth: Hearth, monkeypatch: pytest.MonkeyPatch, state: str, *, is_known: bool
) -> None:
    refusal = asyncpg.PostgresError.new({"C": state, "M": "no"})
    execute = asyncpg.Connection.execute

    async def refuse(connection: asyncpg.Connection, query: str, **limit: float) -> object:
        if query == "COMMIT":
            raise refusal
        return await execute(connection, query, **limit)

    async with _connected(hearth) as database:
        monkeypatch.setattr(asyncpg.Connection, "execute", refuse)
        with pytest.raises(type(refusal) if is_known else OutcomeUnknownError):
            await database.run(None, _write)


def _ending(hearth: Hearth) -> str:
    return (
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
        f" where datname = '{hearth.name}' and pid <> pg_backend_pid()"
    )


@pytest.mark.parametrize(
    "broken",
    [asyncpg.InternalClientError, asyncpg.ProtocolError, asyncpg.TargetServerAttributeNotMatched],
)
async def test_a_connection_that_died_under_a_query_is_a_database_error(
    hearth: Hearth, broken: type[Exception]
) -> None:
    async def die(_: Transaction) -> None:
        raise broken("got result for unknown protocol state 3")

    async with _connected(hearth) as database:
        with pytest.raises(DatabaseError):
            await database.run(None, die)

        await database.run(None, _write)


async def test_a_server_that_is_not_the_one_asked_for_is_told_in_a_line(hearth: Hearth) -> None:
    url = hearth.url("app_api") + "&target_session_attrs=standby"
    database = Database(hearth.settings(database_url=url, connect_timeout=0))

    with pytest.raises(DatabaseError, match=r"^DATABASE_URL: cannot reach the server"):
        await database.connect()


async def test_a_database_that_is_not_migrated_is_told_at_once(hearth: Hearth) -> None:
    _by_root(hearth, "create database hearth_empty")
    url = hearth.cluster.url("app_api", "hearth_empty")
    database = Database(hearth.settings(database_url=url, connect_timeout=3600))

    try:
        async with asyncio.timeout(30):
            with pytest.raises(DatabaseError, match="not migrated"):
                await database.connect()
    finally:
        _by_root(hearth, "drop database hearth_empty with (force)")


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        *((state, UNAVAILABLE) for state in ("28000", "28P01", "3D000", "25006", "57P01", "57P02")),
        *((state, UNAVAILABLE) for state in ("57P03", "57P04", "08000", "08006", "08P01", "53300")),
        *((state, UNAVAILABLE) for state in ("53200", "40001", "55P03", "57P05")),
        *((state, TIMEOUT) for state in ("57014", "25P03", "25P04")),
        *((state, INTERNAL) for state in ("25001", "25P02", "XX000", "42P01")),
    ],
)
def test_each_sqlstate_has_its_problem(state: str, kind: object) -> None:
    error = asyncpg.PostgresError.new({"C": state, "M": "…"})

    assert from_database(error, {}).type is kind
