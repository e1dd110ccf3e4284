"""The doctor: whatever is unsafe in a database, about to run out, or set oddly.

A check is a file of `sql/doctor/GROUP/NAME.sql`, and nothing else. Its head is its title, then its
reason, and directives:

    -- level: warning            error, warning or notice; a row may have a `level` of its own
    -- as: pg_monitor            the role without whose privileges it sees nothing, or too little

Its rows are findings: `object`, `says` and `remedy`, one line each. A row of level `unseen` says
what could not be seen, and its remedy what would show it. `$1` is what only this side knows, as one
document; `Facts` is its form.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from app.migrations import MigrationError, compare, session
from app.migrations.sources import Tree
from app.settings import Settings, SettingsError, sql_directory

Facts = Mapping[str, object]
Connection = psycopg.Connection[Any]

# What one process of the service has open beside its pool: the monitor's look; and with a standby,
# the look at how far the primary is.
BESIDE_THE_POOL, FOR_A_STANDBY = 1, 1


class Level(StrEnum):
    """How bad a finding is; `unseen` is none."""

    error = "error"
    warning = "warning"
    notice = "notice"
    unseen = "unseen"


@dataclass(frozen=True)
class Finding:
    """What a check has found, or could not see.

    Args:
        check: The name of the check.
        group: What it is about: the name of its folder.
        level: How bad it is.
        object: What it is wrong with, if there may be several.
        says: What is wrong.
        remedy: What to do about it; for what was not seen, what would show it.
        ignored: Why it is not to count, if it is not.
    """

    check: str
    group: str
    level: Level
    object: str | None
    says: str
    remedy: str
    ignored: str | None = None

    @property
    def name(self) -> str:
        """What silences it alone."""
        return self.check if self.object is None else f"{self.check}:{self.object}"

    @property
    def counts(self) -> bool:
        """Tell whether something should be done."""
        return self.level in (Level.error, Level.warning) and self.ignored is None


@dataclass(frozen=True)
class Check:
    """A file of `sql/doctor`."""

    name: str
    group: str
    title: str
    level: Level
    role: str | None
    text: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read one file.

        Raises:
            ValueError: Its head is not complete.
        """
        text = path.read_text("utf-8")
        title = re.match(r"((?:-- .+\n)+)--\n", text)
        level = re.search(r"^-- level: (\w+)$", text, re.MULTILINE)
        if title is None or level is None:
            raise ValueError(f"{path}: its head should have a title, a reason and a level")
        role = re.search(r"^-- as: (\w+)$", text, re.MULTILINE)
        words = title[1].replace("-- ", "").replace("\n", " ").strip()
        return cls(path.stem, path.parent.name, words, Level(level[1]), role and role[1], text)

    def row(self, found: Mapping[str, Any]) -> Finding:
        """Return a row of its query as a finding."""
        level = Level(found.get("level") or self.level)
        return Finding(
            self.name, self.group, level, found["object"], found["says"], found["remedy"]
        )

    def unseen(self, says: str, remedy: str) -> Finding:
        """Return that it saw nothing."""
        return Finding(self.name, self.group, Level.unseen, None, says, remedy)


@cache
def checks() -> Sequence[Check]:
    """Return all checks, group by group."""
    return [Check.read(path) for path in sorted((sql_directory() / "doctor").glob("*/*.sql"))]


def examine(settings: Settings, ignored: Mapping[str, str], **facts: object) -> list[Finding]:
    """Run every check, in one transaction that writes nothing and is rolled back.

    Args:
        settings: Where the database is, and what the service would take of it.
        ignored: Why not to count it, by the name of a check, or a check and an object.
        facts: In the place of what this side knows.

    Raises:
        SettingsError: `DIRECT_URL` is not set.
        MigrationError: The server cannot be reached, or the files are wrong in themselves.
    """
    tree = Tree.read(sql_directory())
    service = _service(settings)
    with session.reach(settings.require("direct_url"), application_name="hearth-doctor") as direct:
        direct.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        direct.read_only = True
        known = _ways(direct, service, settings)
        # Rolled back, what is set in it is not left on the connection of a pooler.
        with session.plainly(), direct.transaction(force_rollback=True):
            session.settle(direct)
            direct.execute(_helper("limits"))
            known |= _differences(direct, tree, settings)
            found = [one for check in checks() for one in _run(check, direct, {**known, **facts})]
    return [replace(one, ignored=ignored.get(one.name, ignored.get(one.check))) for one in found]


