"""What holds for every migration, proven for each by itself: no trace, no lost row, no long lock.

A new migration is proven without a line here. Where it locks a table that was there before, its own
file says so and why, to be seen in a review:

    -- locks: app.tasks access exclusive, because it gets a column

Without that it may take the one lock that a foreign key to the table takes.
"""

import re
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app import migrations
from app.migrations import MigrationError
from app.migrations.sources import Tree
from app.settings import sql_directory
from tests.conftest import Cluster
from tests.sql.schema import everything
from tests.support.deployers import until
from tests.support.fixtures import Hearth, bootstrap
from tests.support.sample_rows import fill
from tests.support.tally import tally

NAMES = [file.name for file in Tree.read(sql_directory()).migrations]

TABLES = """
    select c.relname, array_agg(a.attname order by a.attnum)
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        and a.attgenerated = ''
    where c.relnamespace = to_regnamespace('app') and c.relkind in ('r', 'p')
        and not c.relispartition
    group by c.relname
"""

UNPROVEN = """
    select format('constraint %I on %s', conname, conrelid::regclass)
    from pg_constraint
    where connamespace = to_regnamespace('app') and not convalidated
    union all
    select format('index %s', indexrelid::regclass)
    from pg_index
    join pg_class on pg_class.oid = indexrelid
    where relnamespace = to_regnamespace('app') and not indisvalid
"""

Columns = dict[str, list[str]]

# How long anybody may have to wait for a migration.
PATIENCE = "3s"


@pytest.fixture(scope="module")
def ladder(cluster: Cluster) -> Iterator[Hearth]:
    """Yield a database that goes up and down the migrations, from test to test."""
    hearth = Hearth(cluster, "hearth_ladder")
    bootstrap(cluster, hearth.name)
    _go(hearth, NAMES[0])  # the logins keep their limits from here on, as its rollback says
    _go(hearth, None)
    yield hearth
    with psycopg.connect(cluster.url(cluster.user, "postgres"), autocommit=True) as root:
        root.execute(f"drop database {hearth.name} with (force)")


@pytest.fixture
def root(ladder: Hearth) -> Iterator[psycopg.Connection[Any]]:
    """Yield a superuser's connection to it, whose writes fire no trigger."""
    with psycopg.connect(ladder.superuser_url, autocommit=True) as connection:
        connection.execute("set session_replication_role to replica")
        yield connection


def _before(name: str) -> str | None:
    place = NAMES.index(name)
    return NAMES[place - 1] if place else None


def _go(hearth: Hearth, to: str | None, sql: Path | None = None, **options: Any) -> None:
    """Go up or down until `to` is the last migration that stands; without one, to nothing."""
    where: dict[str, Any] = {"to": to} if to else {"rollback": len(NAMES)}
    migrations.migrate(hearth.url("hearth_deployer"), sql or sql_directory(), **where, **options)


def _status(hearth: Hearth) -> migrations.Status:
    return migrations.status(hearth.url("hearth_deployer"), sql_directory())


def _is_same(before: str, after: str, otherwise: str) -> None:
    lines = list(unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=5))
    if lines:
        pytest.fail("\n".join([otherwise, *lines]))


# No trace.


@pytest.mark.parametrize("name", NAMES)
def test_a_rollback_leaves_no_trace(ladder: Hearth, name: str) -> None:
    _go(ladder, _before(name))
    before = everything(ladder.superuser_url)

    _go(ladder, name)
    _go(ladder, _before(name))

    _is_same(before, everything(ladder.superuser_url), f"what {name}.rollback.sql leaves behind:")
    assert _status(ladder).migrations[name] == "rolled back"


def test_up_down_and_up_again_is_the_same_database(ladder: Hearth) -> None:
    seen = []
    for place in (NAMES[-1], None, NAMES[-1], None):
        _go(ladder, place)
        seen.append(everything(ladder.superuser_url))
        assert _status(ladder).version == place
        assert _status(ladder).is_consistent == (place is not None)

    _is_same(seen[0], seen[2], "after the second way up:")
    _is_same(seen[1], seen[3], "after the second way down:")


