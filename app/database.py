"""The database: queries loaded from `sql/queries`, one pool, one door to a transaction.

All SQL text here is transaction control. Values put into it are UUIDs and an enum member that were
parsed before, never a client's text.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import aiosql
import asyncpg
import structlog
from aiosql.adapters.asyncpg import AsyncPGAdapter

from app.settings import Settings, SettingsError, sql_directory

T = TypeVar("T")

logger = structlog.get_logger("hearth.database")

# What a live migration does to statements prepared before it, and what two writers do to each
# other: the transaction has been rolled back whole and may run again.
_RETRIED = (
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
)


ASSERTION = "SELECT app.assert_membership()"

# A connection whose rollback takes longer (seconds) is given up; the server rolls back by itself.
ROLLBACK_LIMIT = 1.0


class MemberRole(StrEnum):
    """The roles of a family, as in the type `app.member_role`."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Context:
    """For whom a transaction acts: a user, the session, and the family with the role in it."""

    user_id: UUID
    session_id: UUID | None = None
    family_id: UUID | None = None
    role: MemberRole | None = None
    # Until when the token said so; no token made from it lives longer. No part of who it is.
    token_expires_at: datetime | None = field(default=None, compare=False)


class DatabaseError(Exception):
    """The database cannot be used; one line that says why, without secrets."""


class PoolTimeoutError(DatabaseError):
    """No connection became free in time."""


