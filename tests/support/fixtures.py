"""What the tests stand on: a migrated database, the service over HTTP, people who use it.

`hearth` is one database for the whole run: people in it never meet, so tests share it. A test that
changes the schema, or looks at all there is, takes `own_hearth`, a copy of its own.
"""

import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import psycopg
import pytest
import structlog
import uvicorn
from argon2 import PasswordHasher
from pytest_postgresql import factories
from pytest_postgresql.janitor import DatabaseJanitor
from structlog.testing import LogCapture
from structlog.typing import EventDict

from app import logs, migrations
from app.embedded.cluster import programs
from app.embedded.system_user import current_user
from app.http.protocol import Protocol
from app.http.server import Drain, Server
from app.main import create_app
from app.settings import Settings, sql_directory
from tests.conftest import Cluster
from tests.support.documented import is_documented
from tests.support.households import Household, make_household
from tests.support.pooler import pooled_url

JWT_SECRET = "a secret that only the tests know, 32 bytes and more"
PASSWORD = "correct horse battery"

logs.configure("error")


@dataclass(frozen=True)
class Hearth:
    """A migrated database."""

    cluster: Cluster
    name: str

    def url(self, user: str) -> str:
        """Return the URL for a login: hearth_deployer, app_api, app_reader or the superuser."""
        return self.cluster.url(user, self.name)

    @property
    def superuser_url(self) -> str:
        return self.url(self.cluster.user)

    def settings(self, **changes: object) -> Settings:
        """Return settings for a service on this database, through the pooler if there is one."""
        given: dict[str, object] = {
            "database_url": self.url("app_api"),
            "direct_url": self.url("hearth_deployer"),
            "jwt_secret": JWT_SECRET,
            "sign_up_rate_limit": 1_000_000,  # browsers and fuzzers come from one network
        }
        if self.cluster.pooler is not None and "database_url" not in changes:
            url = pooled_url(self.cluster.pooler, self.name)
            given |= {"database_url": url, "database_pooler": "transaction"}
        return Settings(**{**given, **changes})  # type: ignore[arg-type]


