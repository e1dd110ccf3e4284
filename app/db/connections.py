"""Open connections: those nobody uses wait for the next transaction.

How many are used at once is for the queue before them. asyncpg's own pool decides that as well, and
wraps each connection anew for every transaction.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from app.db.connecting import Connection


class Connections:
    """Connections to one server, used one after the other by many.

    Args:
        connect: Opens one.
        kept: How many are kept open while nobody uses them.
        max_idle: Seconds after which others are closed.
        max_age: Seconds after which one is used no more.
        counts: Counts those that are `replaced` because they may not be used any more.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        kept: int,
        max_idle: float,
        max_age: float,
        counts: Counter[str],
    ) -> None:
        self._connect = connect
        self._kept = kept
        self._max_idle = max_idle
        self._max_age = max_age
        self._idle: list[Connection] = []
        self._used: set[Connection] = set()
        # Which may lead to another server by now, or be gone without our knowing.
        self._opened_since = self._heard_since = 0.0
        self._sweeping: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._counts = counts
        self._is_over = False

    @property
    def size(self) -> int:
        """How many are open."""
        return len(self._idle) + len(self._used)

    @property
    def in_use(self) -> int:
        """How many are used."""
        return len(self._used)

    async def open(self) -> None:
        """Open those that are kept: one, and if there is a way, all others at once.

        Raises:
            Exception: Whatever `connect` raises; none is left open then.
        """
        try:
            if self._kept:
                await self._open_one()
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._kept - 1):
                    tasks.create_task(self._open_one())
        except BaseExceptionGroup as errors:
            self.terminate()
            raise errors.exceptions[0] from None
        except BaseException:
            self.terminate()
            raise
        self._sweep_later()

    async def _open_one(self) -> None:
        self._idle.append(await self._connect())

    def take_idle(self) -> Connection | None:
        """Return one that nobody uses; `None` if a new one has to be taken."""
        while self._idle:
            connection = self._idle.pop()  # the last one used: the others may be too many
            if self._may_be_used(connection):
                self._used.add(connection)
                return connection
            if not connection.is_closed():
                self._counts["replaced"] += 1
                connection.terminate()
        return None

    async def take_new(self) -> Connection:
        """Return a new one.

        Raises:
            Exception: Whatever `connect` raises.
        """
        connection = await self._connect()
        self._used.add(connection)
        if self._is_over:  # meanwhile
            connection.terminate()
        return connection

    def give_back(self, connection: Connection) -> None:
        """Let others use it; not if it is closed."""
        self._used.discard(connection)
        if self._is_over:
            connection.terminate()
        elif not connection.is_closed():
            connection.idle_since = time.monotonic()
            self._idle.append(connection)

    def doubt(self, heard_since: float) -> None:
        """Use none any more that was not heard of since a moment, of `time.monotonic`."""
        self._heard_since = max(self._heard_since, heard_since)

    def replace(self) -> None:
        """Use none any more that is open now."""
        self._opened_since = time.monotonic()

    async def close(self) -> None:
        """Say goodbye to the server, on all that nobody uses."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.close() for connection in idle))

    def terminate(self) -> None:
        """Close all without a word, and whatever is opened still."""
        self._is_over = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in (*self._idle, *self._used):
            connection.terminate()
        self._idle.clear()

    def _may_be_used(self, connection: Connection) -> bool:
        return (
            not connection.is_closed()
            and connection.born >= self._opened_since
            and connection.heard >= self._heard_since
            and connection.age < self._max_age
        )

    def _sweep_later(self) -> None:
        self._sweeping = asyncio.get_running_loop().call_later(self._max_idle / 2, self._sweep)

    def _sweep(self) -> None:
        before = time.monotonic() - self._max_idle
        for connection in list(self._idle):  # the longest idle first
            if connection.is_closed():
                self._idle.remove(connection)
            elif self.size > self._kept and connection.idle_since <= before:
                self._idle.remove(connection)
                task = asyncio.create_task(connection.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
        self._sweep_later()
