"""The faults: each breaks something, stays so while the block runs, and mends it.

What blocks is run in a thread: the wire and the clients are in the loop.
"""

import asyncio
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from app import embedded, migrations
from app.settings import sql_directory
from tests.faults.stage import (
    REQUEST_TIMEOUT,
    Prepare,
    Settings,
    Stage,
    mounted,
    undisturbed,
)
from tests.support.pooler import pooled_url

Inject = Callable[[Stage], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """A fault.

    Args:
        name: As the table has it, and `--only`.
        inject: Breaks something; its end mends it.
        hold: Seconds for which it lasts at least.
        through: What the service reaches its server through: `nothing`, `wire` or `pooler`.
        settings: Environment variables of the service.
        prepare: What surrounds the service, from before its start to after its end.
        disk: MiB of a file system of its own for the data of the server; 0 for the usual one.
        ends_service: Whether the service is gone for a while.
        is_told: Whether the health has to say so.
        needs_root: Whether it mounts a file system, which only root may.
    """

    name: str
    inject: Inject
    hold: float = 3.0
    through: str = "nothing"
    settings: Settings = field(default_factory=dict)
    prepare: Prepare = undisturbed
    disk: int = 0
    needs_root: bool = False
    ends_service: bool = False
    is_told: bool = False


FAULTS: dict[str, Fault] = {}


def fault(
    *,
    hold: float = 3.0,
    through: str = "nothing",
    settings: Settings | None = None,
    prepare: Prepare = undisturbed,
    disk: int = 0,
    needs_root: bool = False,
    ends_service: bool = False,
    is_told: bool = False,
) -> Callable[[Callable[[Stage], AsyncIterator[None]]], Inject]:
    """Register a fault under the name of its function."""

    def register(function: Callable[[Stage], AsyncIterator[None]]) -> Inject:
        inject = asynccontextmanager(function)
        name = function.__name__.replace("_", "-")
        FAULTS[name] = Fault(
            name,
            inject,
            hold,
            through,
            settings or {},
            prepare,
            disk,
            needs_root or disk > 0,
            ends_service,
            is_told,
        )
        return inject

    return register


@asynccontextmanager
async def _repeated(step: Callable[[], object], *, every: float) -> AsyncIterator[None]:
    """Do something again and again while the block runs.

    Args:
        step: What blocks, and so is done in a thread.
        every: Seconds in between.
    """
    over = asyncio.Event()

    async def repeat() -> None:
        while not over.is_set():
            await asyncio.to_thread(step)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), every)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(repeat())
        yield
        over.set()


# The server's processes


@fault()
async def connections_terminated(stage: Stage) -> AsyncIterator[None]:
    """All connections of the service are ended, twice a second."""

    def end() -> None:
        stage.root(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app_api'",
            database="postgres",
        )

    async with _repeated(end, every=0.5):
        yield


@fault(hold=0)
async def server_restarted_fast(stage: Stage) -> AsyncIterator[None]:
    """The server is shut down as an administrator does it, and started again."""
    await asyncio.to_thread(embedded.stop, stage.server)
    await asyncio.to_thread(stage.start_server)
    yield


@fault(hold=0)
async def server_restarted_immediately(stage: Stage) -> AsyncIterator[None]:
    """The server is told to drop everything (SIGQUIT), and recovers when it starts."""
    os.kill(stage.postmaster(), signal.SIGQUIT)
    await asyncio.to_thread(stage.start_server)
    yield


@fault(is_told=True)
async def postmaster_killed(stage: Stage) -> AsyncIterator[None]:
    """The server's first process is killed, and nobody starts it for a while."""
    os.kill(stage.postmaster(), signal.SIGKILL)
    yield
    await asyncio.to_thread(stage.start_server)


@fault(hold=0)
async def backend_killed(stage: Stage) -> AsyncIterator[None]:
    """A process that serves the service is killed: the server ends all others and recovers."""
    os.kill((await asyncio.to_thread(stage.backends))[0], signal.SIGKILL)
    yield


@fault(hold=REQUEST_TIMEOUT + 2, is_told=True)
async def server_frozen(stage: Stage) -> AsyncIterator[None]:
    """All processes of the server stand still, and go on as if nothing had been."""
    frozen = stage.processes()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(frozen):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


