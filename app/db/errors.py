"""What goes wrong with a database, and how it is told: in a line, without secrets."""

from typing import NoReturn

import asyncpg

from app.settings import SettingsError

# All that goes wrong with a connection. InternalClientError is what asyncpg says of one that died
# between two messages, or of a server that is not the one `target_session_attrs` asks for.
ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

# What is wrong with DATABASE_POOLER where a connection cannot be pinned from its start, or finds
# what another one prepared.
WRONG_POOLER = (
    "DATABASE_URL leads to a pooler; it should be transaction, or prepared if the pooler follows"
    " prepared statements"
)

_UNPINNED = "unsupported startup parameter"


# PgBouncer has one SQLSTATE, 08P01, for all it says, and one language. The rest of it passes: a
# server that it waits for, a database that it holds up.
_POOLERS_REFUSALS = (
    "authentication failed",
    "no such user",
    "no such database",
    _UNPINNED,
)


class DatabaseError(Exception):
    """The database cannot be used; one line that says why, without secrets."""


class BusyError(DatabaseError):
    """Somebody held a lock for too long; the same may succeed later."""


class PoolTimeoutError(DatabaseError):
    """No connection became free in time."""


class OverloadedError(DatabaseError):
    """Too many wait for a connection already; the same may succeed later."""


class ConnectionLostError(DatabaseError):
    """The connection broke or was silent before COMMIT was sent: nothing was written."""


class OutcomeUnknownError(DatabaseError):
    """COMMIT was sent and not answered: what was written is there, or it is not."""


# The server ended the connection and will be back (PostgreSQL documentation, appendix A): shut down
# by somebody, after a crash, not ready yet, and a session that was idle for too long.
_GOING = {"57P01", "57P02", "57P03", "57P05"}


def is_lost(error: BaseException) -> bool:
    """Say whether the connection is what failed, or that there is none: another one may do.

    A `TimeoutError` says nothing of it: somebody waited no longer.
    """
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state.startswith("08") or state in _GOING
    if isinstance(error, asyncpg.InterfaceError):  # of a value or an option it is a ValueError, too
        return not isinstance(error, ValueError)
    is_broken = isinstance(error, OSError) and not isinstance(error, TimeoutError)
    return is_broken or isinstance(error, asyncpg.InternalClientError)


def tells_nothing(error: BaseException) -> bool:
    """Say whether what ended a COMMIT leaves open whether it was done.

    So it is where the connection broke, the server went down, or nobody waited any longer. Every
    other error of the server undid the transaction.
    """
    return not isinstance(error, asyncpg.PostgresError) or is_lost(error)


def is_refusal(error: Exception) -> bool:
    """Say whether the server, or what leads there, will not have us: waiting helps nobody then."""
    # 28: wrong login. 3D: no such database. 3F, 42: not the schema we know, or a pooler that we do
    # not. 26: such a pooler as well.
    if isinstance(error, asyncpg.ProtocolViolationError):
        return any(part in str(error) for part in _POOLERS_REFUSALS)
    if isinstance(error, asyncpg.ClientConfigurationError):
        return True
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] in {
        "26",
        "28",
        "3D",
        "3F",
        "42",
    }


def give_up(error: Exception, variable: str = "DATABASE_URL") -> NoReturn:
    """Say why a URL leads nowhere.

    Args:
        error: What came of it.
        variable: The name of the setting.

    Raises:
        SettingsError: It was one, which says why itself.
        DatabaseError: Else.
    """
    state = getattr(error, "sqlstate", None) or ""
    if isinstance(error, SettingsError) or type(error) is DatabaseError:
        raise error
    if state[:2] == "3D" or "no such database" in str(error):
        raise DatabaseError(f"{variable}: the server has no such database") from None
    if state in {"26000", "42P05"} or _UNPINNED in str(error):
        raise DatabaseError(f"DATABASE_POOLER: {WRONG_POOLER}") from None
    if state[:2] == "28" or (state == "08P01" and is_refusal(error)):
        raise DatabaseError(f"{variable}: the server refuses this login") from None
    if state in {"42P01", "42883", "3F000"}:
        raise DatabaseError("the database is not migrated; run: hearth migrate") from None
    if state == "42501":
        raise DatabaseError(
            f"{variable}: this login may not use schema app; it should be app_api"
        ) from None
    if state[:2] == "42" or isinstance(error, asyncpg.ClientConfigurationError):
        raise DatabaseError(f"{variable}: has an option that is not understood") from None
    raise DatabaseError(f"{variable}: cannot reach the server ({type(error).__name__})") from None
