"""The SQL files, checked while they are read: the chain of migrations, the functions, the policies.

The first lines of a file, its head, may ask for:

    -- depends: 0006_tasks             a migration: the one before it
    -- transactional: false            a migration: one idempotent statement, outside a transaction
    -- locks: app.tasks share          a migration or rollback: a lock it takes on a table that was
                                       there, with the reason; read by the tests alone
    -- requires: 0007_chats new_id     a function or policy: the migrations and functions it needs
    -- owner: app_auth                 the role it is run as; app_owner unless said (a transactional
                                       migration says `set local role` itself)
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Self

from app.migrations.scanner import Statement, UnfinishedError, statements

FOLDERS = {"migration": "migrations", "function": "functions", "policy": "policies"}
DIRECTIVES = {
    "migration": {"depends", "transactional", "owner", "locks"},
    "function": {"requires", "owner"},
    "policy": {"requires", "owner"},
}
DIRECTIVE = re.compile(r"--\s*(depends|transactional|requires|owner|locks)\s*:\s*(.*)")
TRIGGER = re.compile(r"^[ \t]*create\s+(or\s+replace\s+)?(constraint\s+)?trigger\b", re.I | re.M)

# How a statement begins that ends a transaction or begins one. `begin` in a function's body is none
# of them: bodies are strings, or `begin atomic`, which the scanner knows.
_TRANSACTION = ("begin", "start", "commit", "end", "rollback", "abort", "prepare")
OWNER = "app_owner"

Key = tuple[str, str]  # kind and name


class MigrationError(Exception):
    """Say in one line which file or object is in the way, and why."""


@dataclass(frozen=True)
class File:
    """A SQL file, refused at once where it could be misread."""

    kind: str
    path: Path
    text: str
    head: dict[str, list[str]]

    @classmethod
    def read(cls, kind: str, path: Path) -> Self:
        """Read one file. Line ends become LF, so its checksum is the same everywhere."""
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            raise MigrationError(f"{_below_sql(kind, path)}: the file does not exist") from None
        except UnicodeDecodeError:
            raise MigrationError(f"{_below_sql(kind, path)}: the file is not UTF-8") from None
        lines = text.split("\n")
        first = list(takewhile(lambda line: not line or line.startswith("--"), lines))
        head: dict[str, list[str]] = {}
        for found in filter(None, map(DIRECTIVE.match, first)):
            head.setdefault(found[1], []).extend(found[2].split())
        file = cls(kind, path, text, head)
        for fault in file._faults(lines[len(first) :]):
            raise MigrationError(f"{file.where}: {fault}")
        return file

    def _faults(self, body: list[str]) -> Iterator[str]:
        if self.text.startswith("\ufeff"):
            yield "the file starts with a byte order mark; save it without one"
        if "\0" in self.text:
            yield "the file has a NUL character, where the server would stop to read"
        if re.search(r"^[ \t]*/\*", self.text, re.MULTILINE):
            yield "yoyo reads no directive after a /* */ comment; write -- instead"
        for late in filter(None, map(DIRECTIVE.match, body)):
            yield f"`-- {late[1]}:` is below the head of the file, where nothing reads it"
        try:
            found = list(statements(self.text))
        except UnfinishedError as error:
            yield str(error)
            return
        for statement in found:
            if _is_of_transactions(statement):
                says = f"the file must not say `{statement.words[0]}`"
                yield f"{says}: it runs in a transaction of the migrator"
        if self.kind == "migration":
            if TRIGGER.search(self.text) or any(map(_makes_a_trigger, found)):
                yield "a migration must not create a trigger: the policy file of its table does"
            if not self.is_transactional and len(found) != 1:
                yield "must be one statement, as no transaction holds it"
        for name in self.head.keys() - DIRECTIVES[self.kind]:
            yield f"`-- {name}:` has no meaning in {FOLDERS[self.kind]}"
        if not re.fullmatch(r"app_[a-z0-9_]+", self.owner):
            yield "`-- owner:` must name one role, whose name starts with app_"
        if self.head.get("transactional", ["true"]) not in (["true"], ["false"]):
            yield "`-- transactional:` must be true or false"

    @property
    def where(self) -> str:
        return _below_sql(self.kind, self.path)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def key(self) -> Key:
        return self.kind, self.name

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def owner(self) -> str:
        return " ".join(self.head.get("owner", [OWNER]))

    @property
    def is_transactional(self) -> bool:
        return self.head.get("transactional") != ["false"]

    def rollback(self) -> "File":
        return File.read(self.kind, self.path.with_suffix(".rollback.sql"))


@dataclass(frozen=True)
class Tree:
    """The SQL directory: migrations in their chain, then functions and policies as they are run."""

    migrations: list[File]
    files: list[File]
    requires: dict[Key, str]  # the latest migration that a function or policy file stands on

    @classmethod
    def read(cls, sql: Path) -> Self:
        """Read and check every file below `sql`; raise MigrationError for the first wrong one."""
        found = {kind: _files(kind, sql / folder) for kind, folder in FOLDERS.items()}
        migrations = found["migration"]
        for before, file in zip([None, *migrations], migrations, strict=False):
            if file.head.get("depends", []) != ([before.name] if before else []):
                says = (
                    f"`-- depends: {before.name}`" if before else "no `-- depends:`, as the first"
                )
                raise MigrationError(f"{file.where}: must say {says}")
            rollback = file.rollback()
            if not file.is_transactional and len(list(statements(rollback.text))) != 1:
                fault = "must be one statement, as no transaction holds it"
                raise MigrationError(f"{rollback.where}: {fault}")
        files = [*_in_order(found["function"]), *found["policy"]]
        return cls(migrations, files, _requirements(migrations, files))


def _is_of_transactions(statement: Statement) -> bool:
    if statement.begins("rollback", "to") or statement.begins("rollback", "work", "to"):
        return False  # of a savepoint
    if statement.begins("rollback", "transaction", "to"):
        return False
    if statement.begins("start") or statement.begins("prepare"):
        return statement.words[1:2] == ("transaction",)
    return statement.words[:1] != () and statement.words[0] in _TRANSACTION


def _makes_a_trigger(statement: Statement) -> bool:
    words = tuple(word for word in statement.words if word not in ("or", "replace", "constraint"))
    return words[:2] == ("create", "trigger")


def _below_sql(kind: str, path: Path) -> str:
    """Name a file as people do: `functions/json/task_json.sql`."""
    (sql, *_) = (above.parent for above in path.parents if above.name == FOLDERS[kind])
    return path.relative_to(sql).as_posix()


def _files(kind: str, folder: Path) -> list[File]:
    """Read the files of a folder; an absent one is no reason to drop what it would hold.

    Repeatable files may stand in folders of any depth: it is the name that says what they own.
    """
    if not folder.is_dir():
        raise MigrationError(f"{folder}: the directory does not exist")
    found = folder.glob("*.sql") if kind == "migration" else folder.rglob("*.sql")
    paths = sorted(found, key=lambda path: (path.stem, path))
    for path, other in pairwise(paths):
        if path.stem == other.stem:
            raise MigrationError(f"{path} and {other}: two files must not have the same name")
    files = [File.read(kind, path) for path in paths if not path.name.endswith(".rollback.sql")]
    if kind == "migration" and not files:
        raise MigrationError(f"{folder}: there are no migrations")
    return files


def _in_order(functions: list[File]) -> Iterator[File]:
    """Sort by name, but each after the functions it requires."""
    by_name = {file.name: file for file in functions}
    wants = {file.name: set(file.head.get("requires", [])) & set(by_name) for file in functions}
    sorter = TopologicalSorter(wants)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " requires ".join(error.args[1][::-1])
        raise MigrationError(f"functions: `-- requires:` is circular: {circle}") from None
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        yield from (by_name[name] for name in ready)
        sorter.done(*ready)


def _requirements(migrations: list[File], files: list[File]) -> dict[Key, str]:
    """Find the latest migration each file needs, itself or by a function; if none, the first."""
    number = {file.name: n for n, file in enumerate(migrations)}
    requires = {}
    for file in files:
        wants = file.head.get("requires", [])
        if unknown := [name for name in wants if name not in number]:
            raise MigrationError(f"{file.where}: requires {unknown[0]}, which does not exist")
        latest = max((number[name] for name in wants), default=0)
        requires[file.key] = migrations[latest].name
        if file.kind == "function":
            number[file.name] = latest
    return requires
