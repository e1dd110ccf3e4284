"""What holds for every migration, proven for each by itself: no trace, no lost row, no long lock.

A new migration is proven without a line here, but for the rows of its tables in ROWS and what it
locks in LOCKS, which is there to be seen in a review.
"""

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
from app.migrations import MigrationError, bookkeeping
from app.migrations.bookkeeping import LOCK_TIMEOUT
from app.migrations.sources import Tree
from app.settings import sql_directory
from tests.conftest import Cluster
from tests.sql.schema import everything
from tests.support.deployers import until
from tests.support.fixtures import Hearth, bootstrap
from tests.support.tally import tally

NAMES = [file.name for file in Tree.read(sql_directory()).migrations]

ANN = "'00000000-0000-4000-8000-000000000001'"
FAMILY = "'00000000-0000-4000-8000-000000000002'"
SESSION = "'00000000-0000-4000-8000-000000000003'"
TALK = "'00000000-0000-4000-8000-000000000004'"
ROUTINE = "'00000000-0000-4000-8000-000000000007'"
HABIT = "'00000000-0000-4000-8000-000000000005'"
EXERCISE = "'00000000-0000-4000-8000-000000000006'"

# Some rows for every table, parents first. They are loaded without triggers: until the functions
# are there, the audited tables refuse to be written.
ROWS = {
    "users": f"(id, email, full_name) values ({ANN}, 'ann@example.com', 'Ann')",
    "credentials": f"(user_id, password_hash) values ({ANN}, '$argon2id$')",
    "families": f"(id, name) values ({FAMILY}, 'The Anns')",
    "family_memberships": "(family_id, user_id, role, display_name)"
    f" values ({FAMILY}, {ANN}, 'owner', 'Ann')",
    "sessions": f"(id, user_id, family_id, expires_at) values ({SESSION}, {ANN}, {FAMILY}, now())",
    "refresh_tokens": f"(token_hash, session_id) values (sha256('token'), {SESSION})",
    "audit_log": "(family_id, action_type, table_name, row_key, after)"
    f" values ({FAMILY}, 'insert', 'families', '{{}}', '{{}}')",
    "account_events": f"(user_id, event_type) values ({ANN}, 'signed_up')",
    "tasks": f"(family_id, user_id, title) values ({FAMILY}, {ANN}, 'Water the plants')",
    "conversations": f"(family_id, user_id, id, title) values ({FAMILY}, {ANN}, {TALK}, 'A talk')",
    "messages": "(family_id, user_id, conversation_id, role, content)"
    f" values ({FAMILY}, {ANN}, {TALK}, 'user', 'Hello')",
    "idempotency_keys": "(family_id, user_id, idempotency_key, request_hash, status)"
    f" values ({FAMILY}, {ANN}, 'saturday', sha256('flour'), 201)",
    "exercises": f"(family_id, user_id, id, name) values ({FAMILY}, {ANN}, {EXERCISE}, 'Plank')",
    "exercise_logs": "(family_id, user_id, exercise_id, performed_on, duration_s)"
    f" values ({FAMILY}, {ANN}, {EXERCISE}, '2025-11-20', 60)",
    "score_entries": "(family_id, user_id, kind, source_id, scored_on, sequence, points)"
    f" values ({FAMILY}, {ANN}, 'task', {TALK}, '2026-03-29', 1, 5)",
    "rate_limit_hits": "(rate_limit, subject_hash) values ('sign_in', sha256('ann'))",
    "habits": "(family_id, user_id, id, name, type, weekdays)"
    f" values ({FAMILY}, {ANN}, {HABIT}, 'Make the bed', 'boolean', '{{1,2}}')",
    "habit_logs": "(family_id, habit_id, logged_on, user_id, visibility, type, is_done, entered_on)"
    f" values ({FAMILY}, {HABIT}, '2026-03-29', {ANN}, 'private', 'boolean', true, '2026-03-29')",
    "routines": f"(family_id, user_id, id, name) values ({FAMILY}, {ANN}, {ROUTINE}, 'Sit still')",
    "routine_versions": "(family_id, routine_id, version, user_id, visibility, author_id)"
    f" values ({FAMILY}, {ROUTINE}, 1, {ANN}, 'private', {ANN})",
    "routine_steps": "(family_id, routine_id, version, position, user_id, visibility, title,"
    f" minutes) values ({FAMILY}, {ROUTINE}, 1, 1, {ANN}, 'private', 'Breathe', 5)",
    "routine_completions": "(family_id, routine_id, user_id, completed_on, owner_id, visibility,"
    f" version) values ({FAMILY}, {ROUTINE}, {ANN}, '2026-03-29', {ANN}, 'private', 1)",
    "invitations": "(family_id, user_id, email, role, token_hash)"
    f" values ({FAMILY}, {ANN}, 'bob@example.com', 'member', sha256('token'))",
}

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


