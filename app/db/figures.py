"""What the pool knows of itself, asking nobody: who waits, and which writes were refused."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

# Why a whole server takes no writes, or none that need space.
_REFUSALS = {"25006": "the server is read-only", "53100": "the server has no space left"}

# A refused write is over when so many were taken since, or after so many seconds without another:
# on a full disk, what fits into a page that is there already is still taken.
_TAKEN_SINCE = 20
_REMEMBERED = 60.0


class Figures:
    """Figures of one pool.

    Attributes:
        counts: How often a transaction was `retried`, a wait for a connection ended in an
            `acquire_timeout`, a connection was `replaced` because it was too old or likely to be
            gone, and an `outcome_unknown`.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._waiting: dict[object, float] = {}
        self._longest_wait = 0.0
        self._refusal: str | None = None
        self._refused_at = 0.0
        self._taken = 0

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Measure how long a connection is waited for: for as long as the block runs."""
        who = object()
        started = self._waiting[who] = time.monotonic()
        try:
            yield
        finally:
            del self._waiting[who]
            self._longest_wait = max(self._longest_wait, time.monotonic() - started)

    @property
    def waiting(self) -> int:
        """How many wait for a connection."""
        return len(self._waiting)

    def take_longest_wait(self) -> float:
        """Return the longest wait since this was last called, in seconds; it may go on still."""
        # A dictionary is in the order of coming: the first has waited longest.
        first = next(iter(self._waiting.values()), None)
        going_on = 0.0 if first is None else time.monotonic() - first
        longest, self._longest_wait = max(self._longest_wait, going_on), 0.0
        return longest

    def wrote(self) -> None:
        """Take note of a transaction that wrote."""
        self._taken += 1

    def refused(self, state: str) -> None:
        """Take note of one that the server refused, with the SQLSTATE."""
        if state in _REFUSALS:
            self._refusal, self._refused_at, self._taken = state, time.monotonic(), 0

    @property
    def refusal(self) -> str | None:
        """Why the last writes were refused; `None` if they were not."""
        is_over = self._taken >= _TAKEN_SINCE or time.monotonic() > self._refused_at + _REMEMBERED
        if self._refusal is None or is_over:
            return None
        return f"{_REFUSALS[self._refusal]} (SQLSTATE {self._refusal})"
