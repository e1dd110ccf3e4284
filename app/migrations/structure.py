"""The structure, which migrations make: described and recorded.

An object belongs to the last migration that changed it. `yoyo.structure` keeps what each migration
left of the objects it changed; when one is rolled back its records go, those of the one before
count again, and the object has to be what they say.
"""

import re
from dataclasses import astuple

from app.migrations import statements
from app.migrations.sources import File
from app.migrations.state import Part, State
from app.migrations.statements import Connection


def look(connection: Connection) -> dict[str, Part]:
    """Describe every object of the structure as it is now."""
    parts = statements.fetch(connection, Part, "describe_structure")
    return {part.object: part for part in parts}


def recorded(connection: Connection) -> dict[str, Part]:
    """Return the record that counts of every object: that of the last migration to change it."""
    parts = statements.fetch(connection, Part, "list_recorded_structure")
    return {part.object: part for part in parts}


def record(connection: Connection, file: File, before: State) -> None:
    """Record what a migration has changed since `before`.

    What it names and nobody has recorded is its as well: a role that another database of the
    cluster has made already, an index that was built by hand before the migration for it came. So
    is a type that it names: no rollback takes a label from an enum, and added again it is there.
    """
    after = look(connection)
    for name, part in {**before.structure, **after}.items():
        is_changed = before.structure.get(name) != after.get(name)
        was = before.recorded.get(name)
        is_left = was is None or (name.startswith("type ") and was.definition != part.definition)
        if is_changed or (is_left and _names(file, name)):
            definition = part.definition if name in after else None
            _write(connection, Part(name, part.parent, definition, file.name, before.server))


def baseline(connection: Connection, migration: str, state: State) -> None:
    """Record the structure as it is, as right: nothing is recorded, or by another server.

    Another major version may describe the same object in other words.
    """
    connection.execute("update yoyo.structure set made_on = %s", [state.server])
    for name, part in state.structure.items():
        if not state.recorded or name in state.recorded:
            owner = state.recorded[name].migration if state.recorded else migration
            _write(connection, Part(name, part.parent, part.definition, owner, state.server))


def forget(connection: Connection, migration: str) -> None:
    """Drop the records of a migration that no longer stands."""
    connection.execute("delete from yoyo.structure where migration = %s", [migration])


def _write(connection: Connection, part: Part) -> None:
    statements.execute(connection, "record_structure", *astuple(part))


def _names(file: File, name: str) -> bool:
    """Tell whether a file speaks of `index app.by_body`, whatever it says of it."""
    word = name.split()[1 if " " in name else 0].rpartition(".")[2].strip('"')
    return re.search(rf"\b{re.escape(word)}\b", file.text) is not None
