"""What row level security, the trail and the rest cost in the database, each on and off.

Hearth's own transactions, by pgbench, as they are and with one thing switched off in the same
database: the same rows in the same pages. One right after the other and in an order of each round,
for what others do on the machine then falls on both. A ratio is of one round.

Then what an id costs in a table larger than memory's share, and what `hearth migrate` costs beside
Alembic.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiosql
import psycopg
from aiosql.adapters.asyncpg import AsyncPGAdapter

from app import embedded
from app.db.queries import Query
from app.migrations.sources import Tree
from app.settings import sql_directory
from bench import pgbench, services
from bench.data import PLACE, Loaded, configured, postmaster_of
from bench.errors import BenchError
from bench.load import Meter
from bench.population import FIRST, Person, Population
from bench.results import median_of
from bench.services import Peer

# Where their SQL is.
DIRECTORY = Path(__file__).parent / "costs"

CLIENTS = 4

# Seconds before a measurement: connections are opened, and plans are made, which is no part of it.
# And before the end: pgbench writes its log while its connections end.
WARM_UP = 0.5
MARGIN = 0.2

READS = ("list_20", "list_100", "one", "me", "today", "stats", "leaderboard")
WRITES = ("create", "patch", "complete", "habit_log")


@dataclass(frozen=True)
class Switch:
    """What is switched off: psql's arguments for it, and those that switch it on again."""

    workloads: Sequence[str]
    off: Sequence[str]
    on: Sequence[str]


def _file(name: str, **variables: str) -> Sequence[str]:
    given = [word for pair in variables.items() for word in ("-v", "=".join(pair))]
    return [*given, "-f", str(DIRECTORY / f"{name}.sql")]


def _triggers(functions: str, *workloads: str) -> Switch:
    off, on = (
        _file("triggers", switch=switch, functions=functions) for switch in ("disable", "enable")
    )
    return Switch(workloads, off, on)


SWITCHES: Mapping[str, Switch] = {
    "rls": Switch(READS, _file("rls", switch="disable"), _file("rls", switch="enable")),
    # Without a family, as `me` is, there is none.
    "floor": Switch(
        [each for each in READS if each != "me"],
        _file("floor", roles="hearth_deployer"),
        _file("floor", roles="app_api, app_reader"),
    ),
    "assertion": Switch(
        ("list_20", "me"),
        _file("assertion"),
        ["-f", str(sql_directory() / "functions" / "context" / "assert_membership.sql")],
    ),
    "audit": _triggers("^tg_record_audit$", *WRITES),
    "points": _triggers("^tg_score_", "complete", "habit_log"),
    # Not of a task that is completed: that must not be after its last change, says a check.
    "bookkeeping": _triggers("^tg_(touch|set_entered_on)$", "patch", "habit_log"),
}

# Row level security is off, and the query says by itself what its policy says.
BY_HAND = "rls_by_hand"

# Rows there are before an id is measured, and then more; with memory for a half of the index.
IDS_BEFORE, IDS_MORE = 400_000, 100_000
IDS_SETTINGS = {
    "autovacuum": "off",
    "checkpoint_timeout": "30min",
    "max_wal_size": "8GB",
    "shared_buffers": "12MB",
}
IDS = {"version 7": "uuidv7()", "version 4": "gen_random_uuid()"}
KEYS = ("id", "family_id, id")

ALEMBIC = Peer(
    "alembic",
    "Alembic",
    needs=("python3",),
    install=(
        ("python3", "-m", "venv", ".venv"),
        (".venv/bin/pip", "install", "-q", "--disable-pip-version-check", "-r", "requirements.txt"),
    ),
    version={"packages": "requirements.txt"},
)
MIGRATORS = ("hearth", "alembic")


# Of each kind of row: its figures, and what tells two of a workload apart.
FIGURES: Mapping[str, Sequence[str]] = {
    "transactions": ("database_us", "per_second", "others"),
    "ids": ("database_us", "elapsed_us", "wal_bytes", "blocks_read", "index_mib", "others"),
    "migrate": ("seconds", "program_s", "database_s", "others"),
}
APART = {"transactions": "without", "ids": "version", "migrate": "workload"}


@dataclass(frozen=True)
class Place:
    """A database with the data.

    Args:
        programs: Where PostgreSQL's programs are.
        root: Its URL as the superuser.
        api: Its URL as the service's login.
        postmaster: The first process of the server.
        population: Who is in the data.
    """

    programs: Path
    root: str
    api: str
    postmaster: int
    population: Population


