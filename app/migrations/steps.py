"""Which steps lead from where a database stands to where the SQL files say it should be.

Pure: it compares what `sources` has read with what `bookkeeping` has seen.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from app.migrations.sources import FOLDERS, File, Key, MigrationError, Tree


@dataclass(frozen=True)
class Step:
    """One thing to do, or done: `apply`, `roll back`, `adopt`, `drop`.

    Or one that only people can put right: `refused`, `differs`, `foreign`.
    """

    kind: str
    name: str
    action: str
    reason: str

    @property
    def key(self) -> Key:
        return self.kind, self.name

    @property
    def file(self) -> str:
        return f"{FOLDERS[self.kind]}/{self.name}.sql"

    def __str__(self) -> str:
        return f"{self.action} {self.file}: {self.reason}"


@dataclass(frozen=True)
class Record:
    """A row of yoyo.files: what was run, and what the catalog said afterwards."""

    kind: str
    name: str
    state: str
    sha256: str
    requires: str | None
    made_on: str | None
    definition: str | None


@dataclass(frozen=True)
class Live:
    """An object of schema app. `version` is new after any change, `strip` is SQL to bare it."""

    kind: str
    name: str
    object: str
    version: str
    definition: str
    strip: str
    is_used: bool


@dataclass(frozen=True)
class Part:
    """An object of the structure, as it is or as `migration` left it; no definition: gone."""

    object: str
    parent: str | None
    definition: str | None
    migration: str = ""
    made_on: str = ""


@dataclass(frozen=True)
class State:
    """What one database says: migrations marked, files recorded, objects living in schema app.

    `structure` is what migrations made, by name, and `recorded` what it was when they had run.
    """

    marked: frozenset[str]
    records: dict[Key, Record]
    live: dict[Key, list[Live]]
    structure: dict[str, Part]
    recorded: dict[str, Part]
    made_on: str

    @property
    def server(self) -> str:
        return self.made_on.partition(",")[0]

    @property
    def is_recorded(self) -> bool:
        """Tell whether the structure can be compared with its records, word by word."""
        return {part.made_on for part in self.recorded.values()} == {self.server}

    def definition(self, key: Key) -> str | None:
        return "\n".join(item.definition for item in self.live.get(key, [])) or None

    def by_hand(self, key: Key) -> str | None:
        """Return the definition that is about to be lost, if it is not the one recorded."""
        record, live = self.records.get(key), self.definition(key)
        return live if record and record.definition != live else None

    def of(self, migration: str) -> str:
        """Return `pending`, `applying`, `applied`, `rolling back` or `rolled back`."""
        if migration in self.marked:
            return "applied"
        record = self.records.get(("migration", migration))
        return record.state if record and record.state != "applied" else "pending"

    def stands(self, migration: str) -> bool:
        """Tell whether there may be something of it to roll back."""
        return self.of(migration) in ("applying", "applied", "rolling back")


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


@dataclass(frozen=True)
class Status:
    """Where a database stands. `migrations` gives each one's state, `items` all that differs."""

    is_consistent: bool
    version: str | None
    made_on: str
    migrations: dict[str, str]
    items: list[Step]
    deployer: str | None
    history: list[Event]


def refusals(tree: Tree, state: State) -> Iterator[Step]:
    """Find what no migration may build on: a missing, skipped or edited file of an applied one."""
    names = [file.name for file in tree.migrations]
    last = max((name for name in names if name in state.marked), default="")
    for name in sorted(state.marked.difference(names)):
        yield Step("migration", name, "refused", "it is applied, but its file is missing")
    for file in tree.migrations:
        record = state.records.get(file.key)
        if file.name < last and file.name not in state.marked:
            yield Step(*file.key, "refused", f"it is not applied, but {last} after it is")
        if state.of(file.name) == "applied" and record and record.sha256 != file.sha256:
            yield Step(*file.key, "refused", "it was edited after it was applied")


def refuse(tree: Tree, state: State) -> None:
    """Raise MigrationError for the first refusal."""
    for step in refusals(tree, state):
        raise MigrationError(f"{step.file}: {step.reason}")


