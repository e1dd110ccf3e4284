"""Which steps lead from where a database stands to where the SQL files say it should be.

Pure: it compares what `sources` has read with what `bookkeeping` has seen.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Self

from app.migrations.sources import FOLDERS, File, Key, MigrationError, Tree
from app.migrations.state import State

# Why a migration is applied or rolled back, by the state it is in.
_WHY = {
    "pending": "pending",
    "applying": "it was interrupted while it was applied",
    "applied": "it is applied",
    "rolling back": "it was interrupted while it was rolled back",
    "rolled back": "it was rolled back",
}


@dataclass(frozen=True)
class Step:
    """One thing to do, or done: `apply`, `roll back`, `baseline`, `drop`.

    Or one that only people can put right: `refused`, `differs`, `unmanaged`. `file` is named as it
    stands below `sql/`; where the step is of an object and not of its file, it names the object.
    """

    kind: str
    name: str
    action: str
    reason: str
    file: str

    @classmethod
    def of(cls, file: File, action: str, reason: str) -> Self:
        return cls(*file.key, action, reason, file.where)

    @classmethod
    def of_migration(cls, name: str, action: str, reason: str) -> Self:
        return cls("migration", name, action, reason, f"{FOLDERS['migration']}/{name}.sql")

    @classmethod
    def drop(cls, key: Key, reason: str) -> Self:
        what = "function" if key[0] == "function" else "policies of"
        return cls(*key, "drop", reason, f"{what} app.{key[1]}")

    @property
    def key(self) -> Key:
        return self.kind, self.name

    def __str__(self) -> str:
        return f"{self.action} {self.file}: {self.reason}"


def move(action: str, file: File, state: State) -> Step:
    """Return the step that applies a migration or rolls it back, with the reason."""
    return Step.of(file, action, _WHY[state.of(file.name)])


def refusals(tree: Tree, state: State) -> Iterator[Step]:
    """Find what no migration may build on: a missing, skipped or edited file of an applied one."""
    names = [file.name for file in tree.migrations]
    last = max((name for name in names if name in state.marked), default="")
    for name in sorted(state.marked.difference(names)):
        yield Step.of_migration(name, "refused", "it is applied, but its file is missing")
    for file in tree.migrations:
        record = state.records.get(file.key)
        if file.name < last and file.name not in state.marked:
            yield Step.of(file, "refused", f"it is not applied, but the later {last} is")
        if state.of(file.name) == "applied" and record and record.sha256 != file.sha256:
            yield Step.of(file, "refused", "it was edited after it was applied")


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
    if not fits:
        raise MigrationError(f"{to}: no such migration")
    if len(fits) > 1:
        raise MigrationError(f"{to}: several migrations begin so: {', '.join(fits)}")
    return names.index(fits[0]) + 1


def moves(tree: Tree, state: State, count: int) -> Iterator[Step]:
    """List what leads to the first `count` migrations standing: down, then up."""
    for file in reversed(tree.migrations[count:]):
        if state.stands(file.name):
            yield from leaving(state, file.name)
            yield move("roll back", file, state)
    last = max(
        (file.name for file in tree.migrations[:count] if file.name in state.marked), default=""
    )
    for file in tree.migrations[:count]:
        record = state.records.get(file.key)
        if file.name not in state.marked:
            yield move("apply", file, state)
        elif record is None or record.state != "applied":
            yield Step.of(file, "baseline", "yoyo marked it as applied, without a checksum")
        elif file.name == last and not state.is_recorded:
            yield Step.of(file, "baseline", f"{state.server} has no record of the structure")


def leaving(state: State, migration: str) -> list[Step]:
    """List the policies, then the functions, that cannot outlive a migration."""
    gone = [record for record in state.records.values() if record.requires == migration]
    why = f"it requires {migration}, which is rolled back"
    steps = [Step.drop((item.kind, item.name), why) for item in gone]
    return sorted(steps, key=lambda step: step.kind, reverse=True)


def changes(tree: Tree, state: State, applied: Collection[str]) -> list[Step]:
    """List the function and policy files to run, and what is to go because its file went."""
    wanted = [file for file in tree.files if tree.requires[file.key] in applied]
    keys = {file.key for file in wanted}
    gone = [
        Step.drop(key, _why_gone(tree, key))
        for key in state.records
        if key not in keys and key[0] != "migration"
    ]
    made = [Step.of(file, "apply", why) for file in wanted if (why := _why(tree, state, file))]
    return [
        *(step for step in gone if step.kind == "policy"),
        *made,
        *(step for step in gone if step.kind == "function"),
    ]


_GONE = "its file is not here"


def _why_gone(tree: Tree, key: Key) -> str:
    if key in tree.requires:
        return f"it requires {tree.requires[key]}, which is not applied"
    return _GONE


def refuse_drops(tree: Tree, state: State, applied: Collection[str]) -> None:
    """Raise MigrationError if something is to go for want of a file.

    The files of an older release have fewer functions, and look like those of a newer one that
    has dropped some: only people know which they are.
    """
    gone = [step.file for step in changes(tree, state, applied) if step.reason == _GONE]
    if gone:
        raise MigrationError(
            f"{', '.join(gone)}: in the database, and in no file. If these files are older than the"
            " database, take newer ones; to drop what they do not have, say --drop"
        )


def _why(tree: Tree, state: State, file: File) -> str | None:
    """Say why a file must run, or None when all is as recorded."""
    record, live = state.records.get(file.key), state.definition(file.key)
    if record is None:
        return "new"
    if record.sha256 != file.sha256:
        return "the file was edited"
    if record.made_on != state.made_on:
        return f"it was applied on {record.made_on}, and this is {state.made_on}"
    if record.requires != tree.requires[file.key]:
        return f"it required {record.requires}, and now requires {tree.requires[file.key]}"
    if live != record.definition:
        return "it was changed by hand in the database" if live else "it is missing in the database"
    return None
