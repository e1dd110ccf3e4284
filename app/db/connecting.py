"""The way to the database: where it is, with what options, and how long it is waited for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog

from app.db.errors import ERRORS, DatabaseError, give_up, is_refusal
from app.db.url import for_asyncpg
from app.settings import Settings

T = TypeVar("T")

logger = structlog.get_logger("hearth.database")


def connection_options(settings: Settings) -> tuple[str, dict[str, Any]]:
    """Return the URL and the options of every connection of the service.

    Raises:
        SettingsError: `DATABASE_URL` is not set.
    """
    url, timeout = for_asyncpg(settings.require("database_url"), timeout=5)
    return url, {
        "timeout": timeout,
        # The server's own limits come first; this is for a server that is gone.
        "command_timeout": 60 + (settings.statement_timeout_ms or 0) / 1000,
        # A transaction pooler may hand each transaction to another server connection.
        "statement_cache_size": 0 if settings.database_pooler != "none" else 256,
    }


async def patiently(attempt: Callable[[], Awaitable[T]], *, within: float) -> T:
    """Return what an attempt does once the database is there; pauses grow from 0.1 to 5 s.

    Args:
        attempt: What is tried.
        within: Seconds after which it is given up.

    Raises:
        DatabaseError: The database is not there in time, or refuses us: then at once.
    """
    deadline = time.monotonic() + within
    pause = 0.1
    while True:
        try:
            return await attempt()
        except (*ERRORS, DatabaseError) as error:
            left = deadline - time.monotonic()
            if is_refusal(error) or pause > left:
                give_up(error)
            logger.warning(
                "waiting for the database of DATABASE_URL",
                reason=type(error).__name__,
                seconds_left=round(left, 1),
            )
        await asyncio.sleep(pause)  # a server that is away tells nobody when it is back
        pause = min(pause * 2, 5.0)