# The network


@fault(through="wire", hold=REQUEST_TIMEOUT + 2, is_told=True)
async def network_silent(stage: Stage) -> AsyncIterator[None]:
    """Nothing is carried any more, and nobody is told."""
    assert stage.wire is not None
    stage.wire.silence()
    yield
    stage.wire.carry()


@fault(through="wire")
async def network_resets(stage: Stage) -> AsyncIterator[None]:
    """All connections are reset, five times a second."""
    wire, loop = stage.wire, asyncio.get_running_loop()
    assert wire is not None
    async with _repeated(lambda: loop.call_soon_threadsafe(wire.reset), every=0.2):
        yield


@fault(through="wire")
async def commit_unanswered(stage: Stage) -> AsyncIterator[None]:
    """The server commits, and its answer is lost with the connection; five times a second."""
    wire = stage.wire
    assert wire is not None

    def lose() -> None:
        wire.loses_commits = 2

    async with _repeated(lose, every=0.2):
        yield
    wire.loses_commits = 0


# The service


@fault(hold=0, ends_service=True)
async def service_killed(stage: Stage) -> AsyncIterator[None]:
    """The service is killed and started again."""
    await asyncio.to_thread(stage.service.end, signal.SIGKILL)
    await asyncio.to_thread(stage.service.start)
    yield


@fault(hold=0, ends_service=True)
async def service_terminated(stage: Stage) -> AsyncIterator[None]:
    """The service is asked to end (SIGTERM) and started again."""
    code = await asyncio.to_thread(stage.service.end, signal.SIGTERM)
    assert code == 0, code
    await asyncio.to_thread(stage.service.start)
    yield


@fault(hold=8, ends_service=True)
async def service_started_without_server(stage: Stage) -> AsyncIterator[None]:
    """The service is started while there is no server, which comes later."""
    await asyncio.to_thread(stage.service.end, signal.SIGKILL)
    await asyncio.to_thread(embedded.stop, stage.server)
    stage.service.launch()
    yield
    await asyncio.to_thread(stage.start_server)  # from here on the service has its five seconds


# What the server refuses


@fault(hold=5, is_told=True)
async def read_only(stage: Stage) -> AsyncIterator[None]:
    """The server takes no writes."""
    setting = "default_transaction_read_only"
    reload = "select pg_reload_conf()"
    await asyncio.to_thread(stage.root, f"alter system set {setting} = on", reload)
    yield
    # Whoever mends it is read-only as well.
    mine = "set session characteristics as transaction read write"
    await asyncio.to_thread(stage.root, mine, f"alter system reset {setting}", reload)


@fault(hold=5, is_told=True)
async def table_locked(stage: Stage) -> AsyncIterator[None]:
    """Somebody holds a lock that shuts everybody out of the tasks."""
    with psycopg.connect(stage.hearth.superuser_url) as root:
        await asyncio.to_thread(root.execute, "lock table app.tasks in access exclusive mode")
        yield
        root.rollback()


@fault(hold=5, is_told=True)
async def connections_exhausted(stage: Stage) -> AsyncIterator[None]:
    """The server has no connection left for the service (53300), as when others hold them all."""
    ours = f"where datname = '{stage.hearth.name}' and usename = 'app_api'"
    await asyncio.to_thread(
        stage.root,
        "alter role app_api connection limit 0",
        f"select pg_terminate_backend(pid, 2000) from pg_stat_activity {ours}",
    )
    yield
    await asyncio.to_thread(stage.root, "alter role app_api connection limit -1")


@fault(hold=4)
async def statements_slow(stage: Stage) -> AsyncIterator[None]:
    """What creates a task takes three seconds."""
    function = (
        "create or replace function public.slowly() returns trigger language plpgsql as"
        " 'begin {}; return new; end'"
    )
    await asyncio.to_thread(
        stage.root,
        function.format("perform pg_sleep(3)"),
        "grant execute on function public.slowly to public",
        "create trigger slowly before insert on app.tasks"
        " for each row execute function public.slowly()",
    )
    yield
    await asyncio.to_thread(stage.root, function.format("null"))
    await asyncio.to_thread(
        stage.root, "drop trigger slowly on app.tasks", "drop function public.slowly"
    )