def bootstrap(cluster: Cluster, database: str) -> None:
    """Run sql/bootstrap.sql for a database, as its head says."""
    psql = programs(18, reader=current_user()) / "psql"
    script = sql_directory() / "bootstrap.sql"
    url = cluster.url(cluster.user, cluster.maintenance_dbname)
    environment = {**os.environ, "HEARTH_DATABASE": database}
    done = subprocess.run(
        [psql, "-X", "-q", "-f", script, url],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _install(
    *, host: str, port: int, user: str, dbname: str, password: str | None, **_: object
) -> None:
    cluster = Cluster(host, port, user, password)
    bootstrap(cluster, dbname)
    migrations.migrate(cluster.url("hearth_deployer", dbname), sql_directory())


# pytest-postgresql makes it once a run.
migrated = factories.postgresql_noproc(depends_on="cluster", dbname="hearth", load=[_install])


@pytest.fixture(scope="session")
def template(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """Return the database that is copied for whoever asks; the mutants bring their own."""
    return cluster.template_dbname or str(request.getfixturevalue("migrated").template_dbname)


@contextmanager
def copy_of_template(cluster: Cluster, template: str, name: str) -> Iterator[Hearth]:
    """Make a database, migrated and empty, for as long as it is needed."""
    hearth = Hearth(cluster, name)
    with DatabaseJanitor(
        user=cluster.user,
        host=cluster.host,
        port=cluster.port,
        dbname=name,
        template_dbname=template,
        password=cluster.password,
    ):
        # A copy has its template's content, but neither its owner nor its privileges.
        with psycopg.connect(hearth.superuser_url, autocommit=True) as root:
            root.execute(f'alter database "{name}" owner to hearth_deployer')
            root.execute(f'revoke all on database "{name}" from public')
            root.execute(f'grant connect on database "{name}" to app_api, app_reader')
            root.execute(os.environ.get("HEARTH_TEST_MUTATION", ""))
        yield hearth


NewHearth = Callable[[str], AbstractContextManager[Hearth]]


@pytest.fixture(scope="session")
def hearth(cluster: Cluster, template: str) -> Iterator[Hearth]:
    """Yield the database that tests share."""
    name = os.environ.get("HEARTH_TEST_DATABASE", "hearth_shared")
    with copy_of_template(cluster, template, name) as hearth:
        yield hearth


@pytest.fixture
def own_hearth(cluster: Cluster, template: str) -> Iterator[Hearth]:
    """Yield a migrated, empty database for one test."""
    with copy_of_template(cluster, template, "hearth_own") as hearth:
        yield hearth


@pytest.fixture(scope="session")
def new_hearth(cluster: Cluster, template: str) -> NewHearth:
    """Return what makes a migrated, empty database: `with new_hearth("crowd") as hearth`."""

    return lambda name: copy_of_template(cluster, template, f"hearth_{name}")


class _ServerInThread:
    """A uvicorn on a free port of the loopback, in a thread with a loop of its own.

    Args:
        settings: Of the service.
        is_awaited: Whether to wait until it serves, and not only until it answers.
        operators: A listening socket for the operators' port.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        is_awaited: bool = True,
        operators: socket.socket | None = None,
    ) -> None:
        self._ready = threading.Event()
        self._failures: list[Exception] = []
        if not is_awaited:
            self._ready.set()
        drain = Drain()
        drain.linger = 0  # nobody sends more when a test has ended
        config = uvicorn.Config(
            create_app(
                settings,
                drain,
                operators=operators,
                on_ready=self._ready.set,
                on_failure=self._fail,
            ),
            host="127.0.0.1",
            port=0,
            http=Protocol,
            log_config=None,
            access_log=False,
        )
        self._server = Server(config, drain)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        while not (self._server.started and self._ready.wait(timeout=0.01)):
            assert self._thread.is_alive(), "the service did not start"
            assert not self._failures, self._failures
            self._thread.join(timeout=0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def _fail(self, error: Exception) -> None:
        self._failures.append(error)

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=20)


Serve = Callable[..., "_ServerInThread"]


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Return what serves with given settings: `with serve(settings) as url`."""
    return _ServerInThread


@pytest.fixture(scope="session")
def service(hearth: Hearth, serve: Serve) -> Iterator[str]:
    """Yield the base URL of the service on the shared database."""
    with serve(hearth.settings()) as url:
        yield url


@dataclass
class Person:
    """Somebody with an account, and a client that sends their token."""

    email: str
    client: httpx.AsyncClient
    signed_in: dict[str, Any] = field(repr=False)

    @property
    def user_id(self) -> UUID:
        return UUID(self.signed_in["user_id"])

    @property
    def family_id(self) -> UUID:
        return UUID(self.signed_in["family_id"])

    @property
    def role(self) -> str:
        return str(self.signed_in["role"])

    def take(self, signed_in: dict[str, Any]) -> None:
        """Go on with other tokens."""
        self.signed_in = signed_in
        self.client.headers["Authorization"] = f"Bearer {signed_in['access_token']}"


_networks = count(1)


def _client(url: str) -> httpx.AsyncClient:
    # Everybody comes from a network of their own; uvicorn believes a proxy on its own machine.
    number = next(_networks)
    headers = {"X-Forwarded-For": f"10.{number >> 8}.{number & 255}.1"}
    # Without TLS there is nothing to verify, and reading the certificates takes longer than a test.
    return httpx.AsyncClient(
        base_url=url,
        headers=headers,
        timeout=30,
        verify=False,  # noqa: S501
        event_hooks={"response": [is_documented]},
    )


NewPerson = Callable[..., Awaitable[Person]]

_numbers = count(1)


@pytest.fixture
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords at the least cost there is: a guess should cost something, a test not."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("app.auth.passwords._hasher", cheap)


@pytest.fixture
async def new_person(service: str, cheap_passwords: None) -> AsyncIterator[NewPerson]:
    """Return what signs up somebody new: `ann = await new_person()`; fields may be given.

    `at` is the base URL of another service.
    """
    clients: list[httpx.AsyncClient] = []

    async def sign_up(*, at: str = service, **fields: object) -> Person:
        number = next(_numbers)
        client = _client(at)
        clients.append(client)
        body = {
            "email": f"person{number}@example.com",
            "password": PASSWORD,
            "full_name": f"Person {number}",
            **fields,
        }
        response = await client.post("/v1/auth/signup", json=body)
        assert response.status_code == 201, response.text
        person = Person(str(body["email"]), client, {})
        person.take(response.json())
        return person

    yield sign_up
    for client in clients:
        await client.aclose()


@pytest.fixture
async def ann(new_person: NewPerson) -> Person:
    """Return somebody signed in, the owner of a family of her own."""
    return await new_person()


@pytest.fixture
async def bob(new_person: NewPerson) -> Person:
    """Return somebody else, in another family."""
    return await new_person()


@pytest.fixture
async def anybody(service: str) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client without a token."""
    async with _client(service) as client:
        yield client


Join = Callable[[Person, Person, str], Awaitable[None]]


@pytest.fixture
def join(hearth: Hearth, service: str) -> Join:
    """Return what makes somebody a member of another's family and moves their session there."""

    async def join(person: Person, host: Person, role: str) -> None:
        connection = await asyncpg.connect(hearth.url("hearth_deployer"))
        try:
            await connection.execute("set role app_auth")
            await connection.execute(
                "insert into app.family_memberships (family_id, user_id, role, display_name)"
                " values ($1, $2, $3, 'Somebody')",
                host.family_id,
                person.user_id,
                role,
            )
        finally:
            await connection.close()
        response = await person.client.post(f"/v1/families/{host.family_id}/token")
        assert response.status_code == 200, response.text
        person.take(response.json())

    return join


@dataclass(frozen=True)
class AsRole:
    """Opens connections in a database role; each is in a transaction that is rolled back."""

    hearth: Hearth
    opened: list[asyncpg.Connection] = field(default_factory=list)

    async def __call__(
        self,
        role: str,
        *,
        user_id: UUID | None = None,
        family_id: UUID | None = None,
        member_role: str | None = None,
    ) -> asyncpg.Connection:
        """Connect, take the role, begin, and set as much of a context as is given."""
        connection = await asyncpg.connect(self.hearth.url("hearth_deployer"))
        self.opened.append(connection)
        await connection.execute(f"set role {role}")
        await connection.execute("begin")
        for name, value in (
            ("user_id", user_id),
            ("family_id", family_id),
            ("member_role", member_role),
        ):
            if value is not None:
                await connection.execute(f"set local app.{name} = '{value}'")
        return connection

    def of(self, person: Person) -> dict[str, Any]:
        """Return the context of a person as arguments."""
        return {
            "user_id": person.user_id,
            "family_id": person.family_id,
            "member_role": person.role,
        }

    def on(self, hearth: Hearth) -> "AsRole":
        """Return the same for another database."""
        return replace(self, hearth=hearth)


@pytest.fixture
async def as_role(hearth: Hearth) -> AsyncIterator[AsRole]:
    """Return what connects in a database role: `await as_role("app_api", **as_role.of(ann))`."""
    opener = AsRole(hearth)
    yield opener
    for connection in opener.opened:
        await connection.close()


@pytest.fixture(scope="session")
async def _root(hearth: Hearth) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(hearth.superuser_url, statement_cache_size=0)
    yield connection
    await connection.close()


@pytest.fixture
async def root(_root: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """Yield a superuser's connection to the shared database, in a transaction not to last."""
    transaction = _root.transaction()
    await transaction.start()
    if mutation := os.environ.get("HEARTH_TEST_MUTATION_WITHIN"):
        await _root.execute(mutation)
    yield _root
    await transaction.rollback()


@pytest.fixture
async def home(root: asyncpg.Connection) -> Household:
    """Return a household, in the transaction of `root`."""
    return await make_household(root)


@pytest.fixture
async def other(root: asyncpg.Connection, home: Household) -> Household:
    """Return another, alike to the letter; the member of home is its guest."""
    return await make_household(root, guest=home.users["member"])


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[EventDict]:
    """Return the lines that requests log from now on; each is written after its answer."""
    capture = LogCapture()
    logger = structlog.wrap_logger(
        None,
        processors=[structlog.contextvars.merge_contextvars, capture],
        wrapper_class=structlog.make_filtering_bound_logger("debug"),
    )
    monkeypatch.setattr("app.http.middleware.logger", logger)
    for module in ("connecting", "pool", "transaction"):
        monkeypatch.setattr(f"app.db.{module}.logger", logger)
    monkeypatch.setattr("app.health.monitor.logger", logger)
    return capture.entries


async def wait_until_blocked(connection: asyncpg.Connection, pid: int) -> None:
    """Wait until the server process `pid` waits for a lock; fail after ten seconds."""
    async with asyncio.timeout(10):
        while not await connection.fetchval("select cardinality(pg_blocking_pids($1)) > 0", pid):
            pass  # each look is a round trip, in which others run


async def wait_until_requests_block(connection: asyncpg.Connection, requests: int) -> None:
    """Wait until so many transactions of services on this database wait for a lock."""
    query = (
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and application_name ~ '^hearth( [-0-9a-f]{36})?$'"
        " and cardinality(pg_blocking_pids(pid)) > 0"
    )
    async with asyncio.timeout(10):
        while await connection.fetchval(query) < requests:
            # A transaction keeps the first picture of the activity that it has seen.
            await connection.execute("select pg_stat_clear_snapshot()")
