"""A connection beside the pool, for who looks at the database and waits for nobody."""

import asyncio
from collections.abc import Mapping
from math import inf
from typing import Any

from app.db.connecting import way
from app.db.errors import ERRORS, ConnectionLostError, DatabaseError
from app.db.transaction import Beginning, Limits, Transaction, transaction
from app.settings import Settings, UrlName

# Seconds that one look may take, its connection included. Together with a second look on another
# connection, and a second between looks, a server that is gone is noticed within five.
LIMIT = 1.5

# Not read only: what it would be by itself is to be seen.
_BEGINNING = Beginning(limits=Limits(statement=1200, lock=500))


class Watch:
    """A connection of its own, that is opened when it is needed.

    Args:
        settings: Where the database is, and through what.
        url: The setting that says where.
        is_bare: Whether it asks often, and what depends on nothing that is set: then each query is
            one message, and prepared where it can be.
    """

    def __init__(
        self, settings: Settings, *, url: UrlName = "database_url", is_bare: bool = False
    ) -> None:
        self._is_bare = is_bare
        # What it sends has no name: so it gets on with every pooler, and finds what others named.
        self._connect = way(
            settings,
            url=url,
            within=LIMIT,
            **({} if is_bare else {"statement_cache_size": 0}),
            server_settings={"application_name": "hearth health"},
        )
        self._connection: Any = None

    async def value(self, name: str, values: Mapping[str, object]) -> Any:
        """Return the first column of a query's first row.

        It is asked once more, on a new connection, where the one that was there has failed: what
        has gone may be that connection alone.

        Raises:
            asyncpg.PostgresError: The server refused; or another one of `ERRORS`: it is not there.
            DatabaseError: The password cannot be read, or the connection broke.
        """
        if self._connection is not None:
            try:
                return await self._ask(name, values)
            except (*ERRORS, ConnectionLostError):
                pass
        return await self._ask(name, values)

    async def _ask(self, name: str, values: Mapping[str, object]) -> Any:
        try:
            async with asyncio.timeout(LIMIT):
                if self._connection is None:
                    self._connection = await self._connect()
                if self._is_bare:
                    return await Transaction(self._connection, slow=inf).value(name, values)
                async with transaction(self._connection, _BEGINNING, slow=inf) as opened:
                    value = await opened.value(name, values)
        except BaseException:
            self.close()
            raise
        return value

    async def renew(self) -> None:
        """Go on with a new connection, if there is one: it may lead to another server."""
        try:
            async with asyncio.timeout(LIMIT):
                connection = await self._connect()
        except (*ERRORS, DatabaseError):
            return
        self.close()
        self._connection = connection

    def close(self) -> None:
        """Let the connection go, at once."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