def _go(hearth: Hearth, to: str | None, **options: Any) -> None:
    """Go up or down until `to` is the last migration that stands; without one, to nothing."""
    where: dict[str, Any] = {"to": to} if to else {"rollback": len(NAMES)}
    migrations.migrate(hearth.url("hearth_deployer"), sql_directory(), **where, **options)


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


# No lost row.


def _tables(root: psycopg.Connection[Any]) -> Columns:
    return dict(root.execute(TABLES).fetchall())


def _load(root: psycopg.Connection[Any]) -> None:
    """Put rows into every table that has none."""
    there = _tables(root)
    assert there.keys() <= ROWS.keys(), "ROWS has no rows for a new table"
    for table in (table for table in ROWS if table in there):
        if root.execute(f"select from app.{table}").rowcount == 0:
            root.execute(f"insert into app.{table} {ROWS[table]}")


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
    _load(root)
    columns = _tables(root)
    before = _content(root, columns)

    _go(ladder, name)
    after = _content(root, columns)
    unproven = root.execute(UNPROVEN).fetchall()
    _load(root)
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

# What each migration and its rollback lock of the tables that stand before and after, until they
# commit, and what for. What only reads a table is left out.
WRITERS_WAIT, ALL_WAIT = "ShareRowExclusiveLock", "AccessExclusiveLock"
LOCKS = {
    # A new foreign key puts triggers on the table that it refers to.
    "apply 0004_families": {"users": WRITERS_WAIT},
    "apply 0005_sessions": {"users": WRITERS_WAIT, "family_memberships": WRITERS_WAIT},
    "apply 0007_tasks": {"family_memberships": WRITERS_WAIT},
    "apply 0008_conversations": {"family_memberships": WRITERS_WAIT},
    "apply 0009_idempotency_keys": {"family_memberships": WRITERS_WAIT},
    "apply 0013_habits": {"family_memberships": WRITERS_WAIT},
    # It changes an index of memberships as well.
    "apply 0011_invitations": {"family_memberships": ALL_WAIT},
    "apply 0012_exercises": {"families": WRITERS_WAIT, "family_memberships": WRITERS_WAIT},
    "apply 0014_routines": {
        "family_memberships": WRITERS_WAIT,
        "exercises": WRITERS_WAIT,
        "habits": WRITERS_WAIT,
    },
    # So does any other trigger, and a new column keeps everybody out.
    "apply 0015_scores": {
        **dict.fromkeys(("habit_logs", "routine_completions", "exercise_logs"), WRITERS_WAIT),
        "family_memberships": WRITERS_WAIT,
        "tasks": ALL_WAIT,
    },
    # And takes them away again.
    "roll back 0004_families": {"users": ALL_WAIT},
    "roll back 0005_sessions": {"users": ALL_WAIT, "family_memberships": ALL_WAIT},
    "roll back 0007_tasks": {"family_memberships": ALL_WAIT},
    "roll back 0008_conversations": {"family_memberships": ALL_WAIT},
    "roll back 0009_idempotency_keys": {"family_memberships": ALL_WAIT},
    "roll back 0013_habits": {"family_memberships": ALL_WAIT},
    "roll back 0011_invitations": {"family_memberships": ALL_WAIT},
    "roll back 0012_exercises": {"families": ALL_WAIT, "family_memberships": ALL_WAIT},
    "roll back 0014_routines": {
        "family_memberships": ALL_WAIT,
        "exercises": ALL_WAIT,
        "habits": ALL_WAIT,
    },
    "roll back 0015_scores": dict.fromkeys(
        ("family_memberships", "tasks", "habit_logs", "routine_completions", "exercise_logs"),
        ALL_WAIT,
    ),
}

