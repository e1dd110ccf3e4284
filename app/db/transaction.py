"""A transaction: how it begins, for whom it acts, and the queries in it.

All SQL text of the service and of the command line is here, and it is transaction control. Values
put into it are numbers, UUIDs and members of enums that were parsed before, never a client's text.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

import asyncpg
import structlog

from app.db.context import Context, MemberRole
from app.db.errors import ConnectionLostError, DatabaseError
from app.db.figures import Observed, Step
from app.db.pipeline import Fetch
from app.db.queries import Query, load_queries
from app.db.session import pins

logger = structlog.get_logger("hearth.database")

Role: TypeAlias = Literal["app_ops", "app_api"]

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
BEGIN_REQUEST = "SELECT app.begin_request($1, $2, $3, $4, $5, $6, $7, $8, $9)"
ASSERTION = "SELECT app.assert_membership()"
ROLLBACK = "ROLLBACK"

# In each transaction, for 10 us: a pooler takes few settings when a connection begins.
_PINS = pins("set local")

# Milliseconds from which on a query is logged as slow.
SLOW = 50


@dataclass(frozen=True, slots=True)
class Limits:
    """The server's limits, in milliseconds; where one is `None`, that of the role stands."""

    statement: int | None = None
    lock: int | None = None
    idle: int | None = None

    @property
    def message(self) -> str:
        """The statements that set them."""
        limits = {
            "statement_timeout": self.statement,
            "lock_timeout": self.lock,
            "idle_in_transaction_session_timeout": self.idle,
        }
        return "".join(
            f"SET LOCAL {name} = {value:d};" for name, value in limits.items() if value is not None
        )


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a transaction begins, and pins what every session depends on.

    Args:
        context: For whom it acts; it is asserted.
        read_only: Whether the server should refuse writes.
        role: The role to take; the login's own by default.
        limits: What the server ends by itself.
        request_id: Goes into the audit trail, and into the connection's name meanwhile.
    """

    context: Context | None = None
    read_only: bool = False
    role: Role | None = None
    limits: Limits = Limits()
    request_id: UUID | None = None

    @property
    def message(self) -> str:
        """All of it as one message."""
        parts = [
            BEGIN,
            ", READ ONLY;" if self.read_only else ";",
            _PINS,
            self.limits.message,
        ]
        if self.role is not None:
            parts.append(f"SET LOCAL ROLE {self.role};")
        if self.request_id is not None:
            # By a select: of a SET, every id would be an entry of its own in pg_stat_statements
            # before PostgreSQL 18. The name is seen in pg_stat_activity, and in the log as %a.
            parts.append(
                f"SELECT pg_catalog.set_config('app.request_id', '{self.request_id.hex}', true),"
                f" pg_catalog.set_config('application_name', 'hearth {self.request_id}', true);"
            )
        if self.context is not None:
            parts.append(_setting(self.context) + ASSERTION)
        return "".join(parts)

    @property
    def is_of_request(self) -> bool:
        """Whether `app.begin_request` does the same."""
        return self.context is not None and self.role is None

    @property
    def values(self) -> Sequence[str | None]:
        """The parameters of `app.begin_request`."""
        assert self.context is not None  # noqa: S101 - see `is_of_request`
        return (
            *self.context.texts,
            _text(self.request_id),
            "t" if self.read_only else "f",
            _text(self.limits.statement),
            _text(self.limits.lock),
            _text(self.limits.idle),
        )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


class Transaction:
    """A transaction, in which queries run by their names.

    Args:
        connection: The connection that it is open on.
        pending: How it begins, if it has not: then with the first query, in one round trip.
        is_single: Whether that query is then all of it.
        slow: Milliseconds from which on a query is logged as slow.

    Attributes:
        is_open: Whether there is something to commit or to roll back, or may be.
        is_heard: Whether the server has answered.
    """

    def __init__(
        self,
        connection: Any,
        pending: Beginning | None = None,
        *,
        is_single: bool = False,
        slow: float = SLOW,
    ) -> None:
        self._connection = connection
        self._pending = pending
        self.is_single = is_single
        self._queries = load_queries()
        self._slow = slow
        self.is_open = self.is_heard = pending is None

    async def rows(self, name: str, values: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        """Return all rows of a query."""
        return [dict(row) for row in await self._send("fetch", name, values)]

    async def row(self, name: str, values: Mapping[str, object]) -> Mapping[str, Any] | None:
        """Return the first row of a query, or `None` if there is none."""
        row = await self._send("fetchrow", name, values)
        return None if row is None else dict(row)

    async def value(self, name: str, values: Mapping[str, object]) -> Any:
        """Return the first column of the first row of a query, or `None` if there is no row."""
        return await self._send("fetchval", name, values)

    async def assert_context(self) -> None:
        """Ask again whether the context holds.

        Raises:
            asyncpg.PostgresError: ZH001, it does not hold any more.
        """
        await self._execute(ASSERTION)

    async def enter(self, context: Context) -> None:
        """Go on in another context, which is asserted.

        Raises:
            asyncpg.PostgresError: ZH001, it does not hold.
        """
        await self._execute(_setting(context) + ASSERTION)

    async def leave(self) -> None:
        """Go on without a context."""
        await self._execute(_setting(None))

    async def begin(self, limit: float | None = None) -> None:
        """Begin it by a message of its own.

        Args:
            limit: Seconds it may take; the connection is given up afterwards.

        Raises:
            ConnectionLostError: It was not answered.
        """
        if self._pending is None:
            return
        message, self._pending = self._pending.message, None
        self.is_open, self.is_single = True, False
        try:
            with Observed(Step.BEGIN):
                await self._connection.execute(message, timeout=limit)
        except TimeoutError:
            # Not even a rollback: whoever is silent would not hear it.
            self._connection.terminate()
            raise ConnectionLostError("the server did not answer") from None
        self.is_heard = True

    async def commit(self, limit: float | None = None) -> None:
        """Commit it.

        Args:
            limit: Seconds it may take; what has become of it is not known afterwards.

        Raises:
            ConnectionLostError: The connection has broken before COMMIT was sent.
            DatabaseError: An error in it was passed over; nothing was written.
        """
        if self._connection.is_closed():
            raise ConnectionLostError("the connection to the database broke")
        if not self.is_open:
            return
        with Observed(Step.COMMIT):
            # PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK.
            if await self._connection.execute("COMMIT", timeout=limit) != "COMMIT":
                raise DatabaseError("the transaction could not be committed")
        self.is_open = False

    async def _execute(self, message: str) -> None:
        await self.begin()
        await self._connection.execute(message)

    async def _send(self, fetch: Fetch, name: str, values: Mapping[str, object]) -> Any:
        query = self._queries[name]
        arguments = query.arguments(values)
        observed = Observed(Step.QUERY, name)
        try:
            with observed:
                if self._pending is not None:
                    return await self._send_first(fetch, query, arguments)
                assert self.is_open  # noqa: S101 - else it would run without a context
                return await getattr(self._connection, fetch)(query.text, *arguments)
        finally:
            milliseconds = observed.seconds * 1000
            if milliseconds > self._slow:
                logger.warning("slow query", query=name, milliseconds=round(milliseconds, 1))

    async def _send_first(self, fetch: Fetch, query: Query, arguments: Sequence[object]) -> Any:
        assert self._pending is not None  # noqa: S101 - the caller has looked
        beginning, self._pending = self._pending.values, None
        self.is_open = True
        try:
            found = await self._connection.pipeline.send(
                fetch, query, arguments, beginning, is_whole=self.is_single
            )
        except asyncpg.PostgresError:
            self.is_open = not self.is_single
            raise
        self.is_open, self.is_heard = not self.is_single, True
        return found


@asynccontextmanager
async def transaction(
    connection: Any, beginning: Beginning, *, slow: float = SLOW
) -> AsyncIterator[Transaction]:
    """Open a transaction, and commit it at the end of the block.

    What becomes of it otherwise is for whoever has the connection to see to.

    Args:
        connection: Where.
        beginning: How it begins.
        slow: Milliseconds from which on a query is logged as slow.

    Raises:
        ConnectionLostError: The connection has broken before COMMIT was sent.
        DatabaseError: An error in it was passed over; nothing was written.
    """
    opened = Transaction(connection, beginning, slow=slow)
    await opened.begin()
    yield opened
    await opened.commit()


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
