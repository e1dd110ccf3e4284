"""The pool, and the one way to a transaction.

All SQL text here is transaction control. Values put into it are UUIDs and an enum member that were
parsed before, never a client's text.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Any, NoReturn, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import structlog

from app.db.context import Context, MemberRole
from app.db.figures import Figures
from app.db.queries import load_queries
from app.db.session import pins
from app.db.url import for_asyncpg
from app.settings import Settings, SettingsError

T = TypeVar("T")

logger = structlog.get_logger("hearth.database")

# What a live migration does to statements prepared before it, what two writers do to each other,
# and what a connection says that was opened on a read-only server, or on one that has become so:
# the transaction has been rolled back whole and may run again.
_RETRIED = (
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.ReadOnlySQLTransactionError,
)

# All that goes wrong with a connection. InternalClientError is what asyncpg says of one that died
# between two messages, or of a server that is not the one `target_session_attrs` asks for.
ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


ASSERTION = "SELECT app.assert_membership()"

# A connection whose rollback takes longer (seconds) is given up; the server rolls back by itself.
ROLLBACK_LIMIT = 1.0

# Seconds that `disconnect` waits for transactions under way, and as many again for connections to
# say goodbye. Requests have ended by then; what is left is a rollback, or a server that is gone.
CLOSE_LIMIT = 2.5

# What is wrong with DATABASE_POOLER where one connection finds what another one prepared.
WRONG_POOLER = (
    "it is none, but DATABASE_URL leads to a pooler that does not follow prepared statements;"
    " it should be transaction"
)

# Milliseconds from which on a query is logged as slow.
SLOW = 50


class DatabaseError(Exception):
    """The database cannot be used; one line that says why, without secrets."""


class BusyError(DatabaseError):
    """Somebody held a lock for too long; the same may succeed later."""


class PoolTimeoutError(DatabaseError):
    """No connection became free in time."""


class OutcomeUnknownError(DatabaseError):
    """COMMIT was sent and not answered: what was written is there, or it is not."""


class State(StrEnum):
    """Where a `Database` stands."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTING = "disconnecting"


