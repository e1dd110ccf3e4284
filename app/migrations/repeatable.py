"""Repeatable files, functions and policies: what they own is made anew from them at any time.

Nothing is parsed. A file is sent to the server whole, and the catalog says what it made.
"""

from collections.abc import Callable, Collection
from time import monotonic

import psycopg
from psycopg.pq import TransactionStatus

from app.migrations import bookkeeping
from app.migrations.session import describe, settle
from app.migrations.sources import OWNER, File, MigrationError, Tree
from app.migrations.state import Live, State
from app.migrations.statements import Connection
from app.migrations.steps import Step, changes

Note = Callable[[Step, float, File | None, str | None], None]


def sync(
    connection: Connection,
    tree: Tree,
    applied: Collection[str],
    look: Callable[[], State],
    note: Note,
) -> None:
    """Run the function and policy files that have to run, and drop what has lost its file."""
    before, files = look(), {file.key: file for file in tree.files}
    if not (steps := changes(tree, before, applied)):
        return
    made = [files[step.key] for step in steps if step.action == "apply"]
    gone = {
        kind: [step for step in steps if step.key[0] == kind and step.action == "drop"]
        for kind in ("policy", "function")
    }

    # Bare first: what somebody added by hand is in no file and must not survive.
    drop(connection, gone["policy"], before)
    for file in made:
        for item in before.live.get(file.key, []):
            execute(connection, item.strip, file.where, file.owner)
    bare = look()

    for step in steps:
        began = monotonic()
        if step.action == "apply":
            _make(connection, files[step.key])
        note(step, began, files.get(step.key), before.by_hand(step.key))

    # A function whose name is a file's, but which the file did not touch, is an old signature.
    after = look()
    stale = [
        item
        for file in made
        if file.kind == "function"
        for item in after.live.get(file.key, [])
        if item in bare.live.get(file.key, [])
    ]
    drop(connection, gone["function"], after, stale)

    after = look() if stale else after
    for file in made:
        if not (definition := after.definition(file.key)):
            raise MigrationError(f"{file.where}: the file must create app.{file.name}")
        requires = tree.requires[file.key]
        bookkeeping.record(connection, file, "applied", requires, after.made_on, definition)


def drop(
    connection: Connection,
    steps: Collection[Step],
    state: State,
    stale: Collection[Live] = (),
    *,
    spare_used: bool = False,
) -> None:
    """Take away policies with grants and triggers, then functions, in one go; never by cascade.

    `spare_used` leaves functions alone on which defaults or checks depend.
    """
    items = [item for step in steps for item in state.live.get(step.key, [])]
    for item in items:
        if item.kind == "policy":
            execute(connection, item.strip, f"policies/{item.name}.sql", OWNER)
    functions = [item for item in items if item.kind == "function"]
    doomed = [*stale, *(item for item in functions if not (spare_used and item.is_used))]
    if doomed:
        names = ", ".join(item.object for item in doomed)
        execute(connection, f"drop routine {names}", f"dropping {names}", OWNER)
    for step in steps:
        connection.execute("delete from yoyo.files where kind = %s and name = %s", step.key)


def execute(connection: Connection, sql: str, where: str, role: str | None = None) -> None:
    """Send SQL in one message, as `role`, where an unqualified name finds nothing of ours."""
    if not sql:
        return
    become = f"set local role {role};" if role else ""
    try:
        connection.execute(f"{become} set local search_path to pg_catalog")
        connection.execute(sql)
    except psycopg.Error as error:
        raise MigrationError(describe(error, where, sql)) from error
    if connection.info.transaction_status != TransactionStatus.INTRANS:
        raise MigrationError(f"{where}: the file must not end the transaction")
    connection.execute("reset role")
    settle(connection)


def _make(connection: Connection, file: File) -> None:
    """Run a file as its owner, who may create in schema app for that moment."""
    if file.owner != OWNER:
        execute(connection, f"grant create on schema app to {file.owner}", file.where, OWNER)
    # A body may name what a later file makes.
    connection.execute("set local check_function_bodies to off")
    execute(connection, file.text, file.where, file.owner)
    if file.owner != OWNER:
        execute(connection, f"revoke create on schema app from {file.owner}", file.where, OWNER)
