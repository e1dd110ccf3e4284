"""Deployers for the tests: in a process of their own, to be killed at a chosen moment."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

SCRIPT = """
import sys
from pathlib import Path
from app.migrations import migrate
migrate(sys.argv[1], Path(sys.argv[2]), progress=lambda line: print(line, flush=True))
"""


@contextmanager
def deployer(url: str, sql: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `migrate` in another process; whatever happens, it is gone afterwards."""
    command = [sys.executable, "-c", SCRIPT, url, str(sql)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    """Poll `condition`, which asks the server, until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"


def sessions(url: str, *, waiting: bool) -> int:
    """Count the deployers' sessions in this database, or only those that wait for a lock."""
    query = (
        "select count(*) from pg_stat_activity where application_name = 'hearth-migrate'"
        " and datname = current_database() and (wait_event_type = 'Lock' or not %s)"
    )
    with psycopg.connect(url) as connection:
        row = connection.execute(query, [waiting]).fetchone()
    assert row is not None
    return int(row[0])