@dataclass
class Costs:
    """Measures them.

    Args:
        place: Where.
        seconds: Of each measurement, with what comes before it; 1 or more.
        seed: Of the orders.
        tell: Gets a line for each step.
        switches: What is switched off, of `SWITCHES`.
        rows: What was measured.
    """

    place: Place
    seconds: int
    seed: int
    tell: Callable[[str], None]
    switches: Collection[str] = tuple(SWITCHES)
    rows: list[Mapping[str, str | float]] = field(default_factory=list)

    def transactions(self, number: int, workloads: Sequence[str]) -> None:
        """Measure some workloads, as they are and with each thing off, so many times.

        Raises:
            BenchError: A query gives something else without row level security, a script fails, or
                something could not be switched on again.
        """
        self.compare([each for each in READS if each in workloads])
        chance = Random(self.seed)
        some = [each for each in (*READS, *WRITES) if each in workloads]
        for index in range(1, number + 1):
            self.tell(f"costs: transactions, round {index} of {number}")
            for workload in chance.sample(some, len(some)):
                names = self._variants(workload)
                for name in chance.sample(names, len(names)):
                    with self.without(name):
                        query = by_hand()[workload] if name == BY_HAND else None
                        figures = self._slot(workload, query)
                    self._note("transactions", workload, index, without=name, **figures)

    def _variants(self, workload: str) -> Sequence[str]:
        names = [name for name in self.switches if workload in SWITCHES[name].workloads]
        return ["", *names, *([BY_HAND] if "rls" in names and workload in by_hand() else [])]

    def compare(self, workloads: Sequence[str]) -> None:
        """Ask in the name of some people, with row level security and without.

        Raises:
            BenchError: Something else came back.
        """
        expected = [self.answers(workload) for workload in workloads]
        with self.without("rls"):
            for workload, answers in zip(workloads, expected, strict=True):
                queries = [None, by_hand()[workload]] if workload in by_hand() else [None]
                for query in queries:
                    if self.answers(workload, query) != answers:
                        raise BenchError(f"{workload}: another answer without row level security")

    def answers(self, workload: str, query: Query | None = None) -> Sequence[object]:
        """Return what some members get, of the first families and of the last.

        Args:
            workload: A workload that reads.
            query: What is sent, if it is not the service's.
        """
        found: list[object] = []
        population = self.place.population
        for number in (3, 10, 14, population.people):
            person = Person(number)
            task = population.own_task(person, Random(number))
            drawn = {
                "person": FIRST + number,
                "family": FIRST + person.family,
                "task": int(task[-12:]),
                "habit": int(person.pages_habit[-12:]),
            }
            found.append(self._answer(pgbench.sent_by(workload, drawn, query)))
        return found

    def _answer(self, sent: pgbench.Sent) -> object:
        with psycopg.connect(self.place.api, autocommit=True) as connection:
            connection.execute(sent.prepared.encode())
            cursor = connection.execute(sent.messages.replace("\\;", ";").encode())
            while cursor.nextset():
                pass
            row = cursor.fetchone()
            return None if row is None else row[0]

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Switch something off until the end of the block; nothing without a name.

        Raises:
            BenchError: It is not as it was afterwards.
        """
        if not name:
            yield
            return
        switch = SWITCHES["rls" if name == BY_HAND else name]
        before = self._state()
        _psql(self.place.programs, self.place.root, ["-1", *switch.off])
        try:
            yield
        finally:
            _psql(self.place.programs, self.place.root, ["-1", *switch.on])
        if self._state() != before:
            raise BenchError(f"{name} is not as it was before it was switched off")

    def _state(self) -> str:
        return _psql(self.place.programs, self.place.root, _file("state"))

    def _slot(self, workload: str, query: Query | None) -> Mapping[str, float]:
        """Return what a transaction took, in microseconds of all of PostgreSQL's processes."""
        with tempfile.TemporaryDirectory(prefix="hearth-bench-") as directory:
            file = Path(directory, "script.sql")
            file.write_text(pgbench.script(workload, self.place.population, query), "utf-8")
            command = [
                *(str(self.place.programs / "pgbench"), "--no-vacuum", "--protocol", "simple"),
                *("--define", "is_prepared=0", "--client", str(CLIENTS), "--jobs", "1"),
                *(
                    "--time",
                    str(self.seconds),
                    "--log",
                    "--log-prefix",
                    str(Path(directory, "log")),
                ),
                *("--file", str(file), self.place.api),
            ]
            output = Path(directory, "output")
            with output.open("wb") as stream:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
                )
            try:
                time.sleep(WARM_UP)
                began, meter = time.time(), Meter(process.pid, self.place.postmaster)
                time.sleep(self.seconds - WARM_UP - MARGIN)
                taken, ended = meter.read(), time.time()
            finally:
                process.wait(60)
            said = output.read_text("utf-8", "replace")
            if process.returncode != 0 or "failed transactions: 0 " not in said:
                raise BenchError(f"pgbench, {workload}:\n{said[-2000:]}")
            logs = [log.read_text("utf-8") for log in Path(directory).glob("log.*")]
        lines = [line.split() for log in logs for line in log.splitlines()]
        # The fifth and the sixth word of a line are when a transaction ended, in seconds and us.
        moments = [int(line[4]) + int(line[5]) / 1e6 for line in lines]
        number = sum(began <= moment < ended for moment in moments)
        number *= pgbench.TRANSACTIONS.get(workload, 1)
        if not number:
            raise BenchError(f"pgbench, {workload}: not one transaction in {self.seconds} s")
        return {
            "database_us": taken.database / number * 1e6,
            "per_second": number / (ended - began),
            "others": taken.others,
        }

    def _note(self, what: str, workload: str, index: int, **of: str | float) -> None:
        figures = {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in of.items()
        }
        self.rows.append(
            {
                "section": "costs",
                "tasks": self.place.population.tasks,
                "what": what,
                "workload": workload,
                "round": index,
                **figures,
            }
        )

    def ids(self, number: int) -> None:
        """Measure ids of both versions, in a server of their own, so many times.

        Raises:
            BenchError: The server cannot be made.
        """
        with _small_server() as server:
            url, postmaster = server.url("postgres", "postgres"), postmaster_of(server)
            chance = Random(self.seed)
            kinds = [(key, version) for key in KEYS for version in IDS]
            for index in range(1, number + 1):
                self.tell(f"costs: ids, round {index} of {number}")
                for key, version in chance.sample(kinds, len(kinds)):
                    figures = ids_of(server.binaries, url, postmaster, key=key, version=version)
                    self._note("ids", key, index, version=version, **figures)

    def migrations(self, loaded: Loaded, number: int) -> str:
        """Measure how long an empty database takes to be what it should be, so many times.

        Returns:
            What Alembic is made of.

        Raises:
            BenchError: One failed, or made another schema than the other.
        """
        if services.is_to_be_installed(ALEMBIC):
            self.tell("installing Alembic")
            services.install(ALEMBIC)
        chance = Random(self.seed)
        for index in range(1, number + 1):
            self.tell(f"costs: migrations, round {index} of {number}")
            schemas = set()
            for name in chance.sample(MIGRATORS, len(MIGRATORS)):
                figures, schema = migrate(loaded.server, loaded.postmaster, name)
                schemas.add(schema)
                self._note("migrate", name, index, **figures)
            if len(schemas) > 1:
                raise BenchError("Alembic made another schema than hearth migrate")
        return services.versions(ALEMBIC)["packages"]


