"""yoyo's backend, which runs migrations: each with its mark and its records in one transaction."""

import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import Any
from urllib.parse import unquote

import psycopg
from yoyo import internalmigrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration

from app.migrations import bookkeeping, lock, repeatable, statements, steps, structure
from app.migrations.session import connect, describe, settle
from app.migrations.sources import File, MigrationError, Tree
from app.migrations.state import State
from app.migrations.statements import Connection
from app.migrations.steps import Step


class AtomicBackend(PostgresqlPsycopgBackend):  # type: ignore[misc]  # yoyo ships no types
    """yoyo's backend, with a file, its mark, its checksum and its history in one transaction."""

    _internal_schema_updated = True  # lock() sees to it
    _is_locked = False

    def __init__(
        self,
        uri: DatabaseURI | str,
        table: str = "_yoyo_migration",
        *,
        uuidv7: bool = True,
        progress: Callable[[str], None] = lambda line: None,
        lock_timeout: int | None = None,
    ) -> None:
        super().__init__(uri, table)
        self.uuidv7, self.progress, self.done = uuidv7, progress, list[Step]()
        self._committed = 0
        self.connection.execute(f"set app.uuidv7 to {'on' if uuidv7 else 'off'}")
        if lock_timeout is not None:
            self.connection.execute(f"set app.lock_timeout to '{lock_timeout:d}ms'")
            settle(self.connection)

    def connect(self, uri: DatabaseURI | str, **parts: str) -> Connection:
        if isinstance(uri, str):
            return connect(uri, **parts)
        who = {"user": uri.username, "password": uri.password}
        where = {"host": uri.hostname, "port": uri.port, "dbname": unquote(uri.database or "")}
        return connect("", **who | where | uri.args | parts)

    def init_database(self) -> None:
        """Leave the tables to lock(): two deployers must not create them at once."""

    def list_tables(self, **_: object) -> list[str]:
        tables = "select tablename from pg_tables where schemaname = 'yoyo'"
        return [name for (name,) in self.connection.execute(tables)]

    def get_log_data(self, migration: Any = None, operation: str = "apply") -> dict[str, object]:
        """Name the login, not the operating system's user: in a container that may have no name."""
        return {
            "id": str(uuid.uuid4()),
            "migration_id": migration and migration.id,
            "migration_hash": migration and migration.hash,
            "username": self.connection.info.user,
            "hostname": gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }

    @contextmanager
    def lock(self, timeout: float = 60) -> Iterator[None]:
        """Keep every other deployer out; wait up to `timeout` seconds, then raise MigrationError.

        yoyo's own lock is a row, which outlives a killed process. Holding ours, it is stale unless
        a session of stock yoyo lives.
        """
        if self._is_locked:
            yield
            return
        lock.acquire(self.connection, timeout, self.progress)
        if not bookkeeping.is_there(self.connection):
            with self.transaction():
                bookkeeping.create(self.connection)
                self.create_lock_table()
                internalmigrations.upgrade(self)
                self.connection.execute("grant select on all tables in schema yoyo to public")
        if not lock.has_stock_yoyo(self.connection):
            self.break_lock()
        self._insert_lock_row(os.getpid(), timeout)  # this keeps stock yoyo out
        self._is_locked = True
        try:
            yield
        finally:
            self._is_locked = False
            with suppress(psycopg.OperationalError):  # a broken connection holds no lock either
                self.break_lock()
                lock.release(self.connection)

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        """Run one migration and mark it, for `yoyo apply` and for us."""
        with self._one_transaction():
            began, file, state = self._begin(migration)
            step = steps.move("apply", file, state)
            self._run(migration, file, file, state, "applying")
            self.log_migration(migration, "apply")
            self.mark_one(migration, log=False)
            bookkeeping.record(self.connection, file, "applied")
            structure.record(self.connection, file, state)
            self.note(step, began, file)

    def rollback_one(self, migration: Migration, force: bool = False) -> None:
        """Drop what requires one migration, run its rollback and unmark it."""
        with self._one_transaction():
            began, file, state = self._begin(migration)
            gone = steps.leaving(state, file.name)
            repeatable.drop(self.connection, gone, state, spare_used=True)
            for step in gone:
                self.note(step, began, overwritten=state.by_hand(step.key))
            self._run(migration, file, file.rollback(), state, "rolling back")
            repeatable.drop(self.connection, gone, self.look(), spare_used=True)
            self.log_migration(migration, "rollback")
            self.unmark_one(migration, log=False)
            self.note(steps.move("roll back", file, state), began, file)

    def unmark_one(self, migration: Migration, log: bool = True) -> None:
        super().unmark_one(migration, log)
        bookkeeping.unmark(self.connection, migration.id)

    def take(self, file: File, step: Step) -> None:
        """Carry out one step of the structure."""
        migration = Migration(file.name, str(file.path), str(file.path.parent))
        if step.action == "apply":
            self.apply_one(migration)
        elif step.action == "roll back":
            self.rollback_one(migration)
        else:
            self._baseline(file, step)

    def look(self) -> State:
        return bookkeeping.look(self.connection, uuidv7=self.uuidv7)

    def note(
        self, step: Step, began: float, file: File | None = None, overwritten: str | None = None
    ) -> None:
        bookkeeping.note(self.connection, step, began, file, overwritten)
        self.done.append(step)
        self.progress(str(step))

    def watched(self) -> AbstractContextManager[None]:
        """Tell who is in the way, as long as the block runs."""

        def beside() -> Connection:
            return self.connect(self.uri, application_name="hearth-migrate-watch")

        return lock.watched(self.connection.info.backend_pid, beside, self.progress)

    def forget_undone(self) -> None:
        """Forget the steps that went with a transaction that was rolled back."""
        del self.done[self._committed :]

    def _baseline(self, file: File, step: Step) -> None:
        """Record the content that a file has now as what was applied."""
        state = self.look()
        bookkeeping.record(self.connection, file, "applied")
        if file.name == max(state.marked) and not state.is_recorded:
            structure.baseline(self.connection, file.name, state)
        self.note(step, time.monotonic(), file)

    def _begin(self, migration: Migration) -> tuple[float, File, State]:
        file, state = File.read("migration", Path(migration.path)), self.look()
        if not self.done:  # `yoyo apply` has not asked yet
            steps.refuse(Tree.read(file.path.parent.parent), state)
        return time.monotonic(), file, state

    def _one_transaction(self) -> AbstractContextManager[object]:
        return nullcontext() if self._in_transaction else self.transaction()

    def _run(
        self, migration: Migration, file: File, script: File, state: State, doing: str
    ) -> None:
        """Run a migration or its rollback: in our transaction, or alone between two."""
        if file.is_transactional:
            repeatable.execute(self.connection, script.text, script.where)
            return
        # Nothing will undo it when it breaks off, so say first what is about to happen.
        self.unmark_one(migration, log=False)
        bookkeeping.record(self.connection, file, doing)
        bookkeeping.note(self.connection, steps.move(doing, file, state), time.monotonic(), file)
        self.commit()
        self._committed = len(self.done)
        try:
            self._run_alone(file, script, clean=state.is_interrupted(file.name))
        except psycopg.Error as error:
            raise MigrationError(describe(error, script.where, script.text)) from error
        finally:
            with suppress(psycopg.OperationalError):  # when it is the connection that broke
                self.connection.execute("reset role")
                settle(self.connection)
        self.begin()

    def _run_alone(self, file: File, script: File, *, clean: bool) -> None:
        """Run a script outside a transaction, as the file's owner, waiting for locks."""
        self.connection.execute(
            f"set role {file.owner}; set search_path to pg_catalog; set lock_timeout to 0"
        )
        if clean:
            words = re.findall(r'"([^"]+)"|([\w$]+)', script.text)
            named = [quoted or bare.lower() for quoted, bare in words]
            broken = statements.execute(self.connection, "list_broken_indexes", named)
            for (drop,) in broken.fetchall():
                self.connection.execute(drop)
        self.connection.execute(script.text)