class Transaction:
    """An open transaction, in which queries run by their names.

    Args:
        connection: The connection that it is open on.
        slow: Milliseconds from which on a query is logged as slow.
    """

    def __init__(self, connection: Any, *, slow: float = SLOW) -> None:
        self._connection = connection
        self._queries = load_queries()
        self._slow = slow

    async def rows(self, name: str, values: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        """Return all rows of a query."""
        return [dict(row) for row in await self._send(self._connection.fetch, name, values)]

    async def row(self, name: str, values: Mapping[str, object]) -> Mapping[str, Any] | None:
        """Return the first row of a query, or `None` if there is none."""
        row = await self._send(self._connection.fetchrow, name, values)
        return None if row is None else dict(row)

    async def value(self, name: str, values: Mapping[str, object]) -> Any:
        """Return the first column of the first row of a query, or `None` if there is no row."""
        return await self._send(self._connection.fetchval, name, values)

    async def assert_context(self) -> None:
        """Ask again whether the context holds.

        Raises:
            asyncpg.PostgresError: ZH001, it does not hold any more.
        """
        await self._connection.execute(ASSERTION)

    async def enter(self, context: Context) -> None:
        """Go on in another context, which is asserted.

        Raises:
            asyncpg.PostgresError: ZH001, it does not hold.
        """
        await self._connection.execute(_setting(context) + ASSERTION)

    async def leave(self) -> None:
        """Go on without a context."""
        await self._connection.execute(_setting(None))

    async def _send(self, fetch: Any, name: str, values: Mapping[str, object]) -> Any:
        query = self._queries[name]
        started = time.perf_counter()
        result = await fetch(query.text, *query.arguments(values))
        milliseconds = (time.perf_counter() - started) * 1000
        if milliseconds > self._slow:
            logger.warning("slow query", query=name, milliseconds=round(milliseconds, 1))
        return result


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
            if _is_refusal(error) or pause > left:
                _give_up(error)
            logger.warning(
                "waiting for the database of DATABASE_URL",
                reason=type(error).__name__,
                seconds_left=round(left, 1),
            )
        await asyncio.sleep(pause)  # a server that is away tells nobody when it is back
        pause = min(pause * 2, 5.0)


# What is done in a transaction; its result is given back once the transaction is committed.
Operation: TypeAlias = Callable[[Transaction], Awaitable[T]]


class Database:
    """A pool of connections, and the one way to a transaction.

    Args:
        settings: Where the database is and how to pool it.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: Any = None
        self._under_way = 0
        self._idle = asyncio.Event()
        # In each transaction, for 10 us: a pooler takes few settings when a connection begins.
        self._limits = pins("set local") + "".join(
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
        self.figures = Figures()
        self.constraints: Mapping[str, Mapping[str, Any]] = {}

    async def connect(self) -> None:
        """Open the pool; if need be, wait for the server until `CONNECT_TIMEOUT` has passed.

        Raises:
            SettingsError: `DATABASE_URL` is not set.
            DatabaseError: The server cannot be reached, or refuses us.
        """
        self.state = State.CONNECTING
        try:
            self._pool = await patiently(self._open, within=self._settings.connect_timeout)
        except BaseException:
            self.state = State.DISCONNECTED
            raise
        self.state = State.CONNECTED

    async def _open(self) -> Any:
        url, options = connection_options(self._settings)
        pool = await asyncpg.create_pool(
            url,
            **options,
            min_size=self._settings.pool_min_size,
            max_size=self._settings.pool_max_size,
            max_inactive_connection_lifetime=self._settings.pool_connection_lifetime,
            # Everything we set is local to its transaction: there is nothing to reset.
            reset=_nothing,
            server_settings={"application_name": "hearth"},
        )
        try:
            # A pool without a minimum has not connected yet.
            async with pool.acquire(timeout=options["timeout"]) as connection:
                await connection.execute(self._opening(None, read_only=True, request_id=None))
                self.constraints = await _constraints(Transaction(connection))
                await connection.execute("COMMIT")
        except BaseException:
            pool.terminate()
            raise
        return pool

    async def disconnect(self) -> None:
        """Close the pool; wait for the transactions under way, but not longer than `CLOSE_LIMIT`.

        No new one begins. Who waits for a connection already still gets one: asyncpg would close
        it under them.
        """
        pool, self._pool = self._pool, None
        self.state = State.DISCONNECTING
        if pool is not None:
            try:
                async with asyncio.timeout(CLOSE_LIMIT):
                    while self._under_way:
                        self._idle.clear()
                        await self._idle.wait()
                async with asyncio.timeout(CLOSE_LIMIT):
                    await pool.close()
            except TimeoutError:
                logger.warning("pool closed by force", transactions=self._under_way)
            finally:
                pool.terminate()  # nothing, where it is closed
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
        operation: Operation[T],
        *,
        read_only: bool = False,
        request_id: UUID | None = None,
    ) -> T:
        """Run an operation in one transaction and return its result once that is committed.

        Args:
            context: For whom; it is asserted in the transaction's first message. `None` before
                sign-in, when only the functions of app_auth can do anything.
            operation: Called with the open transaction; may be called a second time if the first
                attempt was undone by a migration, a deadlock or a serialization failure.
            read_only: Whether the server should refuse writes.
            request_id: Goes into the audit trail.

        Raises:
            asyncpg.PostgresError: The server refused; nothing was written.
            PoolTimeoutError: No connection became free in time.
            OutcomeUnknownError: Something was written, and whether it is there nobody knows.
            DatabaseError: There is no pool.
        """
        opening = self._opening(context, read_only=read_only, request_id=request_id)
        try:
            return await self._attempt(opening, operation, read_only=read_only)
        except _RETRIED as error:
            logger.info("transaction runs again", reason=type(error).__name__)
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError) and self._pool is not None:
                # The others were opened when this one was; a new one may find another server.
                await self._pool.expire_connections()
        return await self._attempt(opening, operation, read_only=read_only)

    async def _attempt(self, opening: str, operation: Operation[T], *, read_only: bool) -> T:
        is_committing = False
        try:
            async with self._transaction(opening) as transaction:
                result = await operation(transaction)
                is_committing = not read_only
        except (*ERRORS, asyncio.CancelledError) as error:
            if isinstance(error, asyncpg.PostgresError) and not read_only:
                self.figures.refused(error.sqlstate or "")
            if isinstance(error, _RETRIED):
                raise
            if is_committing and _tells_nothing(error):
                raise OutcomeUnknownError("COMMIT was not answered") from error
            if not isinstance(error, asyncpg.InternalClientError):
                raise
            raise DatabaseError("the connection to the database broke") from error
        if not read_only:
            self.figures.wrote()
        return result

    def _opening(self, context: Context | None, *, read_only: bool, request_id: UUID | None) -> str:
        parts = [
            "BEGIN ISOLATION LEVEL READ COMMITTED",
            ", READ ONLY;" if read_only else ";",
            self._limits,
        ]
        if request_id is not None:
            parts.append(f"SET LOCAL app.request_id = '{request_id.hex}';")
        if context is not None:
            parts.append(_setting(context) + ASSERTION)
        return "".join(parts)

    @asynccontextmanager
    async def _transaction(self, opening: str) -> AsyncIterator[Transaction]:
        pool = self._pool  # the connection goes back where it came from, whatever is there by then
        if pool is None:
            raise DatabaseError("the database is not connected")
        self._under_way += 1
        try:
            try:
                with self.figures.wait():
                    connection = await pool.acquire(timeout=self._settings.pool_acquire_timeout)
            except TimeoutError:
                raise PoolTimeoutError("no database connection became free in time") from None
            try:
                await connection.execute(opening)
                yield Transaction(connection)
                # PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK.
                if await connection.execute("COMMIT") != "COMMIT":
                    raise DatabaseError("the transaction could not be committed")  # noqa: TRY301
            except BaseException:
                await _roll_back(connection)
                raise
            finally:
                await pool.release(connection)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()


def _tells_nothing(error: BaseException) -> bool:
    # What ends a COMMIT and says nothing of it: the connection broke, the server went down, or
    # nobody waited any longer. Every other error of the server undid the transaction.
    if not isinstance(error, asyncpg.PostgresError):
        return True
    state = error.sqlstate or ""
    return state.startswith("08") or state in {"57P01", "57P02", "57P03"}


def _setting(context: Context | None) -> str:
    # All of them always: nothing that somebody left on a connection of a pooler shines through.
    values = dict.fromkeys(("user_id", "session_id", "family_id", "member_role"), "")
    if context is not None:
        values["user_id"] = context.user_id.hex
        values["session_id"] = context.session_id.hex if context.session_id else ""
        if context.family_id is not None and context.role is not None:
            values["family_id"] = context.family_id.hex
            values["member_role"] = MemberRole(context.role).value
    return "".join(f"SET LOCAL app.{name} = '{value}';" for name, value in values.items())


async def _roll_back(connection: Any) -> None:
    try:
        if not connection.is_closed():
            async with asyncio.timeout(ROLLBACK_LIMIT):
                await connection.execute("ROLLBACK")
    except asyncio.CancelledError:
        _give_back_closed(connection)
        raise
    except Exception:  # noqa: BLE001 - whatever happened: not this connection again
        _give_back_closed(connection)


def _give_back_closed(connection: Any) -> None:
    with suppress(asyncpg.InterfaceError):  # the pool took it away when it broke
        connection.terminate()


async def _nothing(_: Any) -> None:
    return None


async def _constraints(transaction: Transaction) -> Mapping[str, Mapping[str, Any]]:
    return {row["name"]: row for row in await transaction.rows("list_constraints", {})}


def _is_refusal(error: Exception) -> bool:
    # 28: wrong login, which PgBouncer calls 08P01. 3D: no such database. 3F, 42: not the schema we
    # know, or a pooler that we do not. 26: such a pooler as well. Waiting helps none.
    if isinstance(error, asyncpg.ProtocolViolationError | asyncpg.ClientConfigurationError):
        return True
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] in {
        "26",
        "28",
        "3D",
        "3F",
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
        raise DatabaseError(
            "DATABASE_URL: this login may not use schema app; it should be app_api"
        ) from None
    if state in {"26000", "42P05"}:
        raise DatabaseError(f"DATABASE_POOLER: {WRONG_POOLER}") from None
    if state[:2] == "42" or isinstance(error, asyncpg.ClientConfigurationError):
        raise DatabaseError("DATABASE_URL: has an option that is not understood") from None
    raise DatabaseError(f"DATABASE_URL: cannot reach the server ({type(error).__name__})") from None
