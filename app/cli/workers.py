"""`hearth serve --workers N`: processes that serve, and one that supervises them.

The supervisor has the listening sockets, one a worker, between which the kernel shares connections
out; it never serves. A worker inherits that of its predecessor, so nothing that waits to be
accepted is lost with one of them, and those of the others, to take what waits for too long. Each is
a new Python, started as `hearth worker`: it has no loop, thread or connection of somebody else's,
and the code and the settings of that moment. A pair of sockets lies between the two: there a worker
says that it is ready, there it is told that all end, and each notices when the other is gone.

SIGTERM and SIGINT drain all; the second one kills them. SIGHUP replaces one after the other: each
drains when its successor is ready, and the next when it has ended, so that there is one pool of
connections more than before and not twice as many.
"""

import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from app.http import metrics
from app.settings import Settings

logger = structlog.get_logger("hearth.workers")

# Seconds that a worker has to live, or the pause before the next one grows.
SOUND = 10.0
MAX_PAUSE = 30.0

# Seconds that a worker may take to end beyond what its drain and its requests take.
PATIENCE = 10.0

RETIRE = signal.SIGUSR1

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    line: socket.socket
    listener: socket.socket
    replaces: "_Worker | None"
    began: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    is_leaving: bool = False


def supervise(settings: Settings, listener: socket.socket, *, on_ready: Callable[[], None]) -> int:
    """Keep `settings.workers` workers on the socket until a signal; return the exit code.

    It is that of a worker that could not start while no other served; the worker has said why.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a directory of our own in it, or in the usual place
    place = memory if os.access(memory, os.W_OK) else None
    figures = tempfile.mkdtemp(prefix="hearth-", dir=place)
    supervisor = _Supervisor(settings, listener, figures, on_ready)
    try:
        supervisor.run()
    finally:
        supervisor.kill()
        supervisor.wait()
        shutil.rmtree(figures)
    return supervisor.code


class _Supervisor:
    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        figures: str,
        on_ready: Callable[[], None],
    ) -> None:
        self.code = 0
        self._settings = settings
        self._listeners = _shared(listener, settings.workers)
        self._figures = figures
        self._on_ready: Callable[[], None] | None = on_ready
        self._workers: list[_Worker] = []
        self._outdated: list[_Worker] = []
        self._failures = 0
        self._not_before = 0.0
        self._killed_at: float | None = None
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Start workers and keep their number until none is left."""
        numbers, wakeup = socket.socketpair()
        numbers.setblocking(False)
        wakeup.setblocking(False)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)  # its number arrives at the socket
        signal.set_wakeup_fd(wakeup.fileno())
        self._selector.register(numbers, selectors.EVENT_READ, None)
        self._fill_up()
        while self._workers or self._killed_at is None:
            for key, _ in self._selector.select(self._patience()):
                if key.data is not None:
                    self._hear(key.data)
                    continue
                for received in numbers.recv(64):
                    self._obey(received)
            if self._killed_at is None:
                self._replace_next()
                self._fill_up()
            elif time.monotonic() >= self._killed_at:
                self.kill()
        signal.set_wakeup_fd(-1)

    def kill(self) -> None:
        """End all workers at once."""
        for worker in self._workers:
            worker.process.kill()

    def wait(self) -> None:
        """Wait until no worker is left."""
        for worker in self._workers:
            worker.process.wait()

    def _obey(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._outdated = [one for one in self._workers if not one.is_leaving]
        elif number in _SIGNALS and self._killed_at is None:
            self._stop(number)
        elif number in _SIGNALS:
            self.kill()

    def _stop(self, number: int) -> None:
        limit = self._settings.drain_delay + self._settings.request_timeout + PATIENCE
        self._killed_at = time.monotonic() + limit
        # What nobody accepts is to be refused, as soon as the last worker does not listen.
        for listener in self._listeners:
            listener.close()
        for worker in self._workers:
            with suppress(OSError):  # it is gone
                worker.line.send(b".")
            worker.process.send_signal(number)

    def _hear(self, worker: _Worker) -> None:
        if not worker.line.recv(1):
            self._bury(worker)
            return
        worker.is_ready = True
        if worker.replaces is not None:
            worker.replaces.is_leaving = True
            gently = RETIRE if worker.replaces.is_ready else signal.SIGTERM
            worker.replaces.process.send_signal(gently)
            worker.replaces = None
        ready = [one for one in self._workers if one.is_ready and not one.is_leaving]
        if self._on_ready is not None and len(ready) == self._settings.workers:
            self._on_ready()
            self._on_ready = None

    def _bury(self, worker: _Worker) -> None:
        self._selector.unregister(worker.line)
        worker.line.close()
        status = worker.process.wait()
        self._workers.remove(worker)
        metrics.bury(self._figures, worker.process.pid)
        for successor in self._workers:
            if successor.replaces is worker:
                successor.replaces = None
        if self._killed_at is not None or worker.is_leaving:
            return
        if worker.replaces is not None:
            self._outdated.clear()
            logger.error("worker did not start, the others stay", status=status)
            return
        if not worker.is_ready and not any(one.is_ready for one in self._workers):
            if status < 0:
                logger.error("worker was killed while it started", status=status)
            self.code = max(status, 1)
            self._stop(signal.SIGTERM)
            return
        is_sound = worker.is_ready and time.monotonic() - worker.began > SOUND
        self._failures = 0 if is_sound else self._failures + 1
        pause = min(0.25 * 2**self._failures, MAX_PAUSE) if self._failures else 0.0
        self._not_before = time.monotonic() + pause
        logger.error("worker died", pid=worker.process.pid, status=status, pause=pause)

    def _missing(self) -> int:
        # The first one shows whether the others can start at all.
        wanted = self._settings.workers if any(one.is_ready for one in self._workers) else 1
        return wanted - sum(not one.is_leaving and one.replaces is None for one in self._workers)

    def _fill_up(self) -> None:
        if time.monotonic() >= self._not_before:
            for _ in range(self._missing()):
                self._start()

    def _replace_next(self) -> None:
        if any(one.is_leaving or one.replaces is not None for one in self._workers):
            return
        self._outdated = [one for one in self._outdated if one in self._workers]
        if self._outdated:
            self._start(replaces=self._outdated.pop(0))

    def _patience(self) -> float | None:
        if self._killed_at is not None:
            return max(0.0, self._killed_at - time.monotonic()) or 0.1
        return max(0.0, self._not_before - time.monotonic()) if self._missing() > 0 else None

    def _start(self, replaces: _Worker | None = None) -> None:
        taken = [one.listener for one in self._workers if not one.is_leaving]
        free = (one for one in self._listeners if one not in taken)
        own = next(free) if replaces is None else replaces.listener
        others = [one for one in self._listeners if one is not own]
        ours, theirs = socket.socketpair()
        # The same code, whatever the working directory has.
        paths = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            metrics.DIRECTORY: self._figures,
        }
        with theirs:
            handed = [one.fileno() for one in (theirs, own, *others)]
            process = subprocess.Popen(  # noqa: S603 - of ourselves
                [sys.executable, "-P", "-m", "app.cli", "worker", *map(str, handed)],
                env=environment,
                pass_fds=handed,
                # A terminal's Ctrl-C comes from the supervisor alone.
                start_new_session=True,
            )
        worker = _Worker(process, ours, own, replaces)
        self._workers.append(worker)
        self._selector.register(ours, selectors.EVENT_READ, worker)


def _shared(listener: socket.socket, number: int) -> list[socket.socket]:
    """Return listening sockets at the address of the first one, which is among them.

    It was bound alone, so that a taken port is told; only then others may join it.
    """
    if sys.platform == "linux":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listeners = [listener]
    for _ in range(number - 1):
        if sys.platform != "linux":  # elsewhere the last one would get all connections
            listeners.append(listener.dup())
            continue
        another = socket.socket(listener.family, proto=listener.proto)
        another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        another.bind(listener.getsockname())
        another.listen(1024)
        listeners.append(another)
    return listeners


@contextmanager
def supervised_by(line: socket.socket) -> Iterator[threading.Event]:
    """Drain when the supervisor is gone, for nobody else would end this process or clear up.

    The event that it yields is set when all workers end.
    """
    all_end, is_orphan = threading.Event(), threading.Event()

    def wait() -> None:
        if line.recv(1):
            all_end.set()
            line.recv(1)
        is_orphan.set()
        all_end.set()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
    try:
        yield all_end
    finally:
        if is_orphan.is_set():
            shutil.rmtree(os.environ[metrics.DIRECTORY], ignore_errors=True)