@fault(hold=5)
async def deadlocks(stage: Stage) -> AsyncIterator[None]:
    """Somebody locks what the service locks, in the other order."""

    def meet() -> None:
        with suppress(psycopg.errors.DeadlockDetected), psycopg.connect(url) as root:
            root.execute("lock table app.tasks in exclusive mode")
            root.execute("select pg_sleep(0.1)")
            root.execute("lock table app.idempotency_keys in exclusive mode")

    url = stage.hearth.superuser_url
    async with _repeated(meet, every=0.2):
        yield


@contextmanager
def _one_migration_more() -> Iterator[Path]:
    """Yield a copy of sql/ with a migration that gives the tasks a column."""
    with tempfile.TemporaryDirectory(prefix="hearth-faults-") as place:
        sql = Path(place, "sql")
        shutil.copytree(sql_directory(), sql)
        newest = max(sql.glob("migrations/*[!k].sql")).stem
        own = "set local role app_owner;\nalter table app.tasks "
        files = {
            "sql": f"-- A note.\n-- depends: {newest}\n\n{own}add column note text;\n",
            "rollback.sql": f"-- Loses notes.\n\n{own}drop column note;\n",
        }
        for ending, content in files.items():
            (sql / "migrations" / f"9999_note.{ending}").write_text(content)
        yield sql


@fault(hold=5)
async def migrations_under_load(stage: Stage) -> AsyncIterator[None]:
    """A column comes to the tasks and goes again, as a migration and its rollback."""
    url = stage.hearth.url("hearth_deployer")
    with _one_migration_more() as sql:

        def up_and_down() -> None:
            migrations.migrate(url, sql)
            migrations.migrate(url, sql, rollback=1)

        async with _repeated(up_and_down, every=0.5):
            yield


# What is full


def _fill(directory: Path) -> Path:
    """Fill a file system, and return the file that does."""
    filler = directory / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
    return filler


@fault(hold=5, needs_root=True, is_told=True)
async def tablespace_full(stage: Stage) -> AsyncIterator[None]:
    """The tasks are in a tablespace that has no room left."""
    owner = stage.server.data.stat()
    with mounted(8) as disk:
        place = disk / "space"
        place.mkdir()
        os.chown(place, owner.st_uid, owner.st_gid)
        await asyncio.to_thread(
            stage.root,
            f"create tablespace small location '{place}'",
            "alter table app.tasks set tablespace small",
        )
        filler = await asyncio.to_thread(_fill, disk)
        yield
        filler.unlink()
        await asyncio.to_thread(
            stage.root,
            "alter table app.tasks set tablespace pg_default",
            "drop tablespace small",
        )


@fault(hold=5, disk=400, is_told=True)
async def disk_full(stage: Stage) -> AsyncIterator[None]:
    """The server's file system has no room left, for its log of writes neither."""
    filler = await asyncio.to_thread(_fill, stage.server.data.parent)
    yield
    filler.unlink()
    await asyncio.to_thread(stage.start_server)


class _Pipe:
    """A pipe that somebody reads, until they do not."""

    def __init__(self) -> None:
        self.reading = threading.Event()
        self.reading.set()
        self._from, self.to = os.pipe()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while os.read(self._from, 65_536):
            self.reading.wait()
        os.close(self._from)


@contextmanager
def _with_pipe(stage: Stage) -> Iterator[None]:
    stage.pipe = pipe = _Pipe()
    stage.service.log_target = pipe.to
    yield
    pipe.reading.set()
    os.close(pipe.to)


@fault(hold=REQUEST_TIMEOUT + 3, prepare=_with_pipe)
async def log_unread(stage: Stage) -> AsyncIterator[None]:
    """Nobody reads the pipe that the service writes its log to."""
    assert isinstance(stage.pipe, _Pipe)
    stage.pipe.reading.clear()
    yield
    stage.pipe.reading.set()


@contextmanager
def _with_small_log(stage: Stage) -> Iterator[None]:
    with mounted(1) as disk:
        stage.service.errors = disk / "service.log"
        yield