class State(StrEnum):
    """Where a `Database` stands."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTING = "disconnecting"


@dataclass(frozen=True, slots=True)
class Query:
    """One block of `sql/queries`: its text with `$n` parameters, and their names in that order."""

    name: str
    text: str
    parameters: tuple[str, ...]


def load_queries(directory: Path | None = None) -> Mapping[str, Query]:
    """Load every query by its name.

    Args:
        directory: Where the `.sql` files are; `sql/queries` by default.
    """
    adapter = AsyncPGAdapter()  # type: ignore[no-untyped-call]
    loaded = aiosql.from_path(
        directory or sql_directory() / "queries",
        lambda: adapter,
        mandatory_parameters=False,
    )
    names = (name for name in loaded.available_queries if not name.endswith("_cursor"))
    return {
        name: Query(name, getattr(loaded, name).sql, tuple(adapter.var_sorted[name]))
        for name in names
    }


class Transaction:
    """An open transaction; runs queries by their name."""

    def __init__(self, connection: Any, queries: Mapping[str, Query]) -> None:
        self._connection = connection
        self._queries = queries

    async def value(self, name: str, values: Mapping[str, object]) -> Any:
        """Return the first column of the first row of a query, or `None` if there is no row."""
        query = self._queries[name]
        started = time.perf_counter()
        result = await self._connection.fetchval(query.text, *_arguments(query, values))
        _log_if_slow(name, started)
        return result

    async def row(self, name: str, values: Mapping[str, object]) -> Mapping[str, Any] | None:
        """Return the first row of a query, or `None` if there is none."""
        query = self._queries[name]
        started = time.perf_counter()
        result = await self._connection.fetchrow(query.text, *_arguments(query, values))
        _log_if_slow(name, started)
        return None if result is None else dict(result)

    async def assert_context(self) -> None:
        """Ask again whether the context holds.

        Raises:
            asyncpg.PostgresError: ZH001, it does not hold any more.
        """
        await self._connection.execute(ASSERTION)

    async def rows(self, name: str, values: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        """Return all rows of a query."""
        query = self._queries[name]
        started = time.perf_counter()
        result = await self._connection.fetch(query.text, *_arguments(query, values))
        _log_if_slow(name, started)
        return [dict(row) for row in result]


class Database:
    """A pool of connections, and the one way to a transaction.

    Args:
        settings: Where the database is and how to pool it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queries = load_queries()
        self._pool: Any = None
        self._limits = "".join(
            f"SET LOCAL {name} = {int(value)};"
            for name, value in (
                ("statement_timeout", settings.statement_timeout_ms),
                ("lock_timeout", settings.lock_timeout_ms),
                (
                    "idle_in_transaction_session_timeout",
                    settings.idle_in_transaction_timeout_ms,
                ),
            )
            if value is not None
        )
        self.state = State.DISCONNECTED
        self.constraints: Mapping[str, Mapping[str, Any]] = {}

    async def connect(self) -> None:
        """Open the pool, trying again with growing pauses until `CONNECT_TIMEOUT` has passed.

        Raises:
            SettingsError: `DATABASE_URL` is not set.
            DatabaseError: The server cannot be reached, or refuses us.
        """
        url = self._settings.require("database_url")
        deadline = time.monotonic() + self._settings.connect_timeout
        pause = 0.1
        self.state = State.CONNECTING
        while True:
            try:
                self._pool = await asyncpg.create_pool(
                    url,
                    min_size=self._settings.pool_min_size,
                    max_size=self._settings.pool_max_size,
                    max_inactive_connection_lifetime=self._settings.pool_connection_lifetime,
                    timeout=5,
                    # The server's own limits come first; this is for a server that is gone.
                    command_timeout=60 + (self._settings.statement_timeout_ms or 0) / 1000,
                    # A transaction pooler may hand each transaction to another server connection.
                    statement_cache_size=0 if self._settings.database_pooler != "none" else 256,
                    # Everything we set is local to its transaction: there is nothing to reset.
                    reset=_nothing,
                    server_settings={"application_name": "hearth"},
                )
                # A pool without a minimum has not connected yet.
                self.constraints = await self.run(None, _constraints, read_only=True)
                break
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                if self._pool is not None:
                    self._pool.terminate()
                    self._pool = None
                if _is_refusal(error) or time.monotonic() + pause > deadline:
                    self.state = State.DISCONNECTED
                    _give_up(error)
                logger.warning("database not reached, trying again", pause=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
        self.state = State.CONNECTED

    async def disconnect(self) -> None:
        """Close the pool: wait for the transactions under way, at most ten seconds."""
        pool, self._pool = self._pool, None
        self.state = State.DISCONNECTING
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), timeout=10)
            except TimeoutError:
                pool.terminate()
        self.state = State.DISCONNECTED

    @property
    def pool_use(self) -> tuple[int, int]:
        """Connections in use, and the most there may be."""
        if self._pool is None:
            return (0, self._settings.pool_max_size)
        return (self._pool.get_size() - self._pool.get_idle_size(), self._pool.get_max_size())

    async def run(
        self,
        context: Context | None,
        work: Callable[[Transaction], Awaitable[T]],
        *,
        read_only: bool = False,
        request_id: UUID | None = None,
    ) -> T:
        """Do `work` in one transaction and return its result once that is committed.

        Args:
            context: For whom; it is asserted in the transaction's first message. `None` before
                sign-in, when only the functions of app_auth can do anything.
            work: Called with the open transaction; may be called a second time if the first
                attempt was undone by a migration, a deadlock or a serialization failure.
            read_only: Whether the server should refuse writes.
            request_id: Goes into the audit trail.

        Raises:
            asyncpg.PostgresError: The server refused; nothing was written.
            PoolTimeoutError: No connection became free in time.
            DatabaseError: There is no pool.
        """
        opening = self._opening(context, read_only=read_only, request_id=request_id)
        try:
            async with self._transaction(opening) as transaction:
                return await work(transaction)
        except _RETRIED as error:
            logger.info("transaction runs again", reason=type(error).__name__)
        async with self._transaction(opening) as transaction:
            return await work(transaction)

    def _opening(self, context: Context | None, *, read_only: bool, request_id: UUID | None) -> str:
        parts = [
            "BEGIN ISOLATION LEVEL READ COMMITTED",
            ", READ ONLY;" if read_only else ";",
            self._limits,
        ]
        if request_id is not None:
            parts.append(f"SET LOCAL app.request_id = '{request_id.hex}';")
        if context is not None:
            parts.append(_entering(context))
        return "".join(parts)

    @asynccontextmanager
    async def _transaction(self, opening: str) -> AsyncIterator[Transaction]:
        if self._pool is None:
            raise DatabaseError("the database is not connected")
        try:
            connection = await self._pool.acquire(timeout=self._settings.pool_acquire_timeout)
        except TimeoutError:
            raise PoolTimeoutError("no database connection became free in time") from None
        try:
            await connection.execute(opening)
            yield Transaction(connection, self._queries)
            # PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK.
            if await connection.execute("COMMIT") != "COMMIT":
                raise DatabaseError("the transaction could not be committed")  # noqa: TRY301
        except BaseException:
            await _roll_back(connection)
            raise
        finally:
            await self._pool.release(connection)


def _entering(context: Context) -> str:
    in_family = context.family_id is not None and context.role is not None
    # All of them always: nothing that somebody left on a connection of a pooler shines through.
    values = {
        "user_id": context.user_id.hex,
        "session_id": context.session_id.hex if context.session_id else "",
        "family_id": context.family_id.hex if in_family and context.family_id else "",
        "member_role": MemberRole(context.role).value if in_family and context.role else "",
    }
    settings = [f"SET LOCAL app.{name} = '{value}';" for name, value in values.items()]
    return "".join([*settings, ASSERTION])


async def _roll_back(connection: Any) -> None:
    if connection.is_closed():
        return
    try:
        async with asyncio.timeout(ROLLBACK_LIMIT):
            await connection.execute("ROLLBACK")
    except asyncio.CancelledError:
        connection.terminate()
        raise
    except Exception:  # noqa: BLE001 - whatever happened: not this connection again
        connection.terminate()


async def _nothing(_: Any) -> None:
    return None


async def _constraints(transaction: Transaction) -> Mapping[str, Mapping[str, Any]]:
    return {row["name"]: row for row in await transaction.rows("list_constraints", {})}


def _arguments(query: Query, values: Mapping[str, object]) -> Sequence[object]:
    return [values[name] for name in query.parameters]