def test_the_structure_alone_lets_nobody_in(ladder: Hearth, tmp_path: Path) -> None:
    # As after a bare `yoyo apply`: no grants, no policies, and no triggers to tell the trail.
    sql = tmp_path / "sql"
    shutil.copytree(sql_directory() / "migrations", sql / "migrations")
    for folder in ("functions", "policies"):
        (sql / folder).mkdir()
    migrations.migrate(ladder.url("hearth_deployer"), sql)

    with psycopg.connect(ladder.superuser_url) as connection:
        _load_without_triggers(connection)
        tables = list(_tables(connection))
        connection.execute("set role app_owner")
        seen = {table: connection.execute(f"select from app.{table}").rowcount for table in tables}
        refused = [table for table in tables if _refuses(connection, table)]
        connection.rollback()

    assert seen == dict.fromkeys(tables, 0)
    assert refused == tables


def _load_without_triggers(connection: psycopg.Connection[Any]) -> None:
    connection.execute("set session_replication_role to replica")
    fill(connection)
    connection.execute("set session_replication_role to origin")


def _refuses(connection: psycopg.Connection[Any], table: str) -> bool:
    try:
        with connection.transaction():
            connection.execute(f"insert into app.{table} default values")
    except psycopg.errors.InsufficientPrivilege as error:
        return "row-level security" in str(error)
    return False


# No lost row.


def _tables(root: psycopg.Connection[Any]) -> Columns:
    return dict(root.execute(TABLES).fetchall())


