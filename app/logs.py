"""Logs: one line an event, JSON in a pipe and readable on a terminal, each with its request id.

What goes in is chosen, never dumped: names of queries and exception types, never values, so that no
secret and nothing personal can get here.

Nobody who logs waits for the reader: a thread writes. When too many lines wait, or none can be
written, they are dropped and counted, and a line says how many as soon as that is possible.
"""

import atexit
import json
import logging
import os
import select
import sys
import traceback
from collections.abc import Callable, MutableMapping
from itertools import accumulate
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

import structlog

# Lines that may wait to be written; of requests, about two megabytes.
MAX_WAITING = 4096

# Bytes that are written at once, about.
MAX_BATCH = 65_536

# Seconds in which lines are gathered: to wake the thread for each one costs more than the line.
GATHERED = 0.02

# Seconds that the end of the process waits for what has not been written yet.
END_LIMIT = 1.0


class Writer:
    """A file, of which a thread does the writing; `write` never waits and never fails.

    Args:
        descriptor: Where to write; `None` if that is nowhere.
        notice: Returns the line that says how many were dropped.
    """

    def __init__(self, descriptor: int | None, notice: Callable[[int], str]) -> None:
        self._descriptor = descriptor
        self._notice = notice
        self._waiting: SimpleQueue[bytes | None] = SimpleQueue()
        self._lock = Lock()
        self._closing = Event()
        self._dropped = self._told = self._taken = 0
        self._thread = Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Let a line be written, or drop it if too many wait."""
        if self._waiting.qsize() >= MAX_WAITING:
            self._drop(1)
            return
        self._waiting.put(text.encode(errors="backslashreplace"))

    def flush(self) -> None:
        """Do nothing: a file has it."""

    def take_dropped(self) -> int:
        """Return how many lines have been dropped since this was last called."""
        with self._lock:
            number, self._taken = self._dropped - self._taken, self._dropped
        return number

    def close(self) -> None:
        """Write what waits, as far as `END_LIMIT` allows."""
        self._closing.set()
        self._waiting.put(None)
        self._thread.join(END_LIMIT)

    def _drop(self, number: int) -> None:
        with self._lock:
            self._dropped += number

    def _run(self) -> None:
        is_open, size = True, 0
        while is_open:
            batch = [self._waiting.get()]
            if size < MAX_BATCH:  # else more waits already
                self._closing.wait(GATHERED)
            size = len(batch[0] or b"")
            while batch[-1] is not None and size < MAX_BATCH:
                try:
                    batch.append(self._waiting.get_nowait())
                except Empty:
                    break
                size += len(batch[-1] or b"")
            is_open = batch[-1] is not None
            if self._put([line for line in batch if line is not None]):
                self._tell()

    def _tell(self) -> None:
        dropped = self._dropped
        if dropped > self._told and self._put([self._notice(dropped - self._told).encode()]):
            self._told = dropped

    def _put(self, lines: list[bytes]) -> bool:
        """Write lines, and count those that cannot be."""
        content, written = b"".join(lines), 0
        try:
            while written < len(content):
                written += self._write(content[written:])
        except OSError:  # no space, no reader: others are tried as they come
            self._drop(sum(end > written for end in accumulate(map(len, lines))))
            return False
        return True

    def _write(self, content: bytes) -> int:
        if self._descriptor is None:
            return len(content)
        try:
            return os.write(self._descriptor, content)
        except BlockingIOError:  # whoever else has the pipe made it so
            select.select([], [self._descriptor], [])
            return 0


_writer: Writer | None = None


def write(text: str) -> None:
    """Write to stderr: by the writer, if there is one."""
    if _writer is not None:
        _writer.write(text)
    elif sys.stderr is not None:
        sys.stderr.write(text)


def take_dropped() -> int:
    """Return how many lines have been dropped since this was last called."""
    return 0 if _writer is None else _writer.take_dropped()


def configure(level: str) -> None:
    """Set up structlog and quiet the libraries; `level` as in the setting `LOG_LEVEL`."""
    global _writer
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    rendering: list[structlog.typing.Processor] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(serializer=_encode),
    ]
    if is_terminal:
        rendering = [_readable]

    def notice(number: int) -> str:
        event: Any = {"event": "log lines dropped", "number": number, "level": "warning"}
        for process in rendering:
            event = process(None, "warning", event)
        return f"{event}\n"

    if _writer is None:
        # Without a stderr its number may be anybody's: of a socket, for example.
        _writer = Writer(None if sys.stderr is None else sys.stderr.fileno(), notice)
        atexit.register(_writer.close)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,  # given with DEBUG only
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(_writer),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()])
    # asyncio reports what we handle ourselves, messages of the server included.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    # uvicorn writes lines of its own form, which a client can provoke, and tracebacks.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


_encoder = json.JSONEncoder(default=repr)


def _encode(event: object, **_: object) -> str:
    return _encoder.encode(event)


class _Libraries(logging.Handler):
    """Turns what libraries say into lines as ours are, without tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        log = structlog.get_logger(record.name)
        tell = log.error if record.levelno >= logging.ERROR else log.warning
        tell(record.getMessage(), library=record.name)


def _readable(_: object, level: str, event: MutableMapping[str, Any]) -> str:
    """Render an event for a reader: what happened, then, dim, everything else about it."""
    name = event.pop("event")
    del event["level"]
    below = [*event.pop("where", ()), *event.pop("exception", "").splitlines()]
    line = name if level == "info" else f"{level}: {name}"
    if name == "request":
        route = event.pop("route") or "(no such path)"
        took = f"{event.pop('milliseconds'):.0f} ms"
        line = f"{event.pop('method')} {route} {event.pop('status')} {took}"
    rest = " ".join(f"{key}={value}" for key, value in event.items())
    dim, end = ("", "") if os.environ.get("NO_COLOR") else ("\x1b[2m", "\x1b[0m")
    return "\n    ".join((f"{line}  {dim}{rest}{end}", *below))


def where(error: BaseException) -> list[str]:
    """Return an exception's frames as `file:line function`, without its message or any value."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