@fault(prepare=_with_small_log, needs_root=True)
async def log_full(stage: Stage) -> AsyncIterator[None]:
    """The file system of the service's log has no room left."""
    filler = await asyncio.to_thread(_fill, stage.service.errors.parent)
    yield
    filler.unlink()


# PgBouncer


@fault(through="pooler", hold=0)
async def server_restarted_behind_pgbouncer(stage: Stage) -> AsyncIterator[None]:
    """The server is started again behind PgBouncer, which has noticed that it was gone."""
    await asyncio.to_thread(embedded.stop, stage.server)
    await asyncio.sleep(1)  # so long that somebody has tried to get through
    await asyncio.to_thread(stage.start_server)
    yield


@fault(through="pooler", hold=8, ends_service=True)
async def service_started_without_server_behind_pgbouncer(stage: Stage) -> AsyncIterator[None]:
    """The same, where PgBouncer is there already."""
    async with service_started_without_server(stage):
        yield


@fault(through="pooler", hold=1)
async def pgbouncer_restarted(stage: Stage) -> AsyncIterator[None]:
    """PgBouncer is killed and started again."""
    await asyncio.to_thread(stage.end_pooler)
    yield
    await asyncio.to_thread(stage.start_pooler)


@fault(through="pooler", hold=REQUEST_TIMEOUT + 2, is_told=True)
async def pgbouncer_paused(stage: Stage) -> AsyncIterator[None]:
    """PgBouncer lets nobody through until it is told to go on."""
    assert stage.pooler is not None
    url = pooled_url(stage.pooler.home, "pgbouncer")
    with psycopg.connect(url, autocommit=True) as console:
        await asyncio.to_thread(console.execute, "pause")
        yield
        await asyncio.to_thread(console.execute, "resume")


# Clocks


FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


@contextmanager
def _clock(stage: Stage) -> Iterator[dict[str, str]]:
    """Make a clock that can be set, and yield the environment of who is to read it."""
    assert FAKETIME.exists(), "libfaketime is not installed (Debian: faketime)"
    with tempfile.TemporaryDirectory(prefix="hearth-clock-") as place:
        Path(place).chmod(0o755)
        stage.clock = Path(place, "clock")
        stage.clock.write_text("+0\n")
        stage.clock.chmod(0o644)
        yield {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(stage.clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@contextmanager
def _with_clock_of_service(stage: Stage) -> Iterator[None]:
    with _clock(stage) as environment:
        stage.service.settings = {**stage.service.settings, **environment}
        yield


@contextmanager
def _with_clock_of_server(stage: Stage) -> Iterator[None]:
    with _clock(stage) as environment:
        embedded.stop(stage.server)
        before = dict(os.environ)
        os.environ.update(environment)
        try:
            stage.start_server()
        finally:
            os.environ.clear()
            os.environ.update(before)
        yield
        embedded.stop(stage.server)


def _set_clock(stage: Stage, to: str) -> None:
    assert stage.clock is not None
    stage.clock.write_text(f"{to}\n")
    for person in stage.people:
        person.is_to_refresh = True


@fault(prepare=_with_clock_of_service)
async def clock_of_service_ahead(stage: Stage) -> AsyncIterator[None]:
    """The clock of the service is 31 days ahead, and is set right."""
    _set_clock(stage, "+31d")
    yield
    _set_clock(stage, "+0")


@fault(prepare=_with_clock_of_service)
async def clock_of_service_behind(stage: Stage) -> AsyncIterator[None]:
    """The clock of the service is 31 days behind, and is set right."""
    _set_clock(stage, "-31d")
    yield
    _set_clock(stage, "+0")


@fault(prepare=_with_clock_of_server)
async def clock_of_server_behind(stage: Stage) -> AsyncIterator[None]:
    """The clock of the server is 31 days behind, and is set right."""
    _set_clock(stage, "-31d")
    yield
    _set_clock(stage, "+0")


@fault(prepare=_with_clock_of_server)
async def clock_of_server_ahead(stage: Stage) -> AsyncIterator[None]:
    """The clock of the server is 31 days ahead, and is set right."""
    _set_clock(stage, "+31d")
    yield
    _set_clock(stage, "+0")