# A deployer's locks, as others see them: what it has just made is not there for them.
HELD = """
    select c.relname, l.mode
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
    hearth: Hearth, columns: Columns, *, patience: str = LOCK_TIMEOUT
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


@pytest.mark.parametrize("name", NAMES)
def test_who_reads_or_writes_meanwhile_waits_no_longer_than_the_migration_would(
    ladder: Hearth, root: psycopg.Connection[Any], name: str
) -> None:
    _go(ladder, _before(name))
    _load(root)
    standing = _tables(root)

    def go(to: str | None) -> dict[str, str]:
        held: dict[str, str] = {}
        _go(ladder, to, progress=lambda _: held.update(root.execute(HELD).fetchall()))
        return {table: mode for table, mode in held.items() if table in standing}

    with _traffic(ladder, standing):
        held = {f"apply {name}": go(name), f"roll back {name}": go(_before(name))}

    found = {(move, *lock) for move, locks in held.items() for lock in locks.items()}
    agreed = {(move, *lock) for move in held for lock in LOCKS.get(move, {}).items()}
    changes = [
        *(f"{move}: now takes {mode} on {table}" for move, table, mode in found - agreed),
        *(f"{move}: no longer takes {mode} on {table}" for move, table, mode in agreed - found),
    ]
    assert not changes, "\n".join(["if this is meant, say so in LOCKS:", *sorted(changes)])
    count = sum(map(len, LOCKS.values()))
    tally("migrations", f"{len(NAMES)} up and down, with rows, under traffic; {count} locks held")


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


@pytest.mark.parametrize(
    ("move", "table"), [(move, table) for move, tables in LOCKS.items() for table in tables]
)
def test_a_migration_that_cannot_have_its_lock_gives_up_and_has_done_nothing(
    ladder: Hearth, monkeypatch: pytest.MonkeyPatch, move: str, table: str
) -> None:
    action, _, name = move.rpartition(" ")
    begin, end = (_before(name), name) if action == "apply" else (name, _before(name))
    in_use = "row exclusive" if LOCKS[move][table] == WRITERS_WAIT else "access share"
    # The policies of an older table may need the migration: then they go first.
    file = rf"(migrations/{name}(\.rollback)?|policies/{table})\.sql"
    says = rf"^{file}: .* lock timeout; .* nothing was changed"
    _go(ladder, begin)
    before = _status(ladder)

    with psycopg.connect(ladder.superuser_url) as user, monkeypatch.context() as patch:
        user.execute(f"lock table app.{table} in {in_use} mode")
        impatient = bookkeeping.SESSION.replace(LOCK_TIMEOUT, "100ms")
        patch.setattr(bookkeeping, "SESSION", impatient)
        with pytest.raises(MigrationError, match=says):
            _go(ladder, end)

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
        migration = pool.submit(_go, ladder, "0007_tasks")
        until(lambda: waiting() == 1)
        writer = pool.submit(write)
        until(lambda: waiting() == 2)

        writer.result(timeout=20)
        end = migration.exception(timeout=20)

        assert "migrations/0007_tasks.sql: canceling statement due to lock timeout" in str(end)
