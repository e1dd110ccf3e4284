"""A standby: a server that follows another one by streaming replication, and can take its place."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from app import embedded
from app.embedded.system_user import user_for

# Seconds that anything here may take; it takes tenths of one.
PATIENCE = 60


@dataclass(frozen=True)
class Standby:
    """A running standby.

    Args:
        server: It, as a server like any other.
        primary: Whom it follows.
    """

    server: embedded.Server
    primary: embedded.Server

    def catch_up(self) -> None:
        """Wait until it has replayed all that the primary has written by now."""
        # What has only been inserted is sent with the next commit that is durable.
        _execute(
            self.primary,
            "set synchronous_commit = local",
            "select pg_logical_emit_message(true, 'tests', 'all until here')",
        )
        position = ask(self.primary, "select pg_current_wal_flush_lsn()")
        _wait(self.server, f"select pg_last_wal_replay_lsn() >= '{position}'")

    def pause_replay(self) -> None:
        """Let it receive what is written, and show none of it."""
        ask(self.server, "select pg_wal_replay_pause()")
        _wait(self.server, "select pg_get_wal_replay_pause_state() = 'paused'")

    def resume_replay(self) -> None:
        """Let it go on where it was."""
        ask(self.server, "select pg_wal_replay_resume()")

    @contextmanager
    def silenced(self) -> Iterator[None]:
        """Let none of its processes do anything for as long as the block runs."""
        with psycopg.connect(self.server.url("postgres", "postgres"), autocommit=True) as root:
            others = "select pid from pg_stat_activity where pid <> pg_backend_pid()"
            pids = [_postmaster(self.server), *(pid for (pid,) in root.execute(others))]
        try:
            _signal(pids, signal.SIGSTOP)
            yield
        finally:
            _signal(pids, signal.SIGCONT)

    def promote(self) -> None:
        """Make a primary of it; it takes writes when this returns."""
        assert ask(self.server, f"select pg_promote(true, {PATIENCE})")

    def start(self) -> None:
        """Start it again after `embedded.stop` or `kill`."""
        _start(self.server.data, self.primary)


@contextmanager
def standby_of(primary: embedded.Server) -> Iterator[Standby]:
    """Run a standby of a server for as long as it is needed; it serves reads from the first."""
    with tempfile.TemporaryDirectory(prefix="hearth-tests-") as place:
        data = Path(place, "data")
        user = user_for(data)
        user.let_through(data)
        user.own_directory(data)
        program, source = primary.binary("pg_basebackup"), str(primary.socket)
        where = ["-D", str(data), "-h", source, "-p", "5432", "-U", "postgres"]
        how = ["--checkpoint=fast", "--write-recovery-conf", "--no-sync"]
        done = user.run([program, *where, *how])
        assert done.returncode == 0, done.stderr
        standby = Standby(_start(data, primary), primary)
        try:
            yield standby
        finally:
            embedded.stop(standby.server)


def make_synchronous(primary: embedded.Server, *, waits: bool = True) -> None:
    """Let commits wait for the standby from now on, or not.

    Only those whose `synchronous_commit` is on wait: the servers of the tests have it off.
    """
    _execute(
        primary,
        f"alter system set synchronous_standby_names = '{'*' if waits else ''}'",
        "select pg_reload_conf()",
    )
    state = "sync" if waits else "async"
    _wait(primary, f"select count(*) = 1 from pg_stat_replication where sync_state = '{state}'")
    # It is the checkpointer that tells the others, before its next checkpoint.
    _execute(primary, "checkpoint")


def kill(server: embedded.Server) -> None:
    """End a server as a power cut does, and wait until none of its processes is left."""
    os.kill(_postmaster(server), signal.SIGKILL)
    embedded.stop(server)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.kill(pid, number)


def _postmaster(server: embedded.Server) -> int:
    return int((server.data / "postmaster.pid").read_text("utf-8").splitlines()[0])


def ask(server: embedded.Server, query: str) -> Any:
    """Return the first value of a query, asked as superuser in the database `postgres`."""
    with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as root:
        row = root.execute(query).fetchone()
    return None if row is None else row[0]


def _execute(server: embedded.Server, *statements: str) -> None:
    with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as root:
        for statement in statements:
            root.execute(statement)


def _wait(server: embedded.Server, condition: str) -> None:
    over = time.monotonic() + PATIENCE
    with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as root:
        while root.execute(condition).fetchone() != (True,):
            assert time.monotonic() < over, condition  # each look is a round trip


def _start(data: Path, primary: embedded.Server) -> embedded.Server:
    return embedded.start(data, version=primary.version, durable=False, binaries=primary.binaries)
