"""The database of the bench: one PostgreSQL 18, loaded once, and copied for every run."""

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY
from psycopg import sql

from app import embedded, migrations
from app.settings import sql_directory
from bench.errors import BenchError
from bench.population import PASSWORD, Population

PLACE = Path(__file__).parents[1] / ".bench"

# The database that everybody is measured on.
NAME = "bench"

# The same for all. Autovacuum would take processor time from whoever is measured at that moment.
SETTINGS = {
    "autovacuum": "off",
    "checkpoint_timeout": "30min",
    "max_connections": "300",
    "max_wal_size": "8GB",
    "shared_buffers": "1GB",
}

# Only while data are loaded: what a transaction puts into files that it made itself is then not
# written to the log as well, which is half of what it writes.
LOADING = {"wal_level": "minimal", "max_wal_senders": "0"}

# Tasks beyond which the data are not kept beside the copy: they are gigabytes.
KEPT = 2_000_000

# `get_today` and the leaderboard are about these days: older data are made anew.
MAX_AGE = timedelta(days=7)


@dataclass(frozen=True)
class Loaded:
    """A running server with the data.

    Args:
        server: The server.
        population: Who is in the data.
        loaded_at: When they were made.
    """

    server: embedded.Server
    population: Population
    loaded_at: datetime

    def url(self, user: str) -> str:
        """Return the URL of the database for a login."""
        return self.server.url(user, NAME)

    @property
    def postmaster(self) -> int:
        """The id of the server's first process."""
        return postmaster_of(self.server)

    @property
    def version(self) -> str:
        """The version of PostgreSQL."""
        with psycopg.connect(self.url("postgres")) as connection:
            return str(connection.execute("show server_version").fetchall()[0][0])

    @property
    def pgbench(self) -> Path:
        """The program that came with the server."""
        return self.server.binary("pgbench")


@contextmanager
def loaded(population: Population, tell: Callable[[str], None]) -> Iterator[Loaded]:
    """Start the server, with a fresh copy of the data, for as long as it is needed.

    Raises:
        BenchError: Another bench runs here, or the server or the data cannot be made.
    """
    try:
        with embedded.hold(PLACE / "postgres", "make bench"):
            server = configured(PLACE / "postgres", SETTINGS)
            try:
                source, loaded_at = _source(server, population, tell)
                _drop(server)
                (_copy if population.tasks <= KEPT else _rename)(server, source)
                migrations.migrate(server.url("hearth_deployer", NAME), sql_directory())
                yield Loaded(server, population, loaded_at)
            finally:
                if population.tasks > KEPT:
                    _drop(server)
                embedded.stop(server)
    except embedded.EmbeddedError as error:
        raise BenchError(f"PostgreSQL: {error}") from error
    except migrations.MigrationError as error:
        raise BenchError(f"the migrations: {error}") from error


def _start() -> embedded.Server:
    # A run that was killed may have left what it loads with.
    return configured(PLACE / "postgres", {**SETTINGS, **dict.fromkeys(LOADING)})


def postmaster_of(server: embedded.Server) -> int:
    """Return the id of a server's first process."""
    return int((server.data / "postmaster.pid").read_text().split("\n")[0])


def configured(directory: Path, settings: Mapping[str, str | None]) -> embedded.Server:
    """Start a server on a directory, with settings of its own; `None` is the default."""
    server = embedded.start(directory)
    if _set(server, settings):
        embedded.stop(server)
        server = embedded.start(directory)
    return server


def _set(server: embedded.Server, wanted: Mapping[str, str | None]) -> bool:
    """Write settings to the server's file, `None` for the default; return whether one changed."""
    with _root(server, "postgres") as root:
        found = {
            str(name): value
            for name, value in root.execute(
                "select name, setting from pg_file_settings where sourcefile ~ 'auto.conf$'"
            )
        }
        changed = {name: value for name, value in wanted.items() if found.get(name) != value}
        for name, value in changed.items():
            words = sql.SQL("reset {}") if value is None else sql.SQL("set {} = {}")
            parts = [sql.Identifier(name)] + [sql.Literal(value)] * (value is not None)
            root.execute(sql.SQL("alter system ") + words.format(*parts))
    return bool(changed)


