"""What the pool knows of itself, asking nobody: who waits, and which writes were refused.

And where whoever causes a transaction is told of its steps: by an observer in the context.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

# Why a whole server takes no writes, or none that need space.
_REFUSALS = {"25006": "the server is read-only", "53100": "the server has no space left"}

# A refused write is over when so many were taken since, or after so many seconds without another:
# on a full disk, what fits into a page that is there already is still taken.
_TAKEN_SINCE = 20
_REMEMBERED = 60.0


class Step(StrEnum):
    """What a transaction takes time for."""

    QUEUE = "queue"
    ACQUIRE = "acquire"
    BEGIN = "begin"
    QUERY = "query"
    COMMIT = "commit"
    ROLLBACK = "rollback"


class Outcome(StrEnum):
    """How a transaction ended."""

    COMMITTED = "committed"
    ROLLED_BACK = "rolled_back"
    UNKNOWN = "unknown"


class Observer(Protocol):
    """Who is told of the transactions in its context."""

    def took(
        self, step: Step, name: str, started: float, seconds: float, error: str | None
    ) -> None:
        """Take note of a step.

        Args:
            step: Which.
            name: Of the query; of another step, its own.
            started: When, by `time.perf_counter`.
            seconds: How long it took.
            error: The type of the exception that ended it; `None` if it succeeded.
        """

    def ended(self, outcome: Outcome) -> None:
        """Take note of the end of a transaction."""


observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


class Observed:
    """Measures a step while a block runs, and tells the observer.

    Args:
        step: Which.
        name: Of the query.

    Attributes:
        seconds: How long it took; set at the end.
    """

    # No generator: this is done some times a request, and so costs a third.
    __slots__ = ("_name", "_started", "_step", "seconds")

    def __init__(self, step: Step, name: str = "") -> None:
        self._step = step
        self._name = name or step

    def __enter__(self) -> Self:
        """Begin."""
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, error: type[BaseException] | None, _: object, traceback: TracebackType | None
    ) -> None:
        """End."""
        self.seconds = time.perf_counter() - self._started
        if (who := observer.get()) is not None:
            because = None if error is None else error.__name__
            who.took(self._step, self._name, self._started, self.seconds, because)


def tell_end(outcome: Outcome | None) -> None:
    """Tell the observer how a transaction ended; `None` if it never began."""
    if outcome is not None and (who := observer.get()) is not None:
        who.ended(outcome)


class Figures:
    """Figures of one pool.

    Attributes:
        counts: How often a transaction was `retried`, a wait for a connection ended in an
            `acquire_timeout`, nobody was let wait (`overloaded`), a connection was `replaced`
            because it was too old or likely to be gone, an `outcome_unknown`, and, where there is
            a replica, a `read_primary` or `read_replica`.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._taken_counts: Counter[str] = Counter()
        self._waiting: dict[object, float] = {}
        self._longest_wait = 0.0
        self._refusal: str | None = None
        self._refused_at = 0.0
        self._taken = 0

    @contextmanager
    def wait(self, step: Step = Step.ACQUIRE) -> Iterator[None]:
        """Measure how long a connection is waited for: for as long as the block runs."""
        who = object()
        started = self._waiting[who] = time.monotonic()
        try:
            with Observed(step):
                yield
        finally:
            del self._waiting[who]
            self._longest_wait = max(self._longest_wait, time.monotonic() - started)

    def take_counts(self) -> Counter[str]:
        """Return what has been counted since this was last called."""
        new = self.counts - self._taken_counts
        self._taken_counts = self.counts.copy()
        return new

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
