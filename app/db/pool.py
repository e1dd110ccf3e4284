"""The pool of the service, and its one way to a transaction."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import structlog

from app.db.connecting import Connection, patiently, way
from app.db.connections import Connections
from app.db.context import Context
from app.db.errors import (
    ERRORS,
    WRONG_POOLER,
    BusyError,
    ConnectionLostError,
    DatabaseError,
    OutcomeUnknownError,
    OverloadedError,
    PoolTimeoutError,
    is_lost,
    tells_nothing,
)
from app.db.figures import Figures, Observed, Outcome, Step, tell_end
from app.db.session import PINNED
from app.db.transaction import (
    ROLLBACK,
    Beginning,
    Limits,
    Transaction,
    transaction,
)
from app.fair_queue import FairQueue, QueueFullError
from app.settings import Settings, UrlName

# With what the rest of the service needs to use it.
__all__ = [
    "ERRORS",
    "WRONG_POOLER",
    "BusyError",
    "Database",
    "DatabaseError",
    "Operation",
    "OutcomeUnknownError",
    "OverloadedError",
    "PoolTimeoutError",
    "State",
    "Transaction",
    "patiently",
]

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

# Seconds that the first message may take; the same again on a new connection. It reads a few rows
# and waits for a lock only where somebody changes their tables: longer than the server waits then.
OPENING_LIMIT = 2.5

# Seconds for which a server that has answered is taken to be there.
HEARD_WITHIN = 1.0

# Seconds that COMMIT may take. The server has no limit for it: it may wait for a standby.
COMMIT_LIMIT = 10.0

# A connection whose rollback takes longer (seconds) is given up; the server rolls back by itself.
ROLLBACK_LIMIT = 0.5

# Seconds that `disconnect` waits for transactions under way, and as many again for connections to
# say goodbye. Requests have ended by then; what is left is a rollback, or a server that is gone.
CLOSE_LIMIT = 2.5


class State(StrEnum):
    """Where a `Database` stands."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTING = "disconnecting"


# What is done in a transaction; its result is given back once the transaction is committed.
Operation: TypeAlias = Callable[[Transaction], Awaitable[T]]


