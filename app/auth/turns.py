"""Turns at work that takes a whole processor: few at once, and networks one after the other."""

import asyncio
import os
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.http import problems
from app.http.problems import Problem

# A password takes a tenth of a second, so who waits behind all the others waits for some seconds,
# and less than any deadline.
MAX_WAITING = 64
MAX_WAITING_OF_ONE = 16


class Turns:
    """Lets so many work at once; whoever comes later waits, each network in a line of its own.

    Args:
        at_once: How many; by default one more than there are processors, as each also waits for the
            database for a moment.
    """

    def __init__(self, at_once: int = (os.cpu_count() or 1) + 1) -> None:
        self._free = at_once
        # The network whose turn is next comes first.
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, network: str) -> AsyncIterator[None]:
        """Wait for a turn, and hold it while the block runs.

        Args:
            network: Whose line to stand in.

        Raises:
            Problem: Too many wait already, from this network or altogether (503).
        """
        await self._wait(network)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, network: str) -> None:
        if self._free:
            self._free -= 1
            return
        of_one = len(self._lines.get(network, ()))
        if of_one >= MAX_WAITING_OF_ONE or sum(map(len, self._lines.values())) >= MAX_WAITING:
            detail = "Too many passwords are being checked; try again."
            raise Problem(problems.UNAVAILABLE, detail)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(network, deque()).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            # Either it stands in its line still, where nobody waits any more, or has just come up.
            if mine.done() and not mine.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._lines:
            network, line = self._lines.popitem(last=False)
            next_one = line.popleft()
            if line:
                self._lines[network] = line
            if not next_one.done():
                next_one.set_result(None)
                return
        self._free += 1
