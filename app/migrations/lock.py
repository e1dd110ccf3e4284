"""The lock under which one deployer at a time works on a database."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import psycopg

from app.migrations import statements
from app.migrations.sources import MigrationError
from app.migrations.statements import Connection, fetch_value

# Seconds between two looks at who is in the way.
LOOK = 0.2

KEY = int.from_bytes(b"hrth", "big")  # of the advisory lock, one per database


def acquire(connection: Connection, timeout: float, progress: Callable[[str], None]) -> None:
    """Take the lock; it ends with the session, so a killed deployer frees it.

    Polled: a session blocked in pg_advisory_lock deadlocks with an index built concurrently.
    """
    until, told = time.monotonic() + timeout, False
    while not fetch_value(connection, "select pg_try_advisory_lock(%s)", KEY):
        holder = deployer(connection) or "another deployer"
        if time.monotonic() > until:
            raise MigrationError(f"{holder} is migrating; gave up after {timeout:g} s")
        if not told:
            progress(f"waiting for {holder}")
        told = True
        time.sleep(0.1)  # waiting in the server would say nothing of who holds it


def release(connection: Connection) -> None:
    """Give the lock back."""
    connection.execute("select pg_advisory_unlock(%s)", [KEY])


def deployer(connection: Connection) -> str | None:
    """Say who holds the lock: pid, login and since when."""
    row = statements.execute(connection, "find_deployer", KEY).fetchone()
    return row and row[0]


def has_stock_yoyo(connection: Connection) -> bool:
    """Tell whether somebody works with yoyo as it comes, whose URI names its sessions so."""
    sessions = "select count(*) from pg_stat_activity where application_name = 'yoyo'"
    return bool(fetch_value(connection, f"{sessions} and datname = current_database()"))


@contextmanager
def watched(
    pid: int, connect: Callable[[], Connection], progress: Callable[[str], None]
) -> Iterator[None]:
    """Tell, during the block, for whom a session waits: another one has to look.

    Args:
        pid: The session's.
        connect: What opens another session.
        progress: Gets a line for each that is in the way.
    """
    ended = Event()

    def watch() -> None:
        told: set[str] = set()
        with suppress(MigrationError, psycopg.Error):  # it is not needed
            if ended.wait(LOOK):
                return
            with connect() as other:
                while not ended.wait(LOOK):
                    row = statements.execute(other, "find_blockers", pid).fetchone()
                    if row and row[0] and row[0] not in told:
                        told.add(row[0])
                        progress(f"waiting for {row[0]}")

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
