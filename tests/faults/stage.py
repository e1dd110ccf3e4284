"""The stage: a real server, a real `hearth serve` before it, and what breaks in between."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import psycopg

from app import embedded, migrations
from app.db.admin import run_as_ops
from app.settings import sql_directory
from tests.conftest import Cluster, temporary_server
from tests.faults.clients import Client, Gone, Ledger
from tests.support.fixtures import JWT_SECRET, Hearth, bootstrap
from tests.support.pooler import API_PASSWORD, Pooler, configured, pooled_url
from tests.support.wire import Wire

# Seconds: what a request may take, and how many connections there are.
REQUEST_TIMEOUT = 5.0
POOL = 8

Settings = Mapping[str, object]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Service:
    """`hearth serve`, which can be killed and started again at the same place.

    Args:
        settings: Environment variables.
        errors: The file that it writes its log to.
    """

    settings: Settings
    errors: Path
    port: int = field(default_factory=free_port)
    operators: int = field(default_factory=free_port)
    log_target: int | None = None  # a descriptor in the place of the file
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self.launch()
        self.until_ready()

    def launch(self) -> None:
        """Start it."""
        environment = {name: str(value) for name, value in self.settings.items()}
        with self.errors.open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "serve"],
                env={
                    **os.environ,
                    **environment,
                    "PORT": str(self.port),
                    "OPERATOR_PORT": str(self.operators),
                },
                stdout=subprocess.PIPE,
                stderr=errors if self.log_target is None else self.log_target,
                text=True,
            )

    def until_ready(self) -> None:
        """Wait until it serves."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("Hearth serves on"), self.errors.read_text()[-2000:]

    def end(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@dataclass
class Stage:
    """Everything a fault can break.

    Args:
        hearth: The migrated database.
        server: Its server, which is started again when it is gone.
        service: What the clients talk to.
        wire: What is between the two, if the fault is one of the network.
        pooler: A PgBouncer between them, if the fault is one of it.
    """

    hearth: Hearth
    server: embedded.Server
    service: Service
    ledger: Ledger
    wire: Wire | None = None
    pooler: Pooler | None = None
    pooler_run: ExitStack = field(default_factory=ExitStack)
    people: Sequence[Client] = ()
    pipe: object = None
    clock: Path | None = None

    def root(self, *statements: str, database: str | None = None) -> list[Any]:
        """Run statements as superuser, and return the rows of the last one."""
        url = self.hearth.cluster.url(self.hearth.cluster.user, database or self.hearth.name)
        with psycopg.connect(url, autocommit=True) as root:
            for statement in statements:
                found = root.execute(statement)
            return found.fetchall() if found.description else []

    def start_pooler(self) -> None:
        """Start PgBouncer."""
        assert self.pooler is not None
        self.pooler_run.enter_context(self.pooler.running())

    def end_pooler(self) -> None:
        """Kill PgBouncer."""
        self.pooler_run.close()

    def start_server(self) -> None:
        """Start the server where it is not there."""
        server = self.server
        embedded.start(server.data, version=server.version, binaries=server.binaries)

    def postmaster(self) -> int:
        """Return the process id of the server."""
        return int((self.server.data / "postmaster.pid").read_text().splitlines()[0])

    def processes(self) -> list[int]:
        """Return the process ids of the server and of all its children."""
        postmaster = self.postmaster()
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        return [postmaster, *map(int, children)]

    def backends(self) -> list[int]:
        """Return the process ids that serve the service."""
        rows = self.root(
            "select pid from pg_stat_activity where backend_type = 'client backend'"
            f" and usename = 'app_api' and datname = '{self.hearth.name}'",
            database="postgres",
        )
        return [row[0] for row in rows]


Prepare = Callable[[Stage], AbstractContextManager[None]]


def undisturbed(_: Stage) -> AbstractContextManager[None]:
    """Prepare nothing."""
    return nullcontext()


@contextmanager
def mounted(mebibytes: int) -> Iterator[Path]:
    """Yield a directory that is a small file system of its own; as root only."""
    with tempfile.TemporaryDirectory(prefix="hearth-disk-") as place:
        size = f"size={mebibytes}m,mode=0755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], check=True)
        try:
            yield Path(place)
        finally:
            # Detached at once: who still has files there keeps them.
            subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def migrated_server(*, disk: int = 0) -> Iterator[tuple[embedded.Server, Hearth]]:
    """Run a durable server with a migrated database.

    Args:
        disk: MiB of a file system of its own; 0 for the usual one.
    """
    with ExitStack() as stack:
        where = stack.enter_context(mounted(disk)) if disk else None
        server = stack.enter_context(temporary_server(durable=True, where=where))
        hearth = Hearth(Cluster(str(server.socket), 5432, "postgres"), "hearth")
        bootstrap(hearth.cluster, hearth.name)
        migrations.migrate(hearth.url("hearth_deployer"), sql_directory())
        months = {"months_ahead": 12}
        asyncio.run(run_as_ops(hearth.url("hearth_deployer"), "ensure_audit_partitions", months))
        yield server, hearth


@asynccontextmanager
async def staged(
    hearth: Hearth,
    server: embedded.Server,
    place: Path,
    *,
    through: str,
    settings: Settings | None = None,
    prepare: Prepare = undisturbed,
) -> AsyncIterator[Stage]:
    """Start a service on a database.

    Args:
        hearth: The database.
        server: Its server.
        place: A directory for the log.
        through: What it goes through: `nothing`, `wire` or `pooler`.
        settings: Environment variables that are not the usual ones.
        prepare: What surrounds the service.
    """
    ledger = Ledger()
    async with AsyncExitStack() as stack:
        url, more, wire, pooler = hearth.url("app_api"), {}, None, None
        if through == "wire":
            wire = await stack.enter_async_context(Wire(hearth.cluster))
            url = wire.url(hearth.name)
        if through == "pooler":
            where = f"host={server.socket} port=5432"
            ways = {"admin_users": "app_api"}
            pooler = stack.enter_context(configured(hearth.name, where, API_PASSWORD, **ways))
            url, more = pooled_url(pooler.home, hearth.name), {"DATABASE_POOLER": "transaction"}
        service = Service(
            {
                "DATABASE_URL": url,
                "JWT_SECRET": JWT_SECRET,
                "LOG_LEVEL": "info",
                "POOL_MAX_SIZE": POOL,
                "REQUEST_TIMEOUT": REQUEST_TIMEOUT,
                "SIGN_UP_RATE_LIMIT": 1_000_000,
                "SIGN_IN_RATE_LIMIT": 1_000_000,
                **more,
                **(settings or {}),
            },
            place / "service.log",
        )
        stage = Stage(hearth, server, service, ledger, wire, pooler)
        stack.enter_context(prepare(stage))
        if pooler is not None:
            stage.start_pooler()
            stack.callback(stage.end_pooler)
        # Its start waits for the wire, which is in our loop.
        await asyncio.to_thread(service.start)
        try:
            yield stage
        finally:
            with suppress(ProcessLookupError):
                await asyncio.to_thread(service.end, signal.SIGKILL)


@dataclass
class Health:
    """Who asks for the health all the time, and notes how it changes."""

    port: int
    began: float = field(default_factory=time.monotonic)
    seen: list[tuple[float, str]] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)

    async def watch(self) -> None:
        """Ask ten times a second."""
        client = Client(self.port, self.ledger)
        while True:
            try:
                async with asyncio.timeout(2):
                    state = str(json.loads((await client.send("GET", "/health")).body)["state"])
            except (Gone, TimeoutError):
                client.close()
                state = "silent"
            if not self.seen or self.seen[-1][1] != state:
                self.seen.append((time.monotonic(), state))
            await asyncio.sleep(0.1)  # the period of the looks

    @property
    def state(self) -> str:
        """The last one that was seen."""
        return self.seen[-1][1] if self.seen else "none"

    @property
    def flaps(self) -> int:
        """How many times it was worse again after it had been healthy again."""
        left = [was for (_, was), _ in pairwise(self.seen) if was == "healthy"]
        return max(len(left) - 1, 0)

    def noticed(self, since: float) -> float:
        """Return the seconds from `since` until it was not healthy, 0 if it was not by then."""
        before = [state for at, state in self.seen if at <= since]
        if before and before[-1] != "healthy":
            return 0.0
        later = (at - since for at, state in self.seen if at > since and state != "healthy")
        return next(later, inf)

    def told(self, since: float) -> str:
        """Return the states, each with its seconds from `since` on."""
        return ", ".join(f"{state} {at - since:+.1f}" for at, state in self.seen)
