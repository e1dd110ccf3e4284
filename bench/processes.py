"""Programs that the bench starts: each ends with it, and so does whatever it started."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError

# Seconds to begin to serve, and to end after SIGTERM.
PATIENCE = 60.0
LAST_WORDS = 10.0


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    place: Path,
    environment: Mapping[str, str],
    log: Path,
    is_ready: Callable[[], bool],
) -> Iterator[int]:
    """Run a program until the end of the block; yield its id once it is ready.

    Args:
        command: What to run.
        place: Where.
        environment: Its own variables, beside ours.
        log: Where its output goes.
        is_ready: Asked again and again.

    Raises:
        BenchError: It ended before it was ready, or took longer than `PATIENCE`.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=place,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that ^C comes to us, and all of its own can be ended
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{command[0]} did not begin to serve:\n{_end_of(log)}")
            time.sleep(0.05)  # a server in another language tells nobody when it listens
        yield process.pid
        if process.poll() is not None:
            raise BenchError(f"{command[0]} ended while it was measured:\n{_end_of(log)}")
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # The first process may be gone while its children are not.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(LAST_WORDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def require_free(port: int) -> None:
    """Raise `BenchError` if somebody listens at a port of 127.0.0.1."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError as error:
            message = f"port {port} of 127.0.0.1 cannot be used ({error.strerror}): --port=…"
            raise BenchError(message) from None


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