def table(rows: Sequence[Mapping[str, str | float]]) -> list[str]:
    """Return the lines that tell what was measured, medians over the rounds."""
    some = [row for row in rows if row["section"] == "costs"]
    lines: list[str] = []
    for what, names in FIGURES.items():
        of_it = [row for row in some if row["what"] == what]
        if not of_it:
            continue
        lines.append(f"\ncosts: {what}")
        lines.append(" " * 34 + "".join(f"{name:>14}" for name in names))
        found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in of_it:
            found.setdefault((str(row["workload"]), str(row[APART[what]])), []).append(row)
        for (workload, apart), rounds in sorted(found.items()):
            cells = "".join(f"{median_of(rounds, name):14,.3f}" for name in names)
            lines.append(f"  {workload:16}{apart:16}{cells}")
    return lines


def place_of(data: Loaded) -> Place:
    """Return the bench's own database as a place."""
    return Place(
        data.server.binaries,
        data.url("postgres"),
        data.url("app_api"),
        data.postmaster,
        data.population,
    )


def by_hand() -> Mapping[str, Query]:
    """Return the queries that say by themselves what a policy says, by workload."""
    adapter = AsyncPGAdapter()  # type: ignore[no-untyped-call]
    path = DIRECTORY / "by_hand.sql"
    loaded = aiosql.from_path(path, lambda: adapter, mandatory_parameters=False)
    names = tuple(adapter.var_sorted["get_task"])
    return {"one": Query("get_task", loaded.get_task.sql, names, path)}


