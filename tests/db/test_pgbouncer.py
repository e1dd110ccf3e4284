"""Through PgBouncer: many clients take turns on two connections, and nothing stays behind.

From 1.21 on it follows prepared statements; before that, the service is told so. `make test-pooler`
sends the tests of the API through it as well.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import astuple, dataclass, field
from uuid import UUID, uuid4

import asyncpg
import httpx
import jwt
import psycopg
import pytest

from app import embedded, migrations
from app.db.context import Context, MemberRole
from app.db.pool import WRONG_POOLER, Database, Transaction
from app.embedded.cluster import PORT
from app.health.monitor import Monitor
from app.migrations import MigrationError
from app.settings import Settings, sql_directory
from tests.conftest import Cluster, temporary_server
from tests.support.fixtures import Hearth, NewPerson, Person, Serve, bootstrap
from tests.support.pooler import (
    API_PASSWORD,
    follows_prepared_statements,
    pooled_url,
    pooler,
    requires_pgbouncer,
)

pytestmark = [
    requires_pgbouncer,
    pytest.mark.newest,
    pytest.mark.no_judge,
    pytest.mark.straight("it has poolers of its own"),
]

CONTEXT = ("user_id", "session_id", "family_id", "member_role", "request_id")
READ_CONTEXT = "select " + ", ".join(
    f"nullif(pg_catalog.current_setting('app.{name}', true), '') as {name}" for name in CONTEXT
)


def _server(hearth: Hearth) -> str:
    return f"host={hearth.cluster.host} port={hearth.cluster.port}"


@pytest.fixture(scope="module")
def pooled(hearth: Hearth) -> Iterator[str]:
    """Yield the URL of app_api through a pooler with two connections to the server."""
    with pooler(hearth.name, _server(hearth), API_PASSWORD, default_pool_size=2) as home:
        yield pooled_url(home, hearth.name)


@pytest.fixture(params=["transaction", "prepared"])
def settings(request: pytest.FixtureRequest, hearth: Hearth, pooled: str) -> Settings:
    """Return settings for a service behind the pooler, once for each DATABASE_POOLER that fits."""
    if request.param == "prepared" and not follows_prepared_statements():
        pytest.skip("this PgBouncer is older than 1.21: it does not follow prepared statements")
    return hearth.settings(
        database_url=pooled, database_pooler=request.param, pool_min_size=0, pool_max_size=16
    )


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings)
    await database.connect()
    try:
        yield database
    finally:
        await database.disconnect()


def _context(person: Person) -> Context:
    claims = jwt.decode(person.signed_in["access_token"], options={"verify_signature": False})
    role = MemberRole(person.role)
    return Context(person.user_id, UUID(claims["sid"]), person.family_id, role)


@dataclass
class Crowd:
    """People who use one database at once, each ending their transactions in every way there is."""

    database: Database
    people: list[Person]
    chance: random.Random = field(default_factory=lambda: random.Random(21))  # noqa: S311 - no secret
    served: Mapping[int, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    leaks: list[object] = field(default_factory=list)

    async def act(self) -> None:
        """Run one transaction and note whatever of somebody else's is seen in it."""
        person = self.chance.choice([*self.people, None])
        context = _context(person) if person is not None else None
        request_id = self.chance.choice([uuid4(), None])
        ending = self.chance.choice(["commit", "refusal", "error", "cancellation"])
        given = [*(astuple(context)[:4] if context is not None else [None] * 4), request_id]
        expected = [value.hex if isinstance(value, UUID) else value for value in given]

        async def work(transaction: Transaction) -> None:
            connection = transaction._connection
            pid = await connection.fetchval("select pg_catalog.pg_backend_pid()")
            found = list(await connection.fetchrow(READ_CONTEXT))
            rows = await connection.fetch("select distinct family_id from app.tasks")
            families = [row["family_id"] for row in rows]
            if found != expected or families != ([context.family_id] if context else []):
                self.leaks.append((expected, found, families))

            self.served[pid].update([context.user_id] if context else [])
            if ending == "refusal":
                await connection.execute("select 1 / 0")
            if ending == "error":
                raise ZeroDivisionError
            if ending == "cancellation":
                await connection.execute("select pg_catalog.pg_sleep(4)")

        run = asyncio.create_task(
            self.database.run(
                context, work, read_only=self.chance.random() < 0.5, request_id=request_id
            )
        )
        if ending == "cancellation":
            # Whenever: while it waits for a connection, begins, asks or sleeps.
            asyncio.get_running_loop().call_later(self.chance.uniform(0, 0.03), run.cancel)
        with suppress(asyncpg.DivisionByZeroError, ZeroDivisionError, asyncio.CancelledError):
            await run

    async def act_often(self, times: int) -> None:
        for _ in range(times):
            await self.act()


