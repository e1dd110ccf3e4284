"""Who is measured: Hearth itself, pgbench, and those of `bench/peers`."""

import hashlib
import http.client
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.data import PLACE
from bench.errors import BenchError
from bench.processes import require_free, running
from bench.workloads import REQUESTS_OF, Request

DIRECTORY = Path(__file__).parent / "peers"

HEARTH, PGBENCH = "hearth", "pgbench"


@dataclass(frozen=True)
class Peer:
    """A service that is measured.

    Args:
        name: What it is called on the command line.
        title: What the page calls it.
        needs: Commands that must be on PATH.
        install: Commands that are run once in its working copy.
        start: The command that serves.
        version: Commands or files that tell a version, by what it is of.
        requests: Its requests, by workload, where they are not Hearth's.
        answers: By workload, the names that lead to what Hearth answers, with dots between them.
        absent: The workloads that it does not have, each with the reason.
        environment: Variables of its own.
    """

    name: str
    title: str
    needs: Sequence[str] = ()
    install: Sequence[Sequence[str]] = ()
    start: Sequence[str] = ()
    version: Mapping[str, Sequence[str] | str] = field(default_factory=dict)
    requests: Mapping[str, Request] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> Sequence[str]:
        """The commands it needs that are not on PATH."""
        return [command for command in self.needs if shutil.which(command) is None]

    @property
    def all_requests(self) -> Mapping[str, Request]:
        """Its requests by workload."""
        return {**REQUESTS_OF, **self.requests}

    @property
    def place(self) -> Path:
        """Its working copy."""
        return PLACE / "peers" / self.name


_HEARTH = Peer(
    name=HEARTH,
    title="Hearth",
    start=(sys.executable, "-m", "app.cli", "serve"),
    environment={
        "ENVIRONMENT": "production",
        "CORS_ORIGINS": "https://home.example",
        "SIGN_IN_RATE_LIMIT": "1000000",
        "SIGN_UP_RATE_LIMIT": "1000000",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    },
)
_PGBENCH = Peer(name=PGBENCH, title="pgbench, the same transaction")


def all_peers() -> Mapping[str, Peer]:
    """Return every peer by its name: Hearth first.

    Raises:
        BenchError: A peer.toml is wrong.
    """
    found = [_read(path) for path in sorted(DIRECTORY.glob("*/peer.toml"))]
    return {peer.name: peer for peer in (_HEARTH, _PGBENCH, *found)}


def _read(path: Path) -> Peer:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        requests = content.pop("requests", {})
        return Peer(
            name=path.parent.name,
            requests={workload: Request(**each) for workload, each in requests.items()},
            **content,
        )
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise BenchError(f"{path}: {error}") from error


def is_to_be_installed(peer: Peer) -> bool:
    """Say whether a peer has no working copy of its files as they are now."""
    if peer.name in (HEARTH, PGBENCH):
        return False
    stamp = _stamp(peer)
    return not stamp.is_file() or stamp.read_text("utf-8") != _digest(peer)


def install(peer: Peer) -> None:
    """Make a peer's working copy.

    Raises:
        BenchError: One of its commands failed.
    """
    _stamp(peer).unlink(missing_ok=True)
    shutil.rmtree(peer.place, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    shutil.copytree(DIRECTORY / peer.name, peer.place, ignore=ignored)
    for command in peer.install:
        done = _run(command, peer.place)
        if done.returncode != 0:
            what = " ".join(command)
            raise BenchError(f"{peer.title}: {what} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    _stamp(peer).write_text(_digest(peer), "utf-8")


def _stamp(peer: Peer) -> Path:
    return peer.place.with_name(f"{peer.name}.installed")


def _digest(peer: Peer) -> str:
    source, digest = DIRECTORY / peer.name, hashlib.sha256()
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        if not {"__pycache__", "node_modules"} & set(path.parts):
            digest.update(str(path.relative_to(source)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def versions(peer: Peer) -> Mapping[str, str]:
    """Return what an installed peer is made of.

    Raises:
        BenchError: A version cannot be told.
    """
    found = {}
    for name, source in peer.version.items():
        if isinstance(source, str):
            text = (peer.place / source).read_text("utf-8")
            pairs = re.findall(r"^\s*([\w./-]+)(?:==|\s+)(v?\d[\w.+-]*)", text, re.MULTILINE)
            found[name] = ", ".join(f"{what} {version}" for what, version in pairs)
        else:
            done = _run(source, peer.place)
            if done.returncode != 0:
                what = " ".join(source)
                raise BenchError(f"{peer.title}: {what} failed:\n{done.stderr[-2000:]}")
            found[name] = done.stdout.strip()
    return found


def _run(command: Sequence[str], place: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchError(f"{command[0]} cannot be run ({error.strerror})") from error


@contextmanager
def serving(
    peer: Peer, *, url: str, secret: str, port: int, workers: int, pool: int, token: str
) -> Iterator[int]:
    """Run a peer until the end of the block; yield the id of its first process.

    Args:
        peer: Who.
        url: Of the database, as the service's login.
        secret: That signs access tokens.
        port: Where it listens.
        workers: Processes.
        pool: Connections of each.
        token: With which it is asked whether it is ready.
    """
    require_free(port)
    own = {
        "PORT": str(port),
        "DATABASE_URL": url,
        "JWT_SECRET": secret,
        "WORKERS": str(workers),
        "POOL_SIZE": str(pool),
        "POOL_MIN_SIZE": str(pool),
        "POOL_MAX_SIZE": str(pool),
        **peer.environment,
    }
    # Without a .env of somebody's that says otherwise.
    place = PLACE if peer.name == HEARTH else peer.place
    log = PLACE / f"{peer.name}.log"
    start = peer.start
    if (place / start[0]).is_file():  # its own, such as a program that was just built
        start = [str(place / start[0]), *start[1:]]
    ready = peer.all_requests["me"].filled({"token": token})
    with running(
        start, place=place, environment=own, log=log, is_ready=lambda: _answers(port, ready)
    ) as process:
        yield process


def _answers(port: int, request: Request) -> bool:
    try:
        return sent(port, request)[0] == 200
    except BenchError:
        return False


def sent(port: int, request: Request) -> tuple[int, str]:
    """Send a request; return the status and the body.

    Raises:
        BenchError: It was not answered.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        body = request.body or None
        connection.request(request.method, request.path, body, dict(request.headers))
        response = connection.getresponse()
        return response.status, response.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"{request.method} {request.path}: not answered ({error})") from error
    finally:
        connection.close()
