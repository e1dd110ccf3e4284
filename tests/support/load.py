"""Clients that count what becomes of their requests: byte by byte, so that nothing is mended."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress


async def read_response(reader: asyncio.StreamReader) -> tuple[int, bool, bytes]:
    """Read a response: its status, whether it is the connection's last, its body.

    Raises:
        asyncio.IncompleteReadError: The connection ended before.
        ConnectionError: It was reset.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = re.search(rb"\ncontent-length: (\d+)", head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return int(head.split()[1]), b"\nconnection: close" in head, body


@asynccontextmanager
async def connected(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a port of the loopback, for as long as the block runs."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def get(path: str, token: str = "") -> bytes:
    """Return a GET request."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n".encode()


class Load:
    """Clients that send one request after the other, on connections that they keep.

    Args:
        port: Where, on the loopback; asked before each connection.
        requests: What they send, in turn.
        clients: How many.
    """

    def __init__(self, port: Callable[[], int], requests: Sequence[bytes], clients: int) -> None:
        self.counts: Counter[str] = Counter()
        self._port = port
        self._requests = requests
        self._is_over = False
        self._heard = asyncio.Event()
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(clients)]

    @property
    def answered(self) -> int:
        """How many responses there were."""
        return sum(number for name, number in self.counts.items() if name.isdigit())

    async def until(self, answered: int) -> None:
        """Wait for so many responses from now on."""
        wanted = self.answered + answered
        async with asyncio.timeout(60):
            while self.answered < wanted:
                self._heard.clear()
                await self._heard.wait()

    async def stop(self) -> Counter[str]:
        """Let each client read its last response, and return what became of all requests."""
        self._is_over = True
        await self.ended()
        return self.counts

    async def ended(self) -> None:
        """Wait until all clients have been refused, or told to stop."""
        async with asyncio.timeout(60):
            await asyncio.gather(*self._tasks)

    async def _client(self, client: int) -> None:
        while not self._is_over:
            try:
                async with connected(self._port()) as (reader, writer):
                    await self._talk(client, reader, writer)
            except ConnectionRefusedError:
                self.counts["refused"] += 1
                return
            except asyncio.IncompleteReadError:
                self.counts["cut"] += 1
            except ConnectionError:
                self.counts["reset"] += 1

    async def _talk(
        self, client: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        is_last, number = False, client
        while not is_last and not self._is_over:
            number += 1
            writer.write(self._requests[number % len(self._requests)])
            status, is_last, _ = await read_response(reader)
            self.counts[str(status)] += 1
            self._heard.set()
