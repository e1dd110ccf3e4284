"""What is reported, and when it changes: nothing here asks anybody, or for the time."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class HealthState(StrEnum):
    """How the service is."""

    STARTING = "starting"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"


# From good to bad; what is starting is taken out of it by the first look.
_ORDER = (HealthState.HEALTHY, HealthState.DEGRADED, HealthState.UNHEALTHY, HealthState.STARTING)

# Without these no request can be served as it should be; without the others, some.
VITAL = frozenset({"database", "role", "pooler", "monitor"})

# So many good looks in a row, and what was worse is over.
GOOD_LOOKS = 2


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Args:
        since: When it became as it is: well, or not.
        reason: Why it is not well; `None` if it is.
        details: What else was seen of it, as JSON.
    """

    since: datetime
    reason: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        """Whether it is well."""
        return self.reason is None

    def document(self, *, is_full: bool) -> Mapping[str, object]:
        """The check as clients get it; what is not full tells nothing of the server or the role."""
        if not is_full:
            return {"ok": self.is_ok}
        told = {"ok": self.is_ok, "reason": self.reason, "since": self.since.isoformat()}
        return {**told, **self.details}


@dataclass(frozen=True)
class Report:
    """The state of the service, and all checks by their names.

    Args:
        since: When the state began.
        age_seconds: How long ago it was looked.
    """

    state: HealthState
    since: datetime
    checks: Mapping[str, Check]
    age_seconds: float = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether requests should be sent here."""
        return self.state in {HealthState.HEALTHY, HealthState.DEGRADED}

    @property
    def reasons(self) -> str:
        """What is not well, in a line."""
        return "; ".join(f"{name}: {c.reason}" for name, c in self.checks.items() if c.reason)

    def document(self, *, is_full: bool) -> Mapping[str, object]:
        """The report as clients get it."""
        checks = {name: one.document(is_full=is_full) for name, one in self.checks.items()}
        since = {"since": self.since.isoformat()} if is_full else {}
        return {"state": self.state, "age_seconds": self.age_seconds, **since, "checks": checks}


def judge(reasons: Mapping[str, str | None]) -> HealthState:
    """Return what one look alone says.

    Args:
        reasons: Each check's; `None` where all is well.
    """
    wrong = {name for name, reason in reasons.items() if reason is not None}
    if wrong & VITAL:
        return HealthState.UNHEALTHY
    return HealthState.DEGRADED if wrong else HealthState.HEALTHY


class Hysteresis:
    """The state over a sequence of looks: worse at once, better after `GOOD_LOOKS` in a row."""

    def __init__(self) -> None:
        self.state = HealthState.STARTING
        self._better: list[HealthState] = []

    def take(self, seen: HealthState) -> HealthState:
        """Return the state after one more look."""
        if self.state is HealthState.STARTING or _ORDER.index(seen) >= _ORDER.index(self.state):
            self.state, self._better = seen, []
            return self.state
        self._better.append(seen)
        if len(self._better) == GOOD_LOOKS:
            self.state, self._better = max(self._better, key=_ORDER.index), []
        return self.state


class ErrorRate:
    """Of the requests of the last minute, how many the service could not serve.

    It is high from a tenth on, and until it is below half of that; of few it says nothing.
    """

    window = 60
    few = 20
    limit = 0.1

    def __init__(self) -> None:
        self._seconds: deque[list[int]] = deque()  # each: which, requests, failed ones
        self._is_high = False

    def count(self, status: int, now: float) -> None:
        """Count a response that was given at `now`, in seconds of any clock that goes forward."""
        if not self._seconds or self._seconds[-1][0] != int(now):
            self._seconds.append([int(now), 0, 0])
        self._seconds[-1][1] += 1
        self._seconds[-1][2] += status >= 500

    def look(self, now: float) -> tuple[str | None, Mapping[str, object]]:
        """Return why it is too high, or `None`, and the figures."""
        while self._seconds and self._seconds[0][0] <= now - self.window:
            self._seconds.popleft()
        requests = sum(second[1] for second in self._seconds)
        failed = sum(second[2] for second in self._seconds)
        limit = self.limit / 2 if self._is_high else self.limit
        self._is_high = requests >= self.few and failed >= limit * requests
        reason = f"{failed} of {requests} requests failed within a minute"
        return (reason if self._is_high else None), {"requests": requests, "failed": failed}
