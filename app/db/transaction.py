"""A transaction: how it begins, for whom it acts, and the queries in it.

All SQL text of the service and of the command line is here, and it is transaction control. Values
put into it are numbers, UUIDs and members of enums that were parsed before, never a client's text.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, TypeAlias
from uuid import UUID

import asyncpg
import structlog

from app.db.context import Context, MemberRole
from app.db.errors import ConnectionLostError, DatabaseError
from app.db.figures import Observed, Step
from app.db.queries import load_queries
from app.db.session import pins

logger = structlog.get_logger("hearth.database")

Role: TypeAlias = Literal["app_ops", "app_api"]

ASSERTION = "SELECT app.assert_membership()"
ROLLBACK = "ROLLBACK"

# In each transaction, for 10 us: a pooler takes few settings when a connection begins.
_PINS = pins("set local")

# Milliseconds from which on a query is logged as slow.
SLOW = 50


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
        observed = Observed(Step.QUERY, name)
        try:
            with observed:
                return await fetch(query.text, *query.arguments(values))
        finally:
            milliseconds = observed.seconds * 1000
            if milliseconds > self._slow:
                logger.warning("slow query", query=name, milliseconds=round(milliseconds, 1))


def opening(
    context: Context | None = None,
    *,
    read_only: bool = False,
    role: Role | None = None,
    limits: str = "",
    request_id: UUID | None = None,
) -> str:
    """Return the first message of a transaction, which pins what every session depends on.

    Args:
        context: For whom it acts; it is asserted.
        read_only: Whether the server should refuse writes.
        role: The role to take; the login's own by default.
        limits: What `limiting` returns.
        request_id: Goes into the audit trail, and into the connection's name meanwhile.
    """
    parts = [
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        ", READ ONLY;" if read_only else ";",
        _PINS,
        limits,
    ]
    if role is not None:
        parts.append(f"SET LOCAL ROLE {role};")
    if request_id is not None:
        # By a select: of a SET, every id would be an entry of its own in pg_stat_statements before
        # PostgreSQL 18. The name is seen in pg_stat_activity, and in the server's log as %a.
        parts.append(
            f"SELECT pg_catalog.set_config('app.request_id', '{request_id.hex}', true),"
            f" pg_catalog.set_config('application_name', 'hearth {request_id}', true);"
        )
    if context is not None:
        parts.append(_setting(context) + ASSERTION)
    return "".join(parts)


def limiting(
    *, statement: int | None = None, lock: int | None = None, idle: int | None = None
) -> str:
    """Return the part of an opening that sets the server's limits, in milliseconds.

    Where one is `None`, that of the role stands.
    """
    limits = {
        "statement_timeout": statement,
        "lock_timeout": lock,
        "idle_in_transaction_session_timeout": idle,
    }
    return "".join(
        f"SET LOCAL {name} = {int(value)};" for name, value in limits.items() if value is not None
    )


@asynccontextmanager
async def transaction(
    connection: Any,
    first_message: str,
    *,
    slow: float = SLOW,
    opening_limit: float | None = None,
    commit_limit: float | None = None,
) -> AsyncIterator[Transaction]:
    """Open a transaction, and commit it at the end of the block.

    What becomes of it otherwise is for whoever has the connection to see to.

    Args:
        connection: Where.
        first_message: What `opening` returns.
        slow: Milliseconds from which on a query is logged as slow.
        opening_limit: Seconds for the first message; the connection is given up afterwards.
        commit_limit: Seconds for the COMMIT; what has become of it is not known afterwards.

    Raises:
        ConnectionLostError: The first message was not answered, or the connection has broken before
            COMMIT was sent.
        DatabaseError: An error in it was passed over; nothing was written.
    """
    try:
        with Observed(Step.BEGIN):
            await connection.execute(first_message, timeout=opening_limit)
    except TimeoutError:
        # Not even a rollback: whoever is silent would not hear it.
        close_at_once(connection)
        raise ConnectionLostError("the server did not answer") from None
    yield Transaction(connection, slow=slow)
    if is_closed(connection):
        raise ConnectionLostError("the connection to the database broke")
    with Observed(Step.COMMIT):
        # PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK.
        if await connection.execute("COMMIT", timeout=commit_limit) != "COMMIT":
            raise DatabaseError("the transaction could not be committed")


def is_closed(connection: Any) -> bool:
    """Say whether a connection is closed, or was taken away by its pool because it had broken."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


def close_at_once(connection: Any) -> None:
    """Close a connection without a word; nothing, where its pool took it away when it broke."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()


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
