"""The lock under which one deployer at a time works on a database."""

import time
from collections.abc import Callable

from app.migrations import statements
from app.migrations.sources import MigrationError
from app.migrations.statements import Connection, fetch_value

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
