"""A way to the server, in between, that can lose what goes through it."""

import asyncio
from dataclasses import replace

from tests.conftest import Cluster


class Wire:
    """A way to the server that loses the answer of one COMMIT, once it is `armed`.

    Args:
        cluster: Where it leads.
        closes: Whether the connection is closed then; else it is silent from then on.
    """

    def __init__(self, cluster: Cluster, *, closes: bool) -> None:
        self._cluster = cluster
        self._closes = closes
        self._joined: set[asyncio.Task[None]] = set()
        self.armed = False

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for joined in self._joined:
            joined.cancel()
        await asyncio.gather(*self._joined, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, database: str) -> str:
        """Return the URL of a database of the server, by this way, as app_api."""
        port = self._server.sockets[0].getsockname()[1]
        return replace(self._cluster, host="127.0.0.1", port=port).url("app_api", database)

    def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._joined.add(asyncio.ensure_future(self._carry(reader, writer)))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._cluster.host, self._cluster.port
        answers, server = await (
            asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
            if host.startswith("/")
            else asyncio.open_connection(host, port)
        )
        lost = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._ask(reader, server, lost))
                ways.create_task(self._answer(answers, writer, lost))
        finally:
            for end in (server, writer):
                end.close()
            await asyncio.gather(server.wait_closed(), writer.wait_closed(), return_exceptions=True)

    async def _ask(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        while content := await reader.read(65_536):
            if self.armed and b"COMMIT\0" in content:
                self.armed = False
                lost.set()
            server.write(content)
        server.close()

    async def _answer(
        self, server: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        while content := await server.read(65_536):
            if not lost.is_set():
                writer.write(content)
            elif self._closes:
                break
        writer.close()