@contextmanager
def _careless(server: embedded.Server) -> Iterator[None]:
    """Run the server until the end of the block as suits a load that is begun anew if it fails."""
    _set(server, LOADING)
    embedded.stop(server)
    embedded.start(server.data, durable=False)
    yield
    _set(server, dict.fromkeys(LOADING))
    embedded.stop(server)
    os.sync()  # which the server left out
    embedded.start(server.data)


def _source(
    server: embedded.Server, population: Population, tell: Callable[[str], None]
) -> tuple[str, datetime]:
    """Return the database that has the data, and since when; make it if it is not there."""
    name = f"loaded_{population.families}_{population.tasks}"
    digest = _digest()
    with _root(server, "postgres") as root:
        found = root.execute(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = %s",
            (name,),
        ).fetchone()
        if found is not None and found[0] is not None:
            of_files, _, at = str(found[0]).partition(" ")
            loaded_at = datetime.fromisoformat(at)
            if of_files == digest and datetime.now(UTC) - loaded_at < MAX_AGE:
                return name, loaded_at
        root.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(name)))
    tell(f"loading {population.tasks:,} tasks of {population.families:,} families")
    bootstrap = sql_directory() / "bootstrap.sql"
    _run_psql(server, "postgres", ["-X", "-q", "-f", str(bootstrap)], HEARTH_DATABASE=name)
    migrations.migrate(server.url("hearth_deployer", name), sql_directory())
    began = time.monotonic()
    with _careless(server):
        _run_psql(server, name, loading(population))
    loaded_at = datetime.now(UTC)
    with _root(server, "postgres") as root:
        note = sql.Literal(f"{digest} {loaded_at.isoformat()}")
        root.execute(sql.SQL("comment on database {} is {}").format(sql.Identifier(name), note))
        size = root.execute("select pg_database_size(%s)", (name,)).fetchall()[0][0]
    tell(f"loaded in {time.monotonic() - began:.0f} seconds: {int(str(size)) / 1e9:.1f} GB")
    return name, loaded_at


def _digest() -> str:
    """Return what the data depend on: the tables, and how they are filled."""
    tables = sorted((sql_directory() / "migrations").glob("*.sql"))
    digest = hashlib.sha256()
    for path in [*tables, *sorted(Path(__file__).parent.glob("load.sql"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _copy(server: embedded.Server, source: str) -> None:
    # A copy has its source's content, but neither its owner nor its privileges.
    with _root(server, "postgres") as root:
        copy = sql.SQL("create database {} template {} strategy file_copy owner hearth_deployer")
        root.execute(copy.format(sql.Identifier(NAME), sql.Identifier(source)))
        root.execute(f"revoke all on database {NAME} from public")
        root.execute(f"grant connect on database {NAME} to app_api, app_reader")


def _rename(server: embedded.Server, source: str) -> None:
    with _root(server, "postgres") as root:
        name = sql.Identifier(source)
        root.execute(sql.SQL("alter database {} rename to {}").format(name, sql.Identifier(NAME)))


def _drop(server: embedded.Server) -> None:
    with _root(server, "postgres") as root:
        root.execute(f"drop database if exists {NAME} with (force)")


def _root(server: embedded.Server, database: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(server.url("postgres", database), autocommit=True)


def loading(population: Population) -> Sequence[str]:
    """Return the arguments with which psql loads an empty database, but for its URL."""
    password_hash = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY).hash(PASSWORD)
    return [
        *("-X", "-q", "-v", f"families={population.families}", "-v", f"tasks={population.tasks}"),
        *("-v", f"password_hash={password_hash}", "-f", str(Path(__file__).parent / "load.sql")),
    ]


def _run_psql(
    server: embedded.Server, database: str, arguments: Sequence[str], **environment: str
) -> None:
    done = subprocess.run(
        [server.binary("psql"), *arguments, server.url("postgres", database)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"the data: {done.stderr.strip()}")
