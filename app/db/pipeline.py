"""The beginning of a transaction and its first query, in one message: one round trip for both.

PostgreSQL answers what it is sent up to a Sync, in order, and passes over the rest of it after an
error: no query runs whose beginning was refused. asyncpg sends a Sync after each query and has no
pipeline, so what goes before is put before the message of the query, at the transport. It returns
no row: asyncpg takes what is answered for the query's own answer.

What this stands on, and tests/db/test_pipeline.py holds:

- Both go in one write: if asyncpg sends no query after all, because it cannot encode a value for
  example, nothing of the beginning is sent either.
- A query has been prepared by then, and a prepared statement is never prepared anew behind our
  back, which would come between the two.
- Not through a pooler, which sees transactions where there are none.
"""

import struct
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import asyncpg

from app.db.queries import Query

Fetch: TypeAlias = Literal["fetch", "fetchrow", "fetchval"]


class _Joining:
    """A transport that sends what was put before a message together with it.

    Args:
        transport: The connection's.

    Attributes:
        before: What is put there.
    """

    __slots__ = ("_transport", "before")

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.before = b""

    def write(self, data: bytes) -> None:
        """Send data."""
        if self.before:
            data, self.before = self.before + data, b""
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Protocol(asyncpg.protocol.Protocol):
    """asyncpg's protocol, with such a transport."""

    joining: _Joining

    def connection_made(self, transport: Any) -> None:
        self.joining = _Joining(transport)
        super().connection_made(self.joining)


# There is no other way to have asyncpg's connections use it.
asyncpg.protocol.Protocol = _Protocol  # type: ignore[misc, assignment]


class Pipeline:
    """What is prepared on one connection, to be sent without waiting.

    Args:
        connection: Which; asyncpg's, without a pooler in between.
        texts: The statements that begin a transaction, and a request in it.
    """

    def __init__(self, connection: Any, texts: tuple[str, str]) -> None:
        self._connection = connection
        self._texts = texts
        self._statements: dict[str, Any] = {}
        self._beginnings: tuple[Any, Any] | None = None
        self._begin = self._request = b""

    async def send(
        self,
        fetch: Fetch,
        query: Query,
        arguments: Sequence[object],
        beginning: Sequence[str | None],
        *,
        is_whole: bool,
    ) -> Any:
        """Begin a transaction, and run its first query.

        Args:
            fetch: What is wanted of the query.
            query: Which.
            arguments: Its parameters.
            beginning: Those of `app.begin_request`, as text.
            is_whole: Whether that is all of the transaction: it is committed by then.

        Raises:
            asyncpg.PostgresError: The server refused the one or the other.
        """
        statement = self._statements.get(query.name) or await self._prepare(query)
        request = _message(b"B", self._request + _values(beginning)) + _EXECUTE
        joining: _Joining = self._connection._protocol.joining
        joining.before = request if is_whole else self._begin + request
        try:
            found = await getattr(statement, fetch)(*arguments)
        except (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError):
            self._statements.clear()
            self._beginnings = None
            raise
        else:
            assert not joining.before  # noqa: S101 - else the query ran without its beginning
            return found
        finally:
            joining.before = b""

    async def _prepare(self, query: Query) -> Any:
        if self._beginnings is None:
            # Kept, for asyncpg closes what nobody has any more.
            begin, request = [await self._connection.prepare(text) for text in self._texts]
            self._beginnings = (begin, request)
            self._begin = _message(b"B", _to(begin) + _values(())) + _EXECUTE
            self._request = _to(request)
        statement = self._statements[query.name] = await self._connection.prepare(query.text)
        return statement


# The messages Bind and Execute (PostgreSQL documentation, "Message Formats"): of the unnamed
# portal, all parameters as text, all rows.


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content


def _to(statement: Any) -> bytes:
    name: str = statement.get_name()
    return b"\0" + name.encode() + b"\0" + struct.pack("!h", 0)


def _values(values: Sequence[str | None]) -> bytes:
    parts = [struct.pack("!h", len(values))]
    for value in values:
        if value is None:
            parts.append(b"\xff\xff\xff\xff")
        else:
            parts += (struct.pack("!i", len(value)), value.encode("ascii"))
    parts.append(b"\0\0")
    return b"".join(parts)


_EXECUTE = _message(b"E", b"\0" + struct.pack("!i", 0))