def _run(check: Check, connection: Connection, facts: Facts) -> Iterator[Finding]:
    parameters = [Jsonb({"time": datetime.now(UTC).isoformat(), **facts})]
    try:
        with connection.transaction(force_rollback=True):
            if check.role is not None and not _sees_as(check.role, connection):
                login = connection.info.user
                grant = f"`grant {check.role} to {login}` shows it"
                yield check.unseen(f"{login} may not look", grant)
                return
            cursor: psycopg.RawCursor[DictRow] = psycopg.RawCursor(connection, row_factory=dict_row)
            rows = cursor.execute(check.text, parameters if "$1" in check.text else None).fetchall()
    except psycopg.errors.InsufficientPrivilege as error:
        yield check.unseen(_says(error), "a superuser sees it")
        return
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled) as error:
        yield check.unseen(_says(error), "somebody is at work there; ask again later")
        return
    except psycopg.Error as error:
        if connection.closed:
            raise
        yield check.unseen(_says(error), "tell us, with the server's version")
        return
    yield from map(check.row, rows)


def _says(error: psycopg.Error) -> str:
    return error.diag.message_primary or type(error).__name__


def _helper(name: str) -> bytes:
    return (sql_directory() / "doctor" / f"{name}.sql").read_bytes()


def _sees_as(role: str, connection: Connection) -> bool:
    """Take a role until the end of the check, unless its privileges are there without."""
    member = "set" if connection.info.server_version >= 160_000 else "member"
    row = psycopg.RawCursor(connection).execute(_helper("see_as"), [role, member]).fetchone()
    return bool(row and row[0])


def _service(settings: Settings) -> Facts:
    """Return where `DATABASE_URL` leads, as whom, and through what."""
    if settings.database_url is None:
        return {"unseen": "DATABASE_URL is not set"}
    try:
        url = settings.require("database_url")
        with session.reach(url, application_name="hearth-doctor") as connection:
            return _way(connection)
    except (MigrationError, SettingsError) as error:
        return {"unseen": f"DATABASE_URL: {error}"}
    except psycopg.Error as error:
        return {"unseen": f"DATABASE_URL: {type(error).__name__}"}


def _way(connection: Connection) -> dict[str, object]:
    host = connection.info.host
    is_local = host.startswith(("/", "@")) or host == "localhost"
    with suppress(ValueError):
        is_local = is_local or ip_address(connection.info.hostaddr or host).is_loopback
    return {
        "user": connection.info.user,
        "is_pooled": session.is_pooled(connection),
        "is_local": is_local,
        "is_encrypted": bool(connection.pgconn.ssl_in_use),
    }


def _ways(direct: Connection, service: Facts, settings: Settings) -> dict[str, object]:
    beside = BESIDE_THE_POOL + (FOR_A_STANDBY if settings.replica_url is not None else 0)
    connections = settings.workers * (settings.pool_max_size + beside)
    return {
        "direct": _way(direct),
        "service": service,
        "pooler": settings.database_pooler,
        "connections": connections,
    }


def _differences(connection: Connection, tree: Tree, settings: Settings) -> dict[str, object]:
    """Return what `hearth status` says."""
    try:
        with connection.transaction(force_rollback=True):
            status = compare(connection, tree, uuidv7=settings.uuidv7 == "auto", lines=0)
    except (psycopg.Error, MigrationError) as error:
        return {"status": [], "status_unseen": " ".join(str(error).split())}
    return {
        "status": [
            {"action": step.action, "file": step.file, "reason": step.reason}
            for step in status.items
        ]
    }