def _content(root: psycopg.Connection[Any], columns: Columns) -> dict[str, list[Any]]:
    """Return the rows of tables, in these columns."""
    return {
        table: sorted(root.execute(f"select {', '.join(names)} from app.{table}").fetchall())
        for table, names in columns.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_migration_and_its_rollback_leave_the_rows_that_were_there(
    ladder: Hearth, root: psycopg.Connection[Any], name: str
) -> None:
    _go(ladder, _before(name))
    fill(root)
    columns = _tables(root)
    before = _content(root, columns)

    _go(ladder, name)
    after = _content(root, columns)
    unproven = root.execute(UNPROVEN).fetchall()
    fill(root)
    is_more = _tables(root) != columns
    _go(ladder, _before(name))
    rolled_back = _content(root, columns)

    assert all(before.values())
    assert [table for table in before if after[table] != before[table]] == []
    assert [table for table in before if rolled_back[table] != before[table]] == []
    assert unproven == []
    says = (sql_directory() / f"migrations/{name}.rollback.sql").read_text().partition("\n")[0]
    assert ("loses no rows" in says.lower()) != is_more, says


# No long lock.

# What a foreign key takes on the table that it refers to: it puts triggers there, and its table's
# rollback takes them away again.
WRITERS_WAIT, ALL_WAIT = "share row exclusive", "access exclusive"

# A lock, and the weakest that keeps it from being taken.
KEPT_OUT_BY = {
    "row share": "exclusive",
    "row exclusive": "share",
    "share update exclusive": "share update exclusive",
    "share": "row exclusive",
    "share row exclusive": "row exclusive",
    "exclusive": "row share",
    "access exclusive": "access share",
}

# The tables that foreign keys of younger tables refer to.
REFERRED = """
    select distinct older.relname
    from pg_constraint
    join pg_class as older on older.oid = confrelid and older.relname = any(%(standing)s)
    join pg_class as younger on younger.oid = conrelid and not younger.relname = any(%(standing)s)
    where contype = 'f' and connamespace = to_regnamespace('app')
"""

# A deployer's locks, as others see them: what it has just made is not there for them. What only
# reads a table, and keeps nobody out, is left out.
HELD = """
    select c.relname, lower(regexp_replace(left(l.mode, -4), '(?<!^)([A-Z])', ' \\1', 'g'))
    from unnest(array['RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
        'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'])
        with ordinality as modes (mode, strength)
    join pg_locks as l using (mode)
    join pg_stat_activity as a using (pid)
    join pg_class as c on c.oid = l.relation
    where a.application_name = 'hearth-migrate' and a.datname = current_database() and l.granted
        and c.relnamespace = to_regnamespace('app') and c.relkind in ('r', 'p')
    order by strength
"""

WAITING = """
    select count(*) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'
"""


Locks = dict[str, str]  # by table
Moves = dict[str, tuple[Locks, Locks]]  # by file


@dataclass
class Client:
    """Runs statements over and over; fails when one has to wait for a lock beyond its patience."""

    url: str
    statements: list[str]
    patience: str
    stop: threading.Event = field(default_factory=threading.Event)
    came_round: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("set session_replication_role to replica")
            connection.execute(f"set lock_timeout to '{self.patience}'")
            while not self.stop.is_set():
                for statement in ("select 1", *self.statements):
                    connection.execute(statement)
                self.came_round.set()

    def come_round(self, work: Future[None]) -> None:
        """Wait until every statement has been run once more; raise what one failed with."""
        for _ in range(2):  # the first time it may have been about to come round
            self.came_round.clear()
            while not self.came_round.wait(timeout=0.1):
                if work.done():
                    work.result()


@contextmanager
def _traffic(
    hearth: Hearth, columns: Columns, *, patience: str = PATIENCE
) -> Iterator[list[Future[None]]]:
    """Have somebody read and somebody write all these tables, before, meanwhile and after."""
    reads = [f"select count(*) from app.{table}" for table in columns]
    writes = [
        f"update app.{table} set {names[-1]} = {names[-1]}" for table, names in columns.items()
    ]
    clients = [Client(hearth.superuser_url, work, patience) for work in (reads, writes)]
    with ThreadPoolExecutor() as pool:
        work = [pool.submit(client.run) for client in clients]
        try:
            for client, its in zip(clients, work, strict=True):
                client.come_round(its)
            yield work
            for client, its in zip(clients, work, strict=True):
                client.come_round(its)
        finally:
            for client in clients:
                client.stop.set()


@pytest.fixture(scope="module")
def measured() -> dict[str, Moves]:
    """Keep what each migration was seen to lock, so that it need not be seen twice."""
    return {}


def _locks(
    ladder: Hearth, root: psycopg.Connection[Any], name: str, sql: Path | None = None
) -> Moves:
    """Go up and down again; return what each move locked, and what the foreign keys of it do."""
    standing = _tables(root)

    def go(to: str | None) -> Locks:
        held: Locks = {}
        _go(ladder, to, sql, progress=lambda _: held.update(root.execute(HELD).fetchall()))
        return {table: mode for table, mode in held.items() if table in standing}

    up = go(name)
    referred = [table for (table,) in root.execute(REFERRED, {"standing": [*standing]})]
    down = go(_before(name) if name in NAMES else NAMES[-1])
    return {
        f"migrations/{name}.sql": (up, dict.fromkeys(referred, WRITERS_WAIT)),
        f"migrations/{name}.rollback.sql": (down, dict.fromkeys(referred, ALL_WAIT)),
    }


def _faults(locks: Moves, sql: Path) -> Iterator[str]:
    """Find what a file locks without saying so, or says without need."""
    for file, (held, expected) in locks.items():
        text = (sql / file).read_text()
        says = dict(re.findall(r"^-- locks: app\.(\w+) ([a-z ]+), because \S", text, re.M))
        if text.count("-- locks:") != len(says):
            yield f"{file}: write `-- locks: app.TABLE LOCK, because …`, one line a table"
        for table, lock in sorted(held.items() - (expected | says).items()):
            says_so = f"-- locks: app.{table} {lock}, because …"
            yield f"{file}: takes {lock} on app.{table}, which was there; if it must: {says_so}"
        for table, lock in sorted(says.items() - (held.items() - expected.items())):
            yield f"{file}: need not say that it takes {lock} on app.{table}"


@pytest.mark.parametrize("name", NAMES)
def test_who_reads_or_writes_meanwhile_waits_no_longer_than_the_migration_would(
    ladder: Hearth, root: psycopg.Connection[Any], measured: dict[str, Moves], name: str
) -> None:
    _go(ladder, _before(name))
    fill(root)

    with _traffic(ladder, _tables(root)):
        measured[name] = _locks(ladder, root, name)

    faults = list(_faults(measured[name], sql_directory()))
    assert not faults, "\n".join(faults)
    tally("migrations", f"{len(NAMES)} up and down, with rows, under traffic")


@pytest.mark.parametrize(
    ("statement", "rollback", "found"),
    [
        ("create table app.own (id uuid references app.users)", "drop table app.own", []),
        (
            "create index own on app.tasks (title)",
            "drop index app.own",
            ["share on app.tasks", "access exclusive on app.tasks"],
        ),
        (
            "alter table app.tasks add own uuid references app.users",
            "alter table app.tasks drop own",
            [
                "access exclusive on app.tasks",
                "share row exclusive on app.users",
                "access exclusive on app.tasks",
                "access exclusive on app.users",
            ],
        ),
        ("update app.tasks set title = title", "select 1", ["row exclusive on app.tasks"]),
    ],
    ids=["a foreign key", "an index", "a column", "a row"],
)
def test_a_lock_on_a_table_that_was_there_is_named_unless_it_is_a_foreign_keys(
    ladder: Hearth,
    root: psycopg.Connection[Any],
    tmp_path: Path,
    statement: str,
    rollback: str,
    found: list[str],
) -> None:
    sql = tmp_path / "sql"
    shutil.copytree(sql_directory(), sql)
    become = "set local role app_owner;\n"
    (sql / "migrations/9999_own.sql").write_text(f"-- depends: {NAMES[-1]}\n{become}{statement};")
    (sql / "migrations/9999_own.rollback.sql").write_text(f"{become}{rollback};")
    _go(ladder, NAMES[-1])
    locks = _locks(ladder, root, "9999_own", sql)

    faults = list(_faults(locks, sql))
    for file, (held, _) in locks.items():
        heads = [f"-- locks: app.{table} {lock}, because it must\n" for table, lock in held.items()]
        (sql / file).write_text("".join(heads) + (sql / file).read_text())
    said = list(_faults(locks, sql))

    assert [re.findall(r"^\S+: takes (.*), which", fault)[0] for fault in faults] == found
    assert bool(said) == (not found), "what a foreign key takes is said without need"


def test_a_migration_that_locks_for_long_is_found(
    ladder: Hearth, root: psycopg.Connection[Any], tmp_path: Path
) -> None:
    sql = tmp_path / "sql"
    shutil.copytree(sql_directory(), sql)
    (sql / "migrations/9999_slow.rollback.sql").write_text("-- Loses nothing.")
    (sql / "migrations/9999_slow.sql").write_text(f"""-- depends: {NAMES[-1]}
        set local role app_owner;
        alter table app.tasks alter column title type varchar(300);
        select pg_catalog.pg_advisory_xact_lock(1);
        select 1 / 0;
    """)
    _go(ladder, NAMES[-1])
    root.execute("select pg_advisory_lock(1)")

    with (
        pytest.raises(psycopg.errors.LockNotAvailable),
        ThreadPoolExecutor() as pool,
        _traffic(ladder, _tables(root), patience="100ms") as work,
    ):
        slow = pool.submit(migrations.migrate, ladder.url("hearth_deployer"), sql)
        failures = [client.exception(timeout=20) for client in work]
        root.execute("select pg_advisory_unlock(1)")
        end = slow.exception(timeout=20)

    assert [type(failure) for failure in failures] == [psycopg.errors.LockNotAvailable] * 2
    assert "9999_slow.sql: division by zero" in str(end)


@pytest.mark.parametrize("name", NAMES)
def test_a_migration_that_cannot_have_its_lock_gives_up_and_has_done_nothing(
    ladder: Hearth,
    root: psycopg.Connection[Any],
    measured: dict[str, Moves],
    name: str,
) -> None:
    _go(ladder, _before(name))
    locks = measured.get(name) or _locks(ladder, root, name)

    for (held, _), end in zip(locks.values(), (name, _before(name)), strict=True):
        before = _status(ladder)
        for table, lock in held.items():
            # The policies of an older table may need the migration: then they go first.
            file = rf"(migrations/{name}(\.rollback)?|policies/{table})\.sql"
            with psycopg.connect(ladder.superuser_url) as user:
                user.execute(f"lock table app.{table} in {KEPT_OUT_BY[lock]} mode")
                with pytest.raises(
                    MigrationError, match=rf"^{file}: .* lock timeout; .* nothing was"
                ):
                    _go(ladder, end, lock_timeout=100, retries=0)

            assert _status(ladder) == before
        _go(ladder, end)


def test_who_queued_behind_a_migration_goes_on_when_it_gives_up(
    ladder: Hearth, root: psycopg.Connection[Any]
) -> None:
    _go(ladder, "0006_audit")

    def waiting() -> int:
        row = root.execute(WAITING).fetchone()
        return row[0] if row else 0

    def write() -> None:
        with psycopg.connect(ladder.superuser_url) as writer:
            writer.execute("update app.family_memberships set display_name = '' where false")

    with psycopg.connect(ladder.superuser_url) as idle, ThreadPoolExecutor() as pool:
        idle.execute("update app.family_memberships set display_name = '' where false")
        migration = pool.submit(_go, ladder, "0007_tasks", lock_timeout=3000, retries=0)
        until(lambda: waiting() == 1)
        writer = pool.submit(write)
        until(lambda: waiting() == 2)

        writer.result(timeout=20)
        end = migration.exception(timeout=20)

        assert "migrations/0007_tasks.sql: canceling statement due to lock timeout" in str(end)