def ids_of(
    programs: Path,
    url: str,
    postmaster: int,
    *,
    key: str,
    version: str,
    before: int = IDS_BEFORE,
    more: int = IDS_MORE,
) -> Mapping[str, float]:
    """Fill a table, and return what each of some more rows takes.

    Args:
        programs: Where PostgreSQL's programs are.
        url: Of a database, as the superuser.
        postmaster: The first process of its server.
        key: The columns of the primary key.
        version: One of `IDS`.
        before: Rows that are there already.
        more: Rows that are measured.
    """
    make = IDS[version]
    _psql(programs, url, _file("ids_fill", id=make, key=key, rows=str(before)))
    meter = Meter(0, postmaster)
    told = _psql(programs, url, _file("ids_insert", id=make, rows=str(more)))
    taken = meter.read()
    plan = json.loads(told)[0]
    of_all = plan["Plan"]
    return {
        "database_us": taken.database / more * 1e6,
        "elapsed_us": plan["Execution Time"] / more * 1e3,
        "wal_bytes": of_all["WAL Bytes"] / more,
        "blocks_read": of_all["Shared Read Blocks"] / more,
        "index_mib": int(_psql(programs, url, _file("ids_size"))) / 2**20,
        "others": taken.others,
    }


@contextmanager
def _small_server() -> Iterator[embedded.Server]:
    directory = PLACE / "small"
    try:
        with embedded.hold(directory, "make bench"):
            server = configured(directory, IDS_SETTINGS)
            try:
                yield server
            finally:
                embedded.stop(server)
                shutil.rmtree(directory, ignore_errors=True)
    except embedded.EmbeddedError as error:
        raise BenchError(f"PostgreSQL: {error}") from error


def migrate(server: embedded.Server, postmaster: int, name: str) -> tuple[Mapping[str, float], str]:
    """Bring an empty database to head; return what it took, and the schema as pg_dump tells it.

    Args:
        server: Where.
        postmaster: Its first process.
        name: One of `MIGRATORS`.

    Raises:
        BenchError: It failed.
    """
    database = f"migrated_by_{name}"
    root = server.url("postgres", "postgres")
    drop = ["-c", f"drop database if exists {database} with (force)"]
    bootstrap = ["-f", str(sql_directory() / "bootstrap.sql")]
    _psql(server.binaries, root, drop)
    try:
        _psql(server.binaries, root, bootstrap, HEARTH_DATABASE=database)
        url = server.url("hearth_deployer", database)
        if name == "hearth":
            words, place = [sys.executable, "-m", "app.cli", "migrate"], PLACE
            own = {"DIRECT_URL": url, "PYTHONPATH": str(Path(__file__).parents[1])}
        else:
            words, place = [".venv/bin/alembic", "upgrade", "head"], ALEMBIC.place
            own = {"DATABASE_URL": url}
            _ran(["python3", "make_revisions.py"], place, {}, _revisions())
        meter, before, began = Meter(0, postmaster), os.times(), time.monotonic()
        _ran(words, place, own)
        taken, after, seconds = meter.read(), os.times(), time.monotonic() - began
        dump = [
            *(str(server.binary("pg_dump")), "--schema-only", "--schema=app"),
            # Partitions of the months to come are what `hearth migrate` makes besides.
            *("--exclude-table=app.audit_log_20*", server.url("postgres", database)),
        ]
        schema = _ran(dump, PLACE, {})
    finally:
        _psql(server.binaries, root, drop)
    figures = {
        "seconds": seconds,
        # Of children that have ended, user and system.
        "program_s": sum(after[2:4]) - sum(before[2:4]),
        "database_s": taken.database,
        "others": taken.others,
    }
    # The first and the last line but comments have a word that is drawn for each dump.
    lines = [line for line in schema.splitlines() if not line.startswith("\\")]
    return figures, "\n".join(lines)


def _revisions() -> str:
    """Return what `make_revisions.py` reads: a revision of each migration, and one of the rest."""
    tree = Tree.read(sql_directory())
    lines = [f"{file.name}\t\t{file.path}" for file in tree.migrations]
    lines += [f"0099_functions_and_policies\t{file.owner}\t{file.path}" for file in tree.files]
    return "".join(f"{line}\n" for line in lines)


def _psql(programs: Path, url: str, arguments: Sequence[str], **environment: str) -> str:
    command = [str(programs / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", url, *arguments]
    return _ran(command, Path(), environment).strip()


def _ran(
    command: Sequence[str], place: Path, environment: Mapping[str, str], given: str = ""
) -> str:
    """Run a program to its end, and return what it wrote."""
    done = subprocess.run(
        command,
        cwd=place,
        env={**os.environ, **environment},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        name = Path(command[0]).name
        raise BenchError(f"{name} failed:\n{(done.stdout + done.stderr).strip()[-2000:]}")
    return done.stdout