async def test_no_context_outlives_its_transaction(
    settings: Settings, pooled: str, new_person: NewPerson
) -> None:
    people = [await new_person() for _ in range(8)]
    for person in people:
        made = await person.client.post("/v1/tasks", json={"title": person.email})
        assert made.status_code == 201

    async with _connected(settings) as database:
        crowd = Crowd(database, people)
        async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
            for _ in range(16):
                tasks.create_task(crowd.act_often(60))
        in_use, _ = database.pool_use

    assert crowd.leaks == []
    assert in_use == 0
    # What makes it a proof: the server's connections did go from hand to hand.
    assert all(len(users) > 1 for users in sorted(crowd.served.values(), key=len)[-2:])
    assert _contexts_left(pooled) == [(None,) * len(CONTEXT)] * 2


def _contexts_left(url: str) -> list[object]:
    # Two transactions at once hold both of the pooler's connections.
    with psycopg.connect(url) as one, psycopg.connect(url) as other:
        return [connection.execute(READ_CONTEXT).fetchone() for connection in (one, other)]


def test_a_setting_of_a_session_would_outlive_it(hearth: Hearth) -> None:
    with pooler(hearth.name, _server(hearth), API_PASSWORD, default_pool_size=1) as home:
        url = pooled_url(home, hearth.name)
        with psycopg.connect(url, autocommit=True) as somebody:
            somebody.execute("set app.user_id to 'somebody'")
        with psycopg.connect(url, autocommit=True) as stranger:
            row = stranger.execute("select pg_catalog.current_setting('app.user_id')").fetchone()

    assert row == ("somebody",)


async def test_the_service_works_behind_it(settings: Settings, serve: Serve) -> None:
    with serve(settings) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            ready = await client.get("/health/ready")
            tokens = [await _sign_up(client) for _ in range(4)]
            made = [
                await client.post("/v1/tasks", json={"title": "Mine"}, headers=headers)
                for headers in tokens
            ]
            listed = await asyncio.gather(
                *(client.get("/v1/tasks", headers=headers) for headers in tokens * 25)
            )

    assert ready.status_code == 200
    assert [response.json()["items"] for response in listed] == [
        [task.json()] for task in made
    ] * 25


async def _sign_up(client: httpx.AsyncClient) -> dict[str, str]:
    body = {
        "email": f"{uuid4().hex}@example.com",
        "password": "correct horse battery",
        "full_name": "Somebody",
    }
    response = await client.post("/v1/auth/signup", json=body)
    assert response.status_code == 201, response.text
    return {"Authorization": f"Bearer {response.json()['access_token']}"}


