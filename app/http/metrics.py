"""The figures, of all workers in one answer.

Where the environment has PROMETHEUS_MULTIPROC_DIR, each worker keeps its figures in files there,
and whoever is asked adds them up. The library leaves the files of the dead for ever: `bury` adds
them to those of number 0, under a lock, so that nobody counts them twice or not at all.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from app import logs
from app.db.pool import Database

if sys.platform != "win32":
    import fcntl

# When a series began says nothing that its own history does not, and doubles their number.
disable_created_metrics()  # type: ignore[no-untyped-call]

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"

POOL = Gauge(
    "hearth_pool_connections",
    "Connections of the pool: in use, and at most.",
    ("which",),
    multiprocess_mode="livesum",
)

WAITING = Gauge(
    "hearth_pool_waiting_requests",
    "Requests that wait for a connection of the pool.",
    multiprocess_mode="livesum",
)

LOG_DROPS = Counter("hearth_log_lines_dropped", "Lines of the log that could not be written.")

# What the pool counts, by its own names.
COUNTS = {
    "acquire_timeout": Counter(
        "hearth_pool_acquire_timeouts", "How often no connection became free in time."
    ),
    "overloaded": Counter(
        "hearth_pool_refusals", "Transactions refused at once, because too many waited."
    ),
    "replaced": Counter(
        "hearth_pool_connections_replaced",
        "Connections that were too old, or likely to be gone.",
    ),
    "retried": Counter(
        "hearth_transaction_retries", "Transactions that were undone and ran again."
    ),
}

READS = Counter(
    "hearth_reads", "Reads of people signed in, where there is a replica, by server.", ("server",)
)
COUNTS |= {f"read_{server}": READS.labels(server) for server in ("primary", "replica")}


def measure(database: Database) -> None:
    """Note how the pool and the log of this process are."""
    LOG_DROPS.inc(logs.take_dropped())
    WAITING.set(database.figures.waiting)
    for name, number in database.figures.take_counts().items():
        if name in COUNTS:
            COUNTS[name].inc(number)
    in_use, most = database.pool_use
    POOL.labels("in_use").set(in_use)
    POOL.labels("max").set(most)


def figures() -> bytes:
    """Return what Prometheus reads: of this process, or of all workers."""
    directory = os.environ.get(DIRECTORY)
    if directory is None:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]
    with _locked(directory, is_writing=False):
        return generate_latest(registry)


def bury(directory: str, pid: int) -> None:
    """Keep what a worker that is dead has counted, and forget how it was."""
    with _locked(directory, is_writing=True):
        for file in Path(directory).glob(f"*_{pid}.db"):
            if not file.name.startswith("gauge_"):
                _add(file, file.with_name(file.name.replace(f"_{pid}.db", "_0.db")))
            file.unlink()


def _add(file: Path, to: Path) -> None:
    kept: Any = MmapedDict(str(to))  # type: ignore[no-untyped-call]
    for key, value, _, _ in kept.read_all_values_from_file(str(file)):
        kept.write_value(key, kept.read_value(key)[0] + value, 0.0)
    kept.close()


@contextmanager
def _locked(directory: str, *, is_writing: bool) -> Iterator[None]:
    with Path(directory, "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if is_writing else fcntl.LOCK_SH)
        yield
