"""Carry a database to where the SQL files say it should be: `plan`, `migrate` and `status`.

`sql/migrations` is structure: each file runs once, in order, and has a rollback. The files of
`sql/functions` and `sql/policies` are repeatable: `functions/NAME.sql` owns every function
`app.NAME`, `policies/TABLE.sql` owns row security, policies, grants and triggers of `app.TABLE`.
Such a file runs again whenever it, or what it made, is no longer what was recorded.

One step per module. `sources` reads the files; `bookkeeping` and `structure` read the database,
into a `state`; `steps` and `drift` compare the two, and `report` tells. `backend` runs migrations
through yoyo, `repeatable` the other files, in a `session` that holds the `lock`. `statements` are
the migrator's own SQL, in `sql/` beside this file.
Deliberately absent: parsing SQL, and dropping objects by cascade.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg

from app.migrations import bookkeeping, drift, lock, repeatable, steps
from app.migrations.backend import AtomicBackend
from app.migrations.bookkeeping import Event
from app.migrations.report import Status, compare
from app.migrations.session import connect, plainly
from app.migrations.sources import MigrationError, Tree
from app.migrations.steps import Step

__all__ = [
    "AtomicBackend",
    "Event",
    "MigrationError",
    "Status",
    "Step",
    "compare",
    "migrate",
    "plan",
    "status",
]


# How often a migration gives way to whoever has a lock and tries again, and the seconds in between:
# twice as long each time, up to the last.
RETRIES = 10
FIRST_PAUSE, LAST_PAUSE = 0.5, 10.0


@plainly()
def plan(
    url: str,
    sql: Path,
    *,
    to: str | None = None,
    rollback: int = 0,
    uuidv7: bool = True,
    timeout: float = 60,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Step]:
    """Return what `migrate` with the same arguments would do. Writes nothing.

    It waits for a deployer at work, as `migrate` does: what stands meanwhile is gone afterwards.
    """
    tree = Tree.read(sql)
    with connect(url) as connection:
        lock.acquire(connection, timeout, progress)  # until the connection is closed
        connection.execute("begin isolation level repeatable read read only")
        state = bookkeeping.look(connection, uuidv7=uuidv7)
    count = steps.target(tree, state, to, rollback)
    steps.refuse(tree, state)
    moves = list(steps.moves(tree, state, count))
    dropped = {step.key for step in moves if step.action == "drop"}
    kept = {key: record for key, record in state.records.items() if key not in dropped}
    standing = {file.name for file in tree.migrations[:count]}
    return [*moves, *steps.changes(tree, replace(state, records=kept), standing)]


@plainly()
def migrate(
    url: str,
    sql: Path,
    *,
    to: str | None = None,
    rollback: int = 0,
    uuidv7: bool = True,
    baseline: bool = False,
    drop: bool = False,
    timeout: float = 60,
    lock_timeout: int | None = None,
    retries: int = RETRIES,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Step]:
    """Bring the database at `url` to the files below `sql`, and return what was done.

    `to` names the last migration to stand (a unique prefix will do), `rollback` how many to take
    back; without either all is applied, and what has no file is refused unless it is to `drop`.
    After an upgrade of the server, what differs from the record of the older one is refused unless
    it is to be the `baseline`. One transaction holds it all, but for migrations that say
    `-- transactional: false`. Raise MigrationError when something is in the way; `timeout` is how
    many seconds to wait for another deployer.

    Whoever reads or writes a table queues behind a migration that waits for it. So that waits for
    `lock_timeout` milliseconds (750 by default), undoes all that it has done, lets the others go
    first, and tries again: so many `retries`, with longer and longer pauses.
    """
    logging.getLogger("yoyo").setLevel(logging.ERROR)
    tree = Tree.read(sql)
    files = {file.key: file for file in tree.migrations}
    backend = AtomicBackend(url, uuidv7=uuidv7, progress=progress, lock_timeout=lock_timeout)
    pauses = [min(FIRST_PAUSE * 2**n, LAST_PAUSE) for n in range(retries)]
    with backend, backend.lock(timeout), backend.watched():
        while True:
            with _giving_way(backend, pauses):
                state = backend.look()
                count = steps.target(tree, state, to, rollback)
                steps.refuse(tree, state)
                if not baseline:
                    drift.refuse_upgraded(state)
                standing = {file.name for file in tree.migrations[:count]}
                if to is None and not rollback and not drop:
                    steps.refuse_drops(tree, state, standing)
                with backend.transaction():
                    for step in steps.moves(tree, state, count):
                        if step.kind == "migration":  # a rollback itself drops what required it
                            backend.take(files[step.key], step)
                    repeatable.sync(backend.connection, tree, standing, backend.look, backend.note)
                    for step in drift.differences(backend.look()):
                        progress(str(step))
                return backend.done


@contextmanager
def _giving_way(backend: AtomicBackend, pauses: list[float]) -> Iterator[None]:
    """Pause, where the block did not get a lock, and let it be tried again."""
    try:
        yield
    except (MigrationError, psycopg.errors.LockNotAvailable) as error:
        reason = error.__cause__ if isinstance(error, MigrationError) else error
        if not isinstance(reason, psycopg.errors.LockNotAvailable) or not pauses:
            raise
    else:
        return
    backend.forget_undone()
    pause = pauses.pop(0)
    backend.progress(f"no lock was to be had: nothing was changed, trying again in {pause:g} s")
    time.sleep(pause)  # the others go first; nobody tells when they have gone


@plainly()
def status(url: str, sql: Path, *, uuidv7: bool = True, lines: int = 20) -> Status:
    """Compare the database at `url` with the files below `sql`. Writes nothing.

    `lines` is how much of the history to return. Raise MigrationError when the files are wrong in
    themselves or the database cannot be read.
    """
    tree = Tree.read(sql)
    with connect(url) as connection:
        connection.execute("begin isolation level repeatable read read only")
        return compare(connection, tree, uuidv7=uuidv7, lines=lines)
