"""Logs: one line an event, JSON in a pipe and readable on a terminal, each with its request id.

What goes in is chosen, never dumped: names of queries and exception types, never values, so that no
secret and nothing personal can get here.
"""

import logging
import sys
import traceback

import structlog


def configure(level: str) -> None:
    """Set up structlog and quiet the libraries; `level` as in the setting `LOG_LEVEL`."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,  # given with DEBUG only
            renderer,
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


def where(error: BaseException) -> list[str]:
    """Return an exception's frames as `file:line function`, without its message or any value."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
