"""A way to the server that breaks as networks break."""

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(eq=False)
class _Way:
    """One connection, from here to there."""

    here: asyncio.StreamWriter
    there: asyncio.StreamWriter
    loses: bool = False  # whether nothing comes back any more

    def reset(self) -> None:
        for writer in (self.here, self.there):
            # Whatever is under way is thrown away, and the other side is told so.
            with suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
            writer.transport.abort()


@dataclass
class Wire:
    """Carries bytes between the service and the server's socket, for as long as it does.

    Args:
        target: The path of the server's socket.
    """

    target: str
    loses_commits: int = 0  # of so many the answers are lost, and their connections reset
    _is_open: asyncio.Event = field(default_factory=asyncio.Event)
    _ways: set[_Way] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> "Wire":
        self._is_open.set()
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._is_open.wait()
            from_server, to_server = await asyncio.open_unix_connection(self.target)
        except OSError:
            writer.transport.abort()
            return
        way = _Way(writer, to_server)
        self._ways.add(way)
        for pump in (self._ask(reader, way), self._answer(from_server, way)):
            task = asyncio.ensure_future(pump)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, reader: asyncio.StreamReader, way: _Way) -> None:
        with suppress(OSError):
            while content := await reader.read(65_536):
                await self._is_open.wait()
                if self.loses_commits and b"COMMIT\0" in content:
                    self.loses_commits -= 1
                    way.loses = True
                way.there.write(content)
                await way.there.drain()
        way.there.close()

    async def _answer(self, reader: asyncio.StreamReader, way: _Way) -> None:
        with suppress(OSError):
            while content := await reader.read(65_536):
                await self._is_open.wait()
                if way.loses:
                    way.reset()
                    break
                way.here.write(content)
                await way.here.drain()
        way.here.close()
        self._ways.discard(way)
