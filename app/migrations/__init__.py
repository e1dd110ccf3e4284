"""Carry a database to where the SQL files say it should be: `plan`, `migrate` and `status`.

`sql/migrations` is structure: each file runs once, in order, and has a rollback. `sql/functions`
and `sql/policies` are the current truth: `functions/NAME.sql` owns every function `app.NAME`,
`policies/TABLE.sql` owns row security, policies and grants of `app.TABLE`; such a file runs again
whenever it, or what it made, is no longer what was recorded.

One step per module: `sources` reads the files, `bookkeeping` the database and `structure` what
migrations made of it; `steps` compares them; `recreatable` runs functions and policies; here yoyo
runs the migrations and holds it all together.
Deliberately absent: parsing SQL, and dropping objects by cascade.
"""

import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
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

from app.migrations import bookkeeping, recreatable, steps, structure
from app.migrations.bookkeeping import SESSION, connect, describe, plainly
from app.migrations.sources import File, MigrationError, Tree
from app.migrations.steps import Event, State, Status, Step
from app.migrations.structure import Connection

__all__ = ["Event", "MigrationError", "Status", "Step", "compare", "migrate", "plan", "status"]


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
    ) -> None:
        super().__init__(uri, table)
        self.uuidv7, self.progress, self.done = uuidv7, progress, list[Step]()
        self.connection.execute(f"set app.uuidv7 to {'on' if uuidv7 else 'off'}")

    def connect(self, uri: DatabaseURI | str) -> Connection:
        if isinstance(uri, str):
            return connect(uri)
        who = {"user": uri.username, "password": uri.password}
        where = {"host": uri.hostname, "port": uri.port, "dbname": unquote(uri.database or "")}
        return connect("", **who | where | uri.args)

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
        bookkeeping.acquire(self.connection, timeout, self.progress)
        if not bookkeeping.is_there(self.connection):
            with self.transaction():
                self.connection.execute(bookkeeping.TABLES)
                self.create_lock_table()
                internalmigrations.upgrade(self)
                self.connection.execute("grant select on all tables in schema yoyo to public")
        if not bookkeeping.has_stock_yoyo(self.connection):
            self.break_lock()
        self._insert_lock_row(os.getpid(), timeout)  # this keeps stock yoyo out
        self._is_locked = True
        try:
            yield
        finally:
            self._is_locked = False
            with suppress(psycopg.OperationalError):  # a broken connection holds no lock either
                self.break_lock()
                bookkeeping.release(self.connection)

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        """Run one migration and mark it, for `yoyo apply` and for us."""
        with self._one_transaction():
            began, file, state = self._begin(migration)
            self._run(migration, file, file, state.of(file.name), "applying")
            self.log_migration(migration, "apply")
            self.mark_one(migration, log=False)
            bookkeeping.record(self.connection, file, "applied")
            structure.record(self.connection, file, state)
            self.note(Step(*file.key, "apply", state.of(file.name)), began, file)

    def rollback_one(self, migration: Migration, force: bool = False) -> None:
        """Drop what requires one migration, run its rollback and unmark it."""
        with self._one_transaction():
            began, file, state = self._begin(migration)
            gone = steps.leaving(state, file.name)
            recreatable.drop(self.connection, gone, state, spare_used=True)
            for step in gone:
                self.note(step, began, overwritten=state.by_hand(step.key))
            self._run(migration, file, file.rollback(), state.of(file.name), "rolling back")
            recreatable.drop(self.connection, gone, self.look(), spare_used=True)
            self.log_migration(migration, "rollback")
            self.unmark_one(migration, log=False)
            self.note(Step(*file.key, "roll back", state.of(file.name)), began, file)

    def unmark_one(self, migration: Migration, log: bool = True) -> None:
        super().unmark_one(migration, log)
        self.connection.execute(
            "update yoyo.files set state = 'rolled back' where kind = 'migration' and name = %s",
            [migration.id],
        )
        structure.forget(self.connection, migration.id)

    def take(self, file: File, step: Step) -> None:
        """Carry out one step of the structure."""
        migration = Migration(file.name, str(file.path), str(file.path.parent))
        if step.action == "apply":
            self.apply_one(migration)
        elif step.action == "roll back":
            self.rollback_one(migration)
        else:  # adopt: take the content it has now for what was applied
            state = self.look()
            bookkeeping.record(self.connection, file, "applied")
            if file.name == max(state.marked) and not state.is_recorded:
                structure.adopt(self.connection, file.name, state)
            self.note(step, time.monotonic(), file)

    def look(self) -> State:
        return bookkeeping.look(self.connection, uuidv7=self.uuidv7)

    def _begin(self, migration: Migration) -> tuple[float, File, State]:
        file, state = File.read("migration", Path(migration.path)), self.look()
        if not self.done:  # `yoyo apply` has not asked yet
            steps.refuse(Tree.read(file.path.parent.parent), state)
        return time.monotonic(), file, state

    def _one_transaction(self) -> AbstractContextManager[object]:
        return nullcontext() if self._in_transaction else self.transaction()

    def _run(self, migration: Migration, file: File, script: File, was: str, state: str) -> None:
        """Run a migration or its rollback: in our transaction, or alone between two."""
        if file.is_transactional:
            recreatable.execute(self.connection, script.text, script.where)
            return
        # Nothing will undo it when it breaks off, so say first what is about to happen.
        self.unmark_one(migration, log=False)
        bookkeeping.record(self.connection, file, state)
        bookkeeping.note(self.connection, Step(*file.key, state, was), time.monotonic(), file)
        self.commit()
        try:
            self.connection.execute(
                f"set role {file.owner}; set search_path to pg_catalog; set lock_timeout to 0"
            )
            if was in ("applying", "rolling back"):
                for (drop,) in self.connection.execute(bookkeeping.BROKEN_INDEXES).fetchall():
                    self.connection.execute(drop)
            self.connection.execute(script.text)
        except psycopg.Error as error:
            raise MigrationError(describe(error, script.where, script.text)) from error
        finally:
            with suppress(psycopg.OperationalError):  # when it is the connection that broke
                self.connection.execute(f"reset role; {SESSION}")
        self.begin()

    def note(
        self, step: Step, began: float, file: File | None = None, overwritten: str | None = None
    ) -> None:
        bookkeeping.note(self.connection, step, began, file, overwritten)
        self.done.append(step)
        self.progress(str(step))