def test_nobody_but_the_service_comes_through(hearth: Hearth, pooled: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(pooled.replace("app_api", "hearth_deployer"))
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(pooled, password="not the password")


def test_a_deployer_who_comes_through_a_pooler_is_refused_by_name(
    hearth: Hearth, pooled: str
) -> None:
    for work in (migrations.status, migrations.plan, migrations.migrate):
        with pytest.raises(MigrationError, match=r"^DIRECT_URL leads to a pooler"):
            work(pooled, sql_directory())


async def test_a_pooler_that_does_not_follow_what_is_prepared_is_found_at_the_start(
    hearth: Hearth,
) -> None:
    old = {} if not follows_prepared_statements() else {"max_prepared_statements": 0}
    with pooler(hearth.name, _server(hearth), API_PASSWORD, default_pool_size=2, **old) as home:
        url = pooled_url(home, hearth.name)
        told = [
            await _failure(hearth.settings(database_url=url, database_pooler=value))
            for value in ("none", "prepared", "prepared")
        ]
        fits = await _failure(hearth.settings(database_url=url, database_pooler="transaction"))

    assert told == [f"DATABASE_POOLER: {WRONG_POOLER}"] * 3
    assert fits is None


async def test_a_server_that_is_away_behind_it_is_waited_for_and_a_wrong_login_is_not(
    hearth: Hearth,
) -> None:
    brief = {"database_pooler": "transaction", "connect_timeout": 2}
    with pooler(hearth.name, "host=/nowhere", API_PASSWORD, query_wait_timeout=1) as home:
        away = hearth.settings(database_url=pooled_url(home, hearth.name), **brief)
        stranger = hearth.settings(database_url=pooled_url(home, hearth.name, "app_ops"), **brief)
        told = [await _failure(settings) for settings in (away, stranger)]

    assert told == [
        "DATABASE_URL: cannot reach the server (ProtocolViolationError)",
        "DATABASE_URL: the server refuses this login",
    ]


async def _failure(settings: Settings) -> str | None:
    """Return why a service cannot start, or `None` if it can."""
    end: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    database = Database(settings)
    watching = Monitor(settings, database).watching(lambda: end.set_result(None), end.set_result)
    try:
        async with watching:
            error = await asyncio.wait_for(end, timeout=30)
    finally:
        await database.disconnect()
    return None if error is None else str(error)


async def test_a_request_is_seen_by_its_id_behind_it_and_leaves_it_to_nobody(
    hearth: Hearth, settings: Settings, pooled: str
) -> None:
    names = "select application_name from pg_stat_activity where application_name like '%' || $1"
    request_id = uuid4()
    watcher = await asyncpg.connect(hearth.superuser_url)

    async def look(_: Transaction) -> list[str]:
        return [name for (name,) in await watcher.fetch(names, str(request_id))]

    async with _connected(settings) as database:
        during = await database.run(None, look, request_id=request_id)
        # Each of the pooler's connections, in the hands of others of this service and of nobody.
        others = await asyncio.gather(*(database.run(None, _name) for _ in range(8)))
        with psycopg.connect(pooled, application_name="psql") as stranger:
            row = stranger.execute("show application_name").fetchone()
        left = await watcher.fetch(names, str(request_id))
    await watcher.close()

    assert during == [f"hearth {request_id}"]
    assert set(others) == {"hearth"}
    assert (row, left) == (("psql",), [])


async def _name(transaction: Transaction) -> object:
    return await transaction._connection.fetchval("show application_name")


async def test_a_restart_of_the_server_behind_it_is_over_when_the_server_is_back(
    serve: Serve,
) -> None:
    with temporary_server() as server:
        hearth = Hearth(Cluster(str(server.socket), PORT, "postgres"), "hearth")
        bootstrap(hearth.cluster, hearth.name)
        migrations.migrate(hearth.url("hearth_deployer"), sql_directory())
        with (
            pooler(hearth.name, _server(hearth), API_PASSWORD, default_pool_size=2) as home,
            serve(
                hearth.settings(
                    database_url=pooled_url(home, hearth.name), database_pooler="transaction"
                )
            ) as url,
        ):
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                headers = await _sign_up(client)
                embedded.stop(server)
                # So PgBouncer knows that it was gone, and asks again after server_login_retry.
                gone = await client.get("/v1/tasks", headers=headers)
                again = embedded.start(server.data, version=server.version, durable=False)
                try:
                    answers = [gone]
                    while answers[-1].status_code == 503 and len(answers) < 4:
                        await asyncio.sleep(int(answers[-1].headers["Retry-After"]))
                        answers.append(await client.get("/v1/tasks", headers=headers))
                finally:
                    embedded.stop(again)

    assert gone.status_code == 503
    assert answers[-1].status_code == 200