def _log_if_slow(name: str, started: float) -> None:
    took = (time.perf_counter() - started) * 1000
    if took > 50:
        logger.warning("slow query", query=name, milliseconds=round(took, 1))


def _is_refusal(error: Exception) -> bool:
    # 28: wrong login, which PgBouncer calls 08P01. 3D: no such database. 42: not the schema we
    # know. Waiting helps none.
    if isinstance(error, asyncpg.ProtocolViolationError | asyncpg.ClientConfigurationError):
        return True
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] in {
        "28",
        "3D",
        "42",
    }


def _give_up(error: Exception) -> NoReturn:
    state = getattr(error, "sqlstate", None) or ""
    if isinstance(error, SettingsError):
        raise error
    if state[:2] == "28" or state == "08P01":
        raise DatabaseError("DATABASE_URL: the server refuses this login") from None
    if state[:2] == "3D":
        raise DatabaseError("DATABASE_URL: the server has no such database") from None
    if state in {"42P01", "42883", "3F000"}:
        raise DatabaseError("the database is not migrated; run: hearth migrate") from None
    if state == "42501":
        raise DatabaseError("DATABASE_URL: this login may not do that; it should be app_api")
    if state[:2] == "42" or isinstance(error, asyncpg.ClientConfigurationError):
        raise DatabaseError("DATABASE_URL: has an option that is not understood") from None
    raise DatabaseError(f"DATABASE_URL: cannot reach the server ({type(error).__name__})") from None


class Operator:
    """A connection of the command line, whose every query is a transaction in the role of app_ops.

    The service's login has no way into this role.

    Args:
        connection: A connection of a login that may take the role.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._queries = load_queries()

    async def rows(self, name: str, values: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        """Return all rows of a query, once it is committed.

        Raises:
            DatabaseError: The server is gone, or refuses.
        """
        query = self._queries[name]
        try:
            await self._connection.execute("BEGIN; SET LOCAL ROLE app_ops")
            rows = await self._connection.fetch(query.text, *_arguments(query, values))
            await self._connection.execute("COMMIT")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            raise DatabaseError(f"DIRECT_URL: {name} failed ({_why(error)})") from None
        return [dict(row) for row in rows]

    async def value(self, name: str, values: Mapping[str, object]) -> Any:
        """Return the first column of the first row of a query."""
        return next(iter((await self.rows(name, values))[0].values()))

    @asynccontextmanager
    async def as_service(self) -> AsyncIterator["Stage"]:
        """Open a transaction in the role of the service, in which one person after another acts."""
        try:
            await self._connection.execute("BEGIN; SET LOCAL ROLE app_api")
            yield Stage(self._connection, self._queries)
            await self._connection.execute("COMMIT")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise DatabaseError(f"DIRECT_URL: {_why(error)}") from None


class Stage:
    """A transaction of the command line in the role of the service.

    Args:
        connection: The connection that it is open on.
        queries: Every query by its name.
    """

    def __init__(self, connection: Any, queries: Mapping[str, Query]) -> None:
        self._connection = connection
        self._queries = queries

    async def rows(self, name: str, values: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        """Return all rows of a query."""
        query = self._queries[name]
        return await self._connection.fetch(query.text, *_arguments(query, values))  # type: ignore[no-any-return]

    async def value(self, name: str, values: Mapping[str, object]) -> Any:
        """Return the first column of the first row of a query."""
        return next(iter((await self.rows(name, values))[0].values()))

    async def enter(self, context: Context) -> None:
        """Go on as this person."""
        await self._connection.execute(_entering(context))

    async def leave(self) -> None:
        """Go on as nobody."""
        await self._connection.execute(
            "SET LOCAL app.user_id = '';SET LOCAL app.family_id = '';SET LOCAL app.member_role = ''"
        )


@asynccontextmanager
async def operator(url: str) -> AsyncIterator[Operator]:
    """Open a connection for the command line.

    Args:
        url: `DIRECT_URL`, of a login that may take the role of app_ops.

    Raises:
        DatabaseError: The server cannot be reached, or the login is not the deployer's.
    """
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        raise DatabaseError(f"DIRECT_URL: cannot connect ({_why(error)})") from None
    try:
        yield Operator(connection)
    except BaseException:
        # The server undoes what is under way; nothing waits for it.
        connection.terminate()
        raise
    await connection.close()


def _why(error: Exception) -> str:
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"{error}; the login should be the deployer's"
    return type(error).__name__


async def run_as_ops(
    url: str, name: str, values: Mapping[str, object]
) -> Sequence[Mapping[str, Any]]:
    """Run one query of `sql/queries` in the role of app_ops, on a connection of its own.

    Args:
        url: `DIRECT_URL`, of a login that may take the role.
        name: The query.
        values: Its parameters by name.

    Raises:
        DatabaseError: The server cannot be reached, or refuses.
    """
    async with operator(url) as ops:
        return await ops.rows(name, values)
