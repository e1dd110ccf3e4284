"""The monitor: it looks at the database every second, and keeps the last report for who asks.

Whoever asks for the health waits for nobody and takes no connection: the looks have one of their
own, and are limited in time.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from prometheus_client import Counter, Gauge

from app.db.pool import ERRORS, WRONG_POOLER, Database, DatabaseError, patiently
from app.db.watch import Watch
from app.health.report import Check, ErrorRate, HealthState, Hysteresis, Report, judge
from app.migrations import lock
from app.migrations.sources import Tree
from app.settings import Settings, sql_directory

logger = structlog.get_logger("hearth.health")

# Seconds between two looks.
INTERVAL = 1.0

# A report that is older (seconds) says nothing: a look takes four at most.
MAX_AGE = 10.0

# Seconds that a look waits for what there is to say of the replica.
REPLICA_LIMIT = 0.5

# Who waits longer for a connection (seconds) is one too many; of the last so many looks.
LONG_WAIT = 1.0
LOOKS_OF_POOL = 10

STATE = Gauge(
    "hearth_health_state",
    "1 for the state that the service is in; of several workers, how many are.",
    ("state",),
    multiprocess_mode="livesum",
)
TRANSITIONS = Counter("hearth_health_transitions", "Changes of the state.", ("was", "state"))

# What a look saw: of each check the reason, or None where it is well, and the details.
Seen = Mapping[str, tuple[str | None, Mapping[str, object]]]


class Monitor:
    """Watches the database and the pool.

    Args:
        settings: Where the database is.
        database: The pool, which it opens once the database is there and fit to be used.

    Raises:
        SettingsError: `DATABASE_URL` is not set.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._watch = Watch(settings)
        self._at_replica: asyncio.Task[Seen] | None = None
        tree = Tree.read(sql_directory())
        read = [*tree.migrations, *tree.files]
        files = {f"{file.kind}/{file.name}": file.sha256 for file in read}
        self._values = {"files": json.dumps(files), "deployers_lock": lock.KEY}
        self._waits: deque[float] = deque(maxlen=LOOKS_OF_POOL)
        self._was_writable = True
        self._errors = ErrorRate()
        self._hysteresis = Hysteresis()
        self._kept: dict[str, Check] = {}
        self._seen_at = time.monotonic()
        starting = Check(datetime.now(UTC), "the database has not been reached yet")
        self._report = Report(HealthState.STARTING, starting.since, {"database": starting})
        show(HealthState.STARTING)

    @property
    def report(self) -> Report:
        """What was seen last, with its age; where that is too old, this is what is wrong."""
        age = round(time.monotonic() - self._seen_at, 1)
        report = replace(self._report, age_seconds=age)
        if age <= MAX_AGE or report.state is HealthState.STARTING:
            return report
        since = datetime.now(UTC) - timedelta(seconds=age - MAX_AGE)
        hung = Check(since, f"nobody has looked for {age} seconds")
        checks = {**report.checks, "monitor": hung}
        return replace(report, state=HealthState.UNHEALTHY, since=since, checks=checks)

    def count(self, status: int) -> None:
        """Count a response of the API, by its HTTP status."""
        self._errors.count(status, time.monotonic())

    @asynccontextmanager
    async def watching(
        self, on_ready: Callable[[], None], on_failure: Callable[[Exception], None]
    ) -> AsyncIterator[None]:
        """Watch while the block runs; neither its beginning nor its end waits for the database.

        Args:
            on_ready: Called once, when requests can be served.
            on_failure: Called with a `DatabaseError` if they never can.
        """
        task = asyncio.create_task(self._run(on_ready, on_failure))
        try:
            yield
        finally:
            for one in (task, self._at_replica):
                if one is not None:
                    one.cancel()
                    with suppress(asyncio.CancelledError):
                        await one
            self._watch.close()

    async def _run(
        self, on_ready: Callable[[], None], on_failure: Callable[[Exception], None]
    ) -> None:
        limit = self._settings.connect_timeout
        try:
            # Nobody is served before the login has been looked at; and what the pool prepares is
            # looked for on the monitor's connection afterwards.
            _refuse(await patiently(self._look, within=limit))
            await self._database.connect()
            seen = await patiently(self._look, within=limit)
            _refuse(seen)
        except Exception as error:  # noqa: BLE001 - whoever started it is to know of each
            reason = str(error) if isinstance(error, DatabaseError) else _name(error)
            self._take({"database": (reason, {})})
            on_failure(error)
            return
        self._take(seen)
        on_ready()
        while True:
            await asyncio.sleep(INTERVAL)  # the period of the looks
            await self.look()

    async def look(self) -> None:
        """Look once, and keep the report."""
        if self._at_replica is None:
            self._at_replica = asyncio.create_task(self._look_at_replica())
        seen = await self._look_safely()
        # Of the primary there is something to be seen also while the replica is silent.
        await asyncio.wait([self._at_replica], timeout=REPLICA_LIMIT)
        replica: Seen = {"replica": ("REPLICA_URL: the server does not answer", {})}
        if self._at_replica.done():
            replica, self._at_replica = self._at_replica.result(), None
        self._take({**seen, **replica})

    async def _look_safely(self) -> Seen:
        try:
            return await self._look()
        except ERRORS as error:
            return {"database": (f"it could not be asked ({_name(error)})", {})}
        except DatabaseError as error:
            return {"database": (str(error), {})}
        except Exception as error:  # noqa: BLE001 - a monitor that ended would say nothing any more
            return {"monitor": (f"the look failed ({_name(error)})", {})}

    async def _look_at_replica(self) -> Seen:
        try:
            seen = await self._database.look_at_replica()
        except Exception as error:  # noqa: BLE001 - as above
            seen = f"the look failed ({_name(error)})", {}
        return {} if seen is None else {"replica": seen}

    async def _look(self) -> Seen:
        values = {**self._values, "service_time": datetime.now(UTC)}
        started = time.perf_counter()
        saw: dict[str, Any] = json.loads(await self._watch.value("get_health", values))
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        saw["database"]["milliseconds"] = milliseconds
        is_wrong = saw.pop("finds_statements") and self._settings.database_pooler != "transaction"
        saw["pooler"] = {"reason": WRONG_POOLER if is_wrong else None}
        await self._follow(is_writable=saw["writable"]["reason"] is None)
        saw["writable"]["reason"] = saw["writable"]["reason"] or self._database.figures.refusal
        return {name: (part.pop("reason"), part) for name, part in saw.items()}

    async def _follow(self, *, is_writable: bool) -> None:
        # Of a server that takes no writes another connection may know better: of what is true of
        # this session alone, or of another host that takes them now. The pool goes there as well.
        if not is_writable:
            await self._watch.renew()
        elif not self._was_writable:
            await self._database.replace_connections()
        self._was_writable = is_writable

    def _take(self, seen: Seen) -> None:
        seen = {**seen, "pool": self._pool(), "errors": self._errors.look(time.monotonic())}
        state = self._hysteresis.take(judge({name: reason for name, (reason, _) in seen.items()}))
        now = datetime.now(UTC)
        checks = {
            name: Check(self._since(name, reason, now), reason, details)
            for name, (reason, details) in seen.items()
        }
        # What could not be looked at is remembered until it can be.
        self._kept |= checks
        self._seen_at = time.monotonic()
        before, is_new = self._report, self._report.state is not state
        self._report = Report(state, now if is_new else before.since, checks)
        if is_new:
            _tell(before.state, self._report)

    def _since(self, name: str, reason: str | None, now: datetime) -> datetime:
        kept = self._kept.get(name)
        return kept.since if kept is not None and kept.is_ok is (reason is None) else now

    def _pool(self) -> tuple[str | None, Mapping[str, object]]:
        in_use, most = self._database.pool_use
        self._waits.append(self._database.figures.take_longest_wait())
        longest = round(max(self._waits), 2)
        waiting = self._database.figures.waiting
        figures = {"in_use": in_use, "max": most, "waiting": waiting, "longest_wait": longest}
        reason = f"a connection was waited for for {longest} seconds"
        return (reason if longest > LONG_WAIT else None), figures


def _refuse(seen: Seen) -> None:
    # What waiting does not change.
    for name, variable in (("role", "DATABASE_URL"), ("pooler", "DATABASE_POOLER")):
        if reason := seen[name][0]:
            raise DatabaseError(f"{variable}: {reason}")


def show(state: HealthState) -> None:
    """Set the metric of the state."""
    for one in HealthState:
        STATE.labels(one).set(one is state)


def _tell(was: HealthState, report: Report) -> None:
    TRANSITIONS.labels(was, report.state).inc()
    show(report.state)
    tell = logger.info if report.state is HealthState.HEALTHY else logger.warning
    because = {"reasons": report.reasons} if report.reasons else {}
    tell("health changed", state=report.state, was=was, **because)


def _name(error: Exception) -> str:
    return type(error).__name__