@plainly()
def plan(
    url: str, sql: Path, *, to: str | None = None, rollback: int = 0, uuidv7: bool = True
) -> list[Step]:
    """Return what `migrate` with the same arguments would do. Writes nothing."""
    tree = Tree.read(sql)
    with connect(url) as connection:
        connection.execute("begin isolation level repeatable read read only")
        state = bookkeeping.look(connection, uuidv7=uuidv7)
    count = steps.target(tree, state, to, rollback)
    steps.refuse(tree, state)
    structure = list(steps.moves(tree, state, count))
    dropped = {step.key for step in structure if step.action == "drop"}
    kept = {key: record for key, record in state.records.items() if key not in dropped}
    standing = {file.name for file in tree.migrations[:count]}
    return [*structure, *steps.changes(tree, replace(state, records=kept), standing)]


@plainly()
def migrate(
    url: str,
    sql: Path,
    *,
    to: str | None = None,
    rollback: int = 0,
    uuidv7: bool = True,
    timeout: float = 60,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Step]:
    """Bring the database at `url` to the files below `sql`, and return what was done.

    `to` names the last migration to stand (a unique prefix will do), `rollback` how many to take
    back; without either all is applied. One transaction holds it all, but for migrations that say
    `-- transactional: false`. Raise MigrationError when something is in the way; `timeout` is how
    many seconds to wait for another deployer.
    """
    logging.getLogger("yoyo").setLevel(logging.ERROR)
    tree = Tree.read(sql)
    files = {file.key: file for file in tree.migrations}
    backend = AtomicBackend(url, uuidv7=uuidv7, progress=progress)
    with backend, backend.lock(timeout):
        state = backend.look()
        count = steps.target(tree, state, to, rollback)
        steps.refuse(tree, state)
        with backend.transaction():
            for step in steps.moves(tree, state, count):
                if step.kind == "migration":  # a rollback itself drops what required it
                    backend.take(files[step.key], step)
            standing = {file.name for file in tree.migrations[:count]}
            recreatable.sync(backend.connection, tree, standing, backend.look, backend.note)
            for step in steps.differences(backend.look()):
                progress(str(step))
    return backend.done


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


def compare(connection: Connection, tree: Tree, *, uuidv7: bool = True, lines: int = 20) -> Status:
    """Compare what an open transaction sees with the files."""
    deployer = bookkeeping.deployer(connection)
    state = bookkeeping.look(connection, uuidv7=uuidv7, trusting=deployer is not None)
    history = bookkeeping.history(connection, lines)
    names = [file.name for file in tree.migrations]
    items = [
        *steps.refusals(tree, state),
        *steps.moves(tree, state, len(names)),
        *steps.changes(tree, state, names),
    ]
    aside = [*steps.differences(state), *steps.foreign(tree, state)]
    items += [step for step in aside if step.action == "differs"]
    return Status(
        is_consistent=not items,
        version=max(state.marked, default=None),
        made_on=state.made_on,
        migrations={name: state.of(name) for name in names},
        items=[*items, *(step for step in aside if step.action == "foreign")],
        deployer=deployer,
        history=history,
    )