def target(tree: Tree, state: State, to: str | None, rollback: int) -> int:
    """Return how many migrations are to stand: up to `to`, less `rollback`, or all."""
    if to is None:
        standing = sum(state.stands(file.name) for file in tree.migrations)
        return max(0, standing - rollback) if rollback else len(tree.migrations)
    names = [file.name for file in tree.migrations]
    fits = [name for name in names if name == to] or [name for name in names if name.startswith(to)]
    if len(fits) != 1:
        raise MigrationError(
            f"{to}: " + (f"fits {', '.join(fits)}" if fits else "no such migration")
        )
    return names.index(fits[0]) + 1


def moves(tree: Tree, state: State, count: int) -> Iterator[Step]:
    """List what leads to the first `count` migrations standing: down, then up."""
    for file in reversed(tree.migrations[count:]):
        if state.stands(file.name):
            yield from leaving(state, file.name)
            yield Step(*file.key, "roll back", state.of(file.name))
    last = max(
        (file.name for file in tree.migrations[:count] if file.name in state.marked), default=""
    )
    for file in tree.migrations[:count]:
        record = state.records.get(file.key)
        if file.name not in state.marked:
            yield Step(*file.key, "apply", state.of(file.name))
        elif record is None or record.state != "applied":
            yield Step(*file.key, "adopt", "marked without a checksum")
        elif file.name == last and not state.is_recorded:
            yield Step(
                *file.key, "adopt", f"the structure is not recorded as {state.server} has it"
            )


def leaving(state: State, migration: str) -> list[Step]:
    """List the policies, then the functions, that cannot outlive a migration."""
    gone = [record for record in state.records.values() if record.requires == migration]
    steps = [Step(item.kind, item.name, "drop", f"it requires {migration}") for item in gone]
    return sorted(steps, key=lambda step: step.kind, reverse=True)


def changes(tree: Tree, state: State, applied: Collection[str]) -> list[Step]:
    """List the function and policy files to run, and what is to go because its file went."""
    wanted = [file for file in tree.files if tree.requires[file.key] in applied]
    keys = {file.key for file in wanted}
    gone = [
        Step(
            *key,
            "drop",
            f"it requires {tree.requires[key]}" if key in tree.requires else "its file is gone",
        )
        for key in state.records
        if key not in keys and key[0] != "migration"
    ]
    made = [Step(*file.key, "apply", why) for file in wanted if (why := _why(tree, state, file))]
    return [
        *(step for step in gone if step.kind == "policy"),
        *made,
        *(step for step in gone if step.kind == "function"),
    ]


def _why(tree: Tree, state: State, file: File) -> str | None:
    """Say why a file must run, or None when all is as recorded."""
    record, live = state.records.get(file.key), state.definition(file.key)
    if record is None:
        return "new"
    if record.sha256 != file.sha256:
        return "the file was edited"
    if (record.made_on, record.requires) != (state.made_on, tree.requires[file.key]):
        return f"it was made on {record.made_on} after {record.requires}"
    if live != record.definition:
        return "changed by hand in the database" if live else "missing in the database"
    return None


def foreign(tree: Tree, state: State) -> list[Step]:
    """List the functions that no file owns or ever owned: they are told of and left alone."""
    known = {*state.records, *tree.requires}
    names = [name for kind, name in state.live if kind == "function" and (kind, name) not in known]
    return [Step("function", name, "foreign", "no such file, never was") for name in names]


def differences(state: State) -> Iterator[Step]:
    """List what was changed by hand in the structure: it is told of and left alone.

    What somebody made beside ours is `foreign`; what they did to ours `differs`.
    """
    if not state.is_recorded:
        return
    standing = {name: part for name, part in state.recorded.items() if part.definition is not None}
    for name, was in standing.items():
        now = state.structure.get(name)
        if now is None and (was.parent is None or was.parent in state.structure):
            yield Step("migration", was.migration, "differs", f"{name} is missing")
        elif now is not None and now.definition != was.definition:
            change = _change(was.definition or "", now.definition or "")
            yield Step(
                "migration", was.migration, "differs", f"{name} was changed by hand: {change}"
            )
    for name, now in state.structure.items():
        if name not in standing and now.parent in standing:
            action = "foreign" if now.parent == "schema app" else "differs"
            migration = standing[now.parent].migration
            yield Step("migration", migration, action, f"{name} was added by hand")


def _change(was: str, now: str) -> str:
    """Say in one line which lines of a definition became which."""
    old, new = was.splitlines(), now.splitlines()
    gone = ", ".join(line for line in old if line not in new) or "nothing"
    come = ", ".join(line for line in new if line not in old) or "nothing"
    return f"{gone} became {come}"
