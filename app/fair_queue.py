"""Admission: few at once, whoever comes later waits in a line of its own kind, nobody for ever."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class QueueFullError(Exception):
    """Too many wait already; the same may be served later."""


class FairQueue:
    """Lets so many in at once; who waits is let in line by line, one of each (round robin).

    So a line that is long, or whose members stay long inside, keeps no other waiting.

    Args:
        at_once: How many are in at most.
        of_one: How many of one line; by default as many.
        waiting: How many may wait.
        waiting_of_one: How many of one line may wait.
    """

    def __init__(
        self, at_once: int, *, of_one: int | None = None, waiting: int, waiting_of_one: int
    ) -> None:
        self._free = at_once
        self._of_one = at_once if of_one is None else of_one
        self._most_waiting = waiting
        self._most_waiting_of_one = waiting_of_one
        self._waiting = 0
        self._inside: Counter[Hashable] = Counter()
        # The line whose turn is next comes first; those that have all their places are passed over.
        self._lines: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    def enter_at_once(self, line: Hashable) -> bool:
        """Take a place if one is free, and say whether it was: then it is held until `leave`."""
        if not self._may_enter(line):
            return False
        self._take_place(line)
        return True

    async def enter(self, line: Hashable) -> None:
        """Wait for a place, which is held until `leave`.

        Args:
            line: Where to stand.

        Raises:
            QueueFullError: Too many wait already, in this line or altogether.
        """
        if self.enter_at_once(line):
            return
        of_one = len(self._lines.get(line, ()))
        if of_one >= self._most_waiting_of_one or self._waiting >= self._most_waiting:
            raise QueueFullError
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(line, deque()).append(mine)
        self._waiting += 1
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # it has just been let in
                self.leave(line)
            elif mine in self._lines.get(line, ()):
                self._lines[line].remove(mine)
                self._forget_one(line)
            raise

    def leave(self, line: Hashable) -> None:
        """Give the place back, to the line whose turn it is."""
        self._free += 1
        self._inside[line] -= 1
        if not self._inside[line]:
            del self._inside[line]
        while self._free:
            for called in self._lines:
                if self._may_enter(called):
                    break
            else:
                return
            first = self._lines[called].popleft()
            self._lines.move_to_end(called)
            self._forget_one(called)
            if not first.done():  # else it has given up, and not run since
                self._take_place(called)
                first.set_result(None)

    @asynccontextmanager
    async def place(self, line: Hashable) -> AsyncIterator[None]:
        """Hold a place while the block runs; as `enter` and `leave`."""
        await self.enter(line)
        try:
            yield
        finally:
            self.leave(line)

    def _may_enter(self, line: Hashable) -> bool:
        return self._free > 0 and self._inside[line] < self._of_one

    def _take_place(self, line: Hashable) -> None:
        self._free -= 1
        self._inside[line] += 1

    def _forget_one(self, line: Hashable) -> None:
        self._waiting -= 1
        if not self._lines[line]:
            del self._lines[line]