class Database:
    """A pool of connections, and the one way to a transaction.

    Args:
        settings: Where the database is and how to pool it.
        url: The setting that says where.
        opening_limit: Seconds that the first message may take, twice.
        figures: Those that are kept; by default its own.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        url: UrlName = "database_url",
        opening_limit: float | None = None,
        figures: Figures | None = None,
    ) -> None:
        self._settings = settings
        self._url = url
        self._connections: Connections | None = None
        # Whatever a family does or waits for, half of the connections and of the places to wait in
        # are for the others.
        connections, waiting = settings.pool_max_size, settings.pool_max_waiting
        self._queue = FairQueue(
            connections,
            of_one=_half(connections),
            waiting=waiting,
            waiting_of_one=_half(waiting),
        )
        self._under_way = 0
        self._idle = asyncio.Event()
        self._limits = Limits(
            statement=settings.statement_timeout_ms,
            lock=settings.lock_timeout_ms,
            idle=settings.idle_in_transaction_timeout_ms,
        )
        patience = max(OPENING_LIMIT, (settings.lock_timeout_ms or 0) / 1000 + 0.5)
        self._opening_limit = opening_limit or patience
        self.state = State.DISCONNECTED
        self.figures = figures or Figures()
        self.constraints: Mapping[str, Mapping[str, Any]] = {}

    async def connect(self, *, within: float | None = None) -> None:
        """Open the pool; if need be, wait for the server.

        Args:
            within: Seconds; `CONNECT_TIMEOUT` by default.

        Raises:
            SettingsError: There is no URL.
            DatabaseError: The server cannot be reached, or refuses us.
        """
        self.state = State.CONNECTING
        try:
            self._connections = await patiently(
                self._open,
                within=self._settings.connect_timeout if within is None else within,
                variable=self._url.upper(),
            )
        except BaseException:
            self.state = State.DISCONNECTED
            raise
        self.state = State.CONNECTED

    async def _open(self) -> Connections:
        connections = Connections(
            way(self._settings, url=self._url, server_settings=_server_settings(self._settings)),
            kept=self._settings.pool_min_size,
            max_idle=self._settings.pool_connection_max_idle,
            max_age=self._settings.pool_connection_max_age,
            counts=self.figures.counts,
        )
        try:
            await connections.open()
            connection = connections.take_idle() or await connections.take_new()
            beginning = Beginning(read_only=True, limits=self._limits)
            async with transaction(connection, beginning) as asking:
                self.constraints = await _constraints(asking)
        except BaseException:
            connections.terminate()
            raise
        connections.give_back(connection)
        return connections

    async def disconnect(self) -> None:
        """Close the pool; wait for the transactions under way, but not longer than `CLOSE_LIMIT`.

        No new one begins. Who waits for a connection already still gets one.
        """
        self.state, connections = State.DISCONNECTING, self._connections
        if connections is not None:
            try:
                async with asyncio.timeout(CLOSE_LIMIT):
                    while self._under_way:
                        self._idle.clear()
                        await self._idle.wait()
                async with asyncio.timeout(CLOSE_LIMIT):
                    await connections.close()
            except TimeoutError:
                logger.warning("pool closed by force", transactions=self._under_way)
            finally:
                connections.terminate()
        self._connections = None
        self.state = State.DISCONNECTED

    async def replace_connections(self) -> None:
        """Have each replaced when it is taken next: a new one may find another server."""
        if self._connections is not None:
            self._connections.replace()

    async def look_at_replica(self) -> tuple[str | None, Mapping[str, object]] | None:
        """Return `None`: there is none."""
        return None

    @property
    def pool_use(self) -> tuple[int, int]:
        """Connections in use, and the most there may be."""
        in_use = 0 if self._connections is None else self._connections.in_use
        return (in_use, self._settings.pool_max_size)

    async def run(
        self,
        context: Context | None,
        operation: Operation[T],
        *,
        read_only: bool = False,
        is_single: bool = False,
        request_id: UUID | None = None,
    ) -> T:
        """Run an operation in one transaction and return its result once that is committed.

        Args:
            context: For whom; it is asserted in the transaction's first message. `None` before
                sign-in, when only the functions of app_auth can do anything.
            operation: Called with the open transaction; may be called a second time if the first
                attempt was undone by a migration, a deadlock or a serialization failure, or because
                its connection broke before COMMIT was sent.
            read_only: Whether the server should refuse writes.
            is_single: Whether it reads, by one query and no more.
            request_id: Goes into the audit trail, and into the connection's name meanwhile.

        Raises:
            asyncpg.PostgresError: The server refused; nothing was written.
            PoolTimeoutError: No connection became free in time.
            OverloadedError: Too many wait for one already.
            ConnectionLostError: The server is away; nothing was written.
            OutcomeUnknownError: Something was written, and whether it is there nobody knows.
            DatabaseError: There is no pool, or the schema changed twice meanwhile.
        """
        beginning = Beginning(context, read_only, None, self._limits, request_id)
        return await self.run_after(
            beginning, operation, line=line_of(context), is_single=is_single and read_only
        )

    async def run_after(
        self,
        beginning: Beginning,
        operation: Operation[T],
        *,
        line: str | None,
        is_single: bool = False,
    ) -> T:
        """Run an operation in a transaction that begins in a certain way, as `run` does.

        Args:
            beginning: In which.
            operation: As in `run`.
            line: Where to wait for a connection.
            is_single: As in `run`.
        """
        if self.state is not State.CONNECTED:
            raise DatabaseError("the database is not connected")
        self._under_way += 1
        try:
            await self._enter(line)
            try:
                return await self._attempts(beginning, operation, is_single=is_single)
            finally:
                self._queue.leave(line)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _enter(self, line: str | None) -> None:
        if self._queue.enter_at_once(line):
            return
        try:
            with self.figures.wait(Step.QUEUE):
                async with asyncio.timeout(self._settings.pool_acquire_timeout):
                    await self._queue.enter(line)
        except TimeoutError:
            self.figures.counts["acquire_timeout"] += 1
            raise PoolTimeoutError("no database connection became free in time") from None
        except QueueFullError:
            self.figures.counts["overloaded"] += 1
            raise OverloadedError("too many wait for a database connection") from None

    async def _attempts(
        self, beginning: Beginning, operation: Operation[T], *, is_single: bool
    ) -> T:
        try:
            return await self._attempt(beginning, operation, is_single=is_single)
        except (*_RETRIED, ConnectionLostError) as error:
            if self._connections is None:
                raise
            logger.info("transaction runs again", reason=type(error).__name__)
            self.figures.counts["retried"] += 1
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                # The others were opened when this one was.
                await self.replace_connections()
        try:
            return await self._attempt(beginning, operation, is_single=is_single)
        except (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError) as error:
            raise DatabaseError("the schema changes faster than it can be learnt") from error

    async def _attempt(
        self, beginning: Beginning, operation: Operation[T], *, is_single: bool
    ) -> T:
        is_committing = False
        outcome: Outcome | None = None
        read_only = beginning.read_only
        connections = self._connections
        if connections is None:
            raise DatabaseError("the database is not connected")
        connection = await self._acquire(connections)
        asked = time.monotonic()
        # Whoever has just been heard of is there. Of others it is asked first, for no query says
        # within `OPENING_LIMIT` that its server is not.
        may_be_silent = asked > connection.heard + HEARD_WITHIN
        opened = Transaction(connection, beginning, is_single=is_single)
        try:
            if may_be_silent or connection.pipeline is None or not beginning.is_of_request:
                await opened.begin(self._opening_limit)
            outcome = Outcome.ROLLED_BACK
            result = await operation(opened)
            is_committing = not read_only
            await opened.commit(COMMIT_LIMIT)
            outcome = Outcome.COMMITTED
        except (*ERRORS, asyncio.CancelledError) as error:
            if isinstance(error, asyncpg.PostgresError) and not read_only:
                self.figures.refused(error.sqlstate or "")
            if isinstance(error, _RETRIED):
                raise
            if is_committing and tells_nothing(error):
                self.figures.counts["outcome_unknown"] += 1
                outcome = Outcome.UNKNOWN
                raise OutcomeUnknownError("COMMIT was not answered") from error
            if not is_lost(error):
                raise
            raise _lost(connections) from error
        except ConnectionLostError:
            # Whoever has answered since this one was asked is there.
            connections.doubt(time.monotonic() if opened.is_heard else asked)
            raise
        else:
            connection.heard = time.monotonic()
        finally:
            try:
                if opened.is_open:
                    await _roll_back(connection, opened)
            finally:
                connections.give_back(connection)
                tell_end(outcome)
        if not read_only:
            self.figures.wrote()
        return result

    async def _acquire(self, connections: Connections) -> Connection:
        """Return a connection that is not too old, and that is not likely to be gone."""
        with Observed(Step.ACQUIRE):
            connection = connections.take_idle()
        if connection is not None:
            return connection
        try:
            with self.figures.wait(Step.ACQUIRE):
                async with asyncio.timeout(self._settings.pool_acquire_timeout):
                    return await connections.take_new()
        except TimeoutError:
            self.figures.counts["acquire_timeout"] += 1
            raise PoolTimeoutError("no database connection became free in time") from None
        except ERRORS as error:
            if not is_lost(error):
                raise
            raise _lost(connections) from error


def _lost(connections: Connections) -> ConnectionLostError:
    # What ended one connection may have ended all others, which do not know it yet.
    connections.doubt(time.monotonic())
    return ConnectionLostError("the connection to the database broke")


async def _roll_back(connection: Connection, opened: Transaction) -> None:
    """End a transaction that failed, so that the connection can be used again."""
    try:
        if not connection.is_closed():
            async with asyncio.timeout(ROLLBACK_LIMIT):
                with Observed(Step.ROLLBACK):
                    # What is one query ends by itself, and is only waited for.
                    await connection.execute("" if opened.is_single else ROLLBACK)
    except asyncio.CancelledError:
        connection.terminate()
        raise
    except Exception:  # noqa: BLE001 - whatever happened: not this connection again
        connection.terminate()


def _server_settings(settings: Settings) -> Mapping[str, str]:
    # What is so from the start costs no transaction anything. A pooler takes few settings.
    pinned = PINNED if settings.database_pooler == "none" else {}
    return {"application_name": "hearth", **pinned}


def line_of(context: Context | None) -> str | None:
    """Return with whom somebody waits: with the family; with nobody, where there is none.

    Whom nobody knows yet waits with all of them.
    """
    return None if context is None else context.texts[2] or context.texts[0]


def _half(number: int) -> int:
    return (number + 1) // 2


async def _constraints(asking: Transaction) -> Mapping[str, Mapping[str, Any]]:
    return {row["name"]: row for row in await asking.rows("list_constraints", {})}
