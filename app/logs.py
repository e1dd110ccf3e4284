"""Logs: one line an event, JSON in a pipe and readable on a terminal, each with its request id.

What goes in is chosen, never dumped: names of queries and exception types, never values, so that no
secret and nothing personal can get here.
"""

import logging
import os
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog


def configure(level: str) -> None:
    """Set up structlog and quiet the libraries; `level` as in the setting `LOG_LEVEL`."""
    rendering: list[structlog.typing.Processor] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,  # given with DEBUG only
            *([_readable] if sys.stderr.isatty() else rendering),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    # asyncio reports what we handle ourselves, messages of the server included.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    # uvicorn writes lines of its own form, which a client can provoke, and tracebacks.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


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
