"""The command line's way into the database: a connection of its own, in the role of app_ops.

The service's login has no way into this role.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import asyncpg

from app.db.connecting import Way
from app.db.errors import ERRORS, BusyError, ConnectionLostError, DatabaseError
from app.db.transaction import Beginning, Role, Transaction, transaction


class Admin:
    """A connection of the command line.

    Args:
        connection: A connection of a login that may take the roles.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @asynccontextmanager
    async def transaction(self, role: Role | None = "app_ops") -> AsyncIterator[Transaction]:
        """Open a transaction in a role, or as the login, and commit it at the end of the block.

        Raises:
            BusyError: A lock was not to be had in time.
            DatabaseError: The server is gone, or refuses.
        """
        try:
            # Nobody reads a log here: whoever gave the command sees how long it takes.
            async with transaction(self._connection, Beginning(role=role), slow=inf) as opened:
                yield opened
        except asyncpg.LockNotAvailableError as error:
            raise BusyError(f"DIRECT_URL: {_reason(error)}") from None
        except (*ERRORS, ConnectionLostError) as error:
            raise DatabaseError(f"DIRECT_URL: {_reason(error)}") from None

    async def rows(self, name: str, values: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
        """Return all rows of a query, which is a transaction by itself.

        Raises:
            DatabaseError: The server is gone, or refuses.
        """
        async with self.transaction() as opened:
            return await opened.rows(name, values)

    async def value(self, name: str, values: Mapping[str, object]) -> Any:
        """Return the first column of the first row of a query, which is a transaction by itself.

        Raises:
            DatabaseError: The server is gone, or refuses.
        """
        async with self.transaction() as opened:
            return await opened.value(name, values)


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Admin]:
    """Open a connection for the command line.

    Args:
        url: `DIRECT_URL`, of a login that may take the role of app_ops.

    Raises:
        DatabaseError: The server cannot be reached, or the login is not the deployer's.
    """
    try:
        connection = await Way(lambda: url, timeout=10)()
        await Transaction(connection, slow=inf).rows("lift_limits", {})
    except ERRORS as error:
        raise DatabaseError(f"DIRECT_URL: cannot connect ({_reason(error)})") from None
    try:
        yield Admin(connection)
    except BaseException:
        # The server undoes what is under way; nothing waits for it.
        connection.terminate()
        raise
    await connection.close()


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
    async with connect(url) as admin:
        return await admin.rows(name, values)


def _reason(error: Exception) -> str:
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"{error}; the login should be the deployer's"
    return type(error).__name__
