"""The bookkeeping in schema yoyo: what was run, and what the catalog said afterwards.

yoyo keeps its own four tables there; beside them stand `files`, `structure` and `history`. Anybody
may read them; nothing in them is secret.
"""

import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from socket import gethostname

from app.migrations import statements, structure
from app.migrations.sources import File, Key
from app.migrations.state import Live, Part, Record, State
from app.migrations.statements import Connection, fetch_value
from app.migrations.steps import Step


@dataclass(frozen=True)
class Event:
    """A line of history; `overwritten` keeps what somebody had changed by hand."""

    at: datetime
    who: str
    host: str
    kind: str
    name: str
    action: str
    reason: str
    sha256: str | None
    milliseconds: int
    overwritten: str | None


def is_there(connection: Connection) -> bool:
    """Tell whether our tables have been made, down to the newest of them."""
    return fetch_value(connection, "select to_regclass('yoyo.structure')") is not None


def create(connection: Connection) -> None:
    """Make our tables, where they are not there yet."""
    statements.execute(connection, "create_bookkeeping")


def look(connection: Connection, *, uuidv7: bool, trusting: bool = False) -> State:
    """Read what is marked, what is recorded and what lives in schema app.

    Describing a policy takes a lock on its table. `trusting` takes the recorded texts for the
    living ones instead, and so does not wait for a deployer at work.
    """
    tables = connection.execute("select tablename from pg_tables where schemaname = 'yoyo'")
    there = {name for (name,) in tables}
    marked: frozenset[str] = frozenset()
    if "_yoyo_migration" in there:
        marks = connection.execute("select migration_id from yoyo._yoyo_migration")
        marked = frozenset(name for (name,) in marks)
    files = statements.fetch(connection, Record, "list_files") if "files" in there else []
    records: dict[Key, Record] = {(record.kind, record.name): record for record in files}
    recorded = structure.recorded(connection) if "structure" in there else {}
    live: dict[Key, list[Live]] = defaultdict(list)
    parts: dict[str, Part]
    if trusting:
        for key, record in records.items():
            live[key].append(Live(*key, "", "", record.definition or "", "", is_used=False))
        parts = {name: part for name, part in recorded.items() if part.definition is not None}
    else:
        for item in statements.fetch(connection, Live, "describe_repeatables"):
            live[item.kind, item.name].append(item)
        parts = structure.look(connection)
    made_on = f"PostgreSQL {connection.info.server_version // 10000}"
    made_on += f", uuidv7 {'on' if uuidv7 else 'off'}"
    return State(marked, records, live, parts, recorded, made_on)


def history(connection: Connection, lines: int) -> list[Event]:
    """Return the newest lines of history, newest first."""
    if not is_there(connection):
        return []
    return statements.fetch(connection, Event, "list_history", lines)


def record(
    connection: Connection,
    file: File,
    state: str,
    requires: str | None = None,
    made_on: str | None = None,
    definition: str | None = None,
) -> None:
    """Write a row of yoyo.files."""
    values = (state, file.sha256, requires, made_on, definition)
    statements.execute(connection, "record_file", *file.key, *values)


def unmark(connection: Connection, migration: str) -> None:
    """Record that a migration no longer stands, and forget what it left of the structure."""
    connection.execute(
        "update yoyo.files set state = 'rolled back' where kind = 'migration' and name = %s",
        [migration],
    )
    structure.forget(connection, migration)


def note(
    connection: Connection,
    step: Step,
    began: float,
    file: File | None = None,
    overwritten: str | None = None,
) -> None:
    """Write a line of history and tell listeners, once the transaction commits."""
    took = round((time.monotonic() - began) * 1000)
    what = (*step.key, step.action, step.reason)
    outcome = (file and file.sha256, took, overwritten)
    statements.execute(connection, "add_history", gethostname(), *what, *outcome)
