"""A way to the server, in between, that breaks as networks break."""

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field, replace

from tests.conftest import Cluster


@dataclass(eq=False)
class _Way:
    """One connection, from here to there."""

    here: asyncio.StreamWriter
    there: asyncio.StreamWriter
    is_lost: bool = False  # whether nothing comes back any more

    def reset(self) -> None:
        """Throw away whatever is under way, and tell both sides so."""
        for writer in (self.here, self.there):
            with suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
            writer.transport.abort()


@dataclass
class Wire:
    """Carries bytes between a service and a server, for as long as it does.

    Args:
        cluster: The server.
        loses_commits: Of so many the answers are lost.
        is_reset: Whether their connections are reset then; else they are silent from then on.
    """

    cluster: Cluster
    loses_commits: int = 0
    is_reset: bool = True
    _is_open: asyncio.Event = field(default_factory=asyncio.Event)
    _ways: set[_Way] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> "Wire":
        self._is_open.set()
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, database: str) -> str:
        """Return the URL of a database of the server, by this way, as app_api."""
        port = self._server.sockets[0].getsockname()[1]
        return replace(self.cluster, host="127.0.0.1", port=port).url("app_api", database)

    def silence(self) -> None:
        """Carry nothing any more, on connections that are there and on new ones."""
        self._is_open.clear()

    def carry(self) -> None:
        """Carry on, where nobody has given up meanwhile."""
        self._is_open.set()

    def reset(self) -> None:
        """Reset all connections."""
        for way in list(self._ways):
            way.reset()

    def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self.cluster.host, self.cluster.port
        way = None
        try:
            await self._is_open.wait()
            answers, there = await (
                asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
                if host.startswith("/")
                else asyncio.open_connection(host, port)
            )
            way = _Way(writer, there)
            self._ways.add(way)
            await asyncio.gather(self._ask(reader, way), self._answer(answers, way))
        except OSError:
            writer.transport.abort()
        finally:
            ends = (writer,) if way is None else (writer, way.there)
            for end in ends:
                end.close()
            if way is not None:
                self._ways.discard(way)
            await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)

    async def _ask(self, reader: asyncio.StreamReader, way: _Way) -> None:
        while content := await reader.read(65_536):
            await self._is_open.wait()
            if self.loses_commits and b"COMMIT\0" in content:
                self.loses_commits -= 1
                way.is_lost = True
            way.there.write(content)
            await way.there.drain()
        way.there.close()

    async def _answer(self, reader: asyncio.StreamReader, way: _Way) -> None:
        while content := await reader.read(65_536):
            await self._is_open.wait()
            if not way.is_lost:
                way.here.write(content)
                await way.here.drain()
            elif self.is_reset:
                way.reset()
                return
        way.here.close()
