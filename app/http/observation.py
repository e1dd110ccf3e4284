"""What a request takes time for: told to Prometheus, in `Server-Timing`, in the log, in spans."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from prometheus_client import Counter, Histogram, Summary

from app.db.figures import Outcome, Step
from app.db.transaction import SLOW

# Of a hundred queries, a histogram each would be more series than anybody looks at.
QUERIES = Summary("hearth_query_duration_seconds", "How long queries took, by name.", ("query",))
ACQUIRE = Histogram(
    "hearth_pool_acquire_duration_seconds",
    "How long requests waited for a connection of the pool.",
    buckets=(0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
)
TRANSACTIONS = Counter(
    "hearth_transactions", "Transactions of requests, by how they ended.", ("outcome",)
)

# A look-up takes longer than what is done with it. And there is a series before its first event, so
# that a rate sees that one, too.
_query = cache(QUERIES.labels)
_TRANSACTIONS = {outcome: TRANSACTIONS.labels(outcome) for outcome in Outcome}


@dataclass(frozen=True, slots=True)
class Taken:
    """A step of a transaction that is over; times in seconds, of `time.perf_counter`."""

    step: Step
    name: str
    started: float
    seconds: float
    error: str | None


class Observation:
    """Observes the transactions of one request.

    Args:
        keeps_steps: Whether the steps are wanted, and not only their sums.

    Attributes:
        slow: The names of the queries that were slow.
        steps: The steps, where they are wanted.
        started: When the request began, by `time.perf_counter`.
    """

    def __init__(self, *, keeps_steps: bool) -> None:
        self.slow: list[str] = []
        self.steps: list[Taken] = []
        self.started = time.perf_counter()
        self._keeps_steps = keeps_steps
        self._acquire = self._waited = 0.0
        self._database = 0.0

    def took(
        self, step: Step, name: str, started: float, seconds: float, error: str | None
    ) -> None:
        """Take note of a step."""
        if step is Step.QUEUE or step is Step.ACQUIRE:
            self._acquire += seconds
            self._waited += seconds
            # Who came through the queue waits for a connection next.
            if step is Step.ACQUIRE or error is not None:
                ACQUIRE.observe(self._waited)
                self._waited = 0.0
        else:
            self._database += seconds
        if step is Step.QUERY:
            _query(name).observe(seconds)
            if seconds * 1000 > SLOW and name not in self.slow:
                self.slow.append(name)
        if self._keeps_steps:
            self.steps.append(Taken(step, name, started, seconds, error))

    def ended(self, outcome: Outcome) -> None:
        """Take note of the end of a transaction."""
        _TRANSACTIONS[outcome].inc()

    @property
    def seconds(self) -> float:
        """How long the request has taken."""
        return time.perf_counter() - self.started

    @property
    def server_timing(self) -> str:
        """The header `Server-Timing`: milliseconds for a connection, in PostgreSQL, in all.

        https://www.w3.org/TR/server-timing/
        """
        parts: Sequence[tuple[str, float]] = [("total", self.seconds)]
        if self._acquire:
            parts = [("acquire", self._acquire), ("db", self._database), *parts]
        return ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in parts)
