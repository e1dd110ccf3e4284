"""Weaken the schema one step at a time, and see a test fail each time: `python -m
tests.security.mutations`.

tests/security/mutations.sql finds the mutants in the catalog of a migrated database. The rules of
tests/sql/catalog.sql are asked about each in a transaction. What breaks none is made in a copy of
the
database, against which the tests below run until one fails. A mutant that nothing kills is a test
that nobody wrote, or is explained in tests/security/survivors.toml.

It is quick because pytest collects the tests once and forks for each mutant, because those tests
come first that killed mutants of such names, and because the tests are asked about an explained one
only with --explained. Tests that compare whole dumps or checksums are not asked: they would kill
everything and show nothing.

On PostgreSQL 18, or what HEARTH_TEST_PG says.
"""

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import TextIO

import psycopg
import pytest

from app import embedded, migrations
from app.db.queries import load_queries
from app.embedded.cluster import INSTALLATIONS
from app.settings import sql_directory
from tests.conftest import DEBIAN, TEST_PG, Cluster
from tests.sql.test_catalog import FILE, OPENING, RULES
from tests.support.fixtures import bootstrap, copy_of_template

HERE = Path(__file__).parent
TEMPLATE = "hearth"

PROOFS = (
    "security/test_access_matrix.py",
    "security/test_isolation.py",
    "security/test_depth.py",
    "security/test_proofs.py",
    "sql/test_functions.py",
    "sql/test_audit.py",
    "sql/test_purge.py",
    "cli/test_explain_access.py",
    "security/test_ways_around.py",
    "resources/test_tasks.py",
    "resources/test_conversations.py",
    "resources/test_families.py",
    "resources/test_accounts.py",
    "resources/test_invitations.py",
    "resources/test_exercises.py",
    "resources/test_habits.py",
    "resources/test_routines.py",
    "resources/test_scores.py",
    "auth/test_rate_limits.py",
    "http/test_idempotency.py",
    "resources/test_audit.py",
    "http/test_problems.py",
)
PATIENCE = 600  # seconds that the tests may take over one mutant


@dataclass(frozen=True)
class Mutant:
    """One weakness: the statement that makes it and, if it outlives the database, its undoing."""

    kind: str
    what: str
    statement: str
    undo: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind.replace('_', ' ')}: {self.what}"


# Of this one the tests must not fail.
NONE = Mutant("no_mutation", "the schema as it is", "")


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: the test that killed it, if any, or why it could not be tried."""

    name: str
    killer: str = ""
    trouble: str = ""
    seconds: float = 0


# The mutants.


def find_mutants(connection: psycopg.Connection) -> list[Mutant]:
    """Return every mutant of the database, in the order of tests/security/mutations.sql."""
    _, _, views, *blocks = re.split(
        r"^-- name: (\w+)$", (HERE / "mutations.sql").read_text("utf-8"), flags=re.M
    )
    connection.execute(views)
    kinds = zip(blocks[::2], blocks[1::2], strict=True)
    return [
        Mutant(kind, *row)
        for kind, query in kinds
        for row in sorted(connection.execute(query).fetchall())
    ]


def why_impossible(connection: psycopg.Connection, mutant: Mutant) -> str:
    """Try the statement and take it back; return the error, if there is one."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(mutant.statement)
    except psycopg.Error as error:
        return f"its statement fails: {error.diag.message_primary}"
    return ""


# The judges: processes with a server each, who ask the rules and the tests about the mutants.


@contextmanager
def migrated_server() -> Iterator[Cluster]:
    """Yield a server of its own that holds a migrated database."""
    with tempfile.TemporaryDirectory(prefix="hearth-mutants-") as place:
        server = embedded.start(
            Path(place, "data"),
            version=TEST_PG,
            durable=False,
            binaries=None if TEST_PG in INSTALLATIONS else DEBIAN,
        )
        try:
            cluster = Cluster(str(server.socket), 5432, "postgres", template_dbname=TEMPLATE)
            bootstrap(cluster, TEMPLATE)
            migrations.migrate(cluster.url("hearth_deployer", TEMPLATE), sql_directory())
            yield cluster
        finally:
            embedded.stop(server)


class Rules:
    """The rules of tests/sql/catalog.sql, asked in a transaction that is taken back each time."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        connection.execute("select app.ensure_audit_partitions(1)")
        connection.execute(OPENING)
        for query in load_queries():
            connection.execute("insert into queries values (%s)", [query])
        self._kills: Counter[tuple[str, str]] = Counter()

    def broken_by(self, mutant: Mutant) -> str:
        """Return the rule it breaks, or nothing; those come first that others of its kind broke."""
        with self._connection.transaction(force_rollback=True):
            self._connection.execute(mutant.statement)
            for rule in sorted(RULES, key=lambda r: -self._kills[mutant.kind, r.sentence]):
                rows = self._connection.execute(rule.query)
                if {" ".join(map(str, row)) for row in rows} != rule.exceptions:
                    self._kills[mutant.kind, rule.sentence] += 1
                    return f"{FILE.name}: {rule.sentence}"
        return ""


class Tests:
    """A pytest plugin that runs the collected tests once for each mutant."""

    def __init__(self, cluster: Cluster, judge: Callable[["Tests"], None]) -> None:
        self._cluster = cluster
        self._judge = judge
        self._items: Sequence[pytest.Item] = ()
        self._has_failed = False
        # What each test did so far about mutants with a word in their name.
        self._kills: Counter[tuple[str, str]] = Counter()
        self._seconds: dict[tuple[str, str], float] = defaultdict(float)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        assert not session.testsfailed, "the tests cannot be collected"
        self._items = session.items
        self._judge(self)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._has_failed = self._has_failed or report.failed

    def failed_by(self, mutant: Mutant) -> str:
        """Return the test that fails, or nothing, from a child without any fixture set up yet.

        Raises EOFError when it does not come to an end.
        """
        items = self._in_order(mutant)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            signal.alarm(PATIENCE)
            os.environ["HEARTH_TEST_MUTATION"] = mutant.statement
            os.write(writing, json.dumps(self._run(items)).encode())
            os._exit(0)  # without tearing down: the databases go below, and the rest with us

        os.close(writing)
        with os.fdopen(reading) as pipe:
            response = pipe.read()
        os.waitpid(child, 0)
        self._clean_up(mutant)
        if not response:
            raise EOFError("the tests came to no end")

        killer, seconds = json.loads(response)
        for word in words_of(mutant.name):
            self._kills[word, killer] += 1
            for test, spent in seconds.items():
                self._seconds[word, test] += spent
        return str(killer)

    def _in_order(self, mutant: Mutant) -> list[pytest.Item]:
        """Return the tests by their kills a second among mutants that share words with this one.

        Then those whose own names have most in common with its name, then the rest. What is
        tried on another table than the mutant's comes after all of them.
        """
        words = words_of(mutant.name)
        tables = tables_in(mutant.name)
        shared = {item.nodeid: words & words_of(item.nodeid) for item in self._items}
        commonness = Counter(word for common in shared.values() for word in common)

        def unlikeliness(item: pytest.Item) -> tuple[bool, float, float]:
            tried_on = policed_tables() & {*re.findall(r"\w+", item.nodeid.partition("[")[2])}
            is_elsewhere = bool(tables and tried_on) and tables.isdisjoint(tried_on)
            kills = {word: self._kills[word, item.nodeid] for word in words}
            rate = sum(n / self._seconds[word, item.nodeid] for word, n in kills.items() if n)
            return is_elsewhere, -rate, -sum(1 / commonness[word] for word in shared[item.nodeid])

        return sorted(self._items, key=unlikeliness)

    def _run(self, items: Sequence[pytest.Item]) -> tuple[str, dict[str, float]]:
        """Return the first test that fails, or nothing, and how long each one took."""
        seconds = {}
        for item, following in zip(items, [*items[1:], None], strict=True):
            began = time.monotonic()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            seconds[item.nodeid] = time.monotonic() - began
            if self._has_failed:
                return item.nodeid, seconds
        return "", seconds

    def _clean_up(self, mutant: Mutant) -> None:
        url = self._cluster.url("postgres", "postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            left = connection.execute(
                "select datname from pg_database where datname like 'hearth\\_%'"
            ).fetchall()
            for (name,) in left:
                connection.execute(f'drop database "{name}" with (force)')
            connection.execute(mutant.undo)


@cache
def words_of(name: str) -> Set[str]:
    """Return what the name of a mutant or of a test speaks of, as stems: retire, retired, tasks."""
    words = re.findall("[a-z]{3,}", name.lower())
    return {word.rstrip("s")[:5] for word in words} - {"app", "test"}


@cache
def policed_tables() -> Set[str]:
    """Return the tables that have a file of policies."""
    return {path.stem for path in (sql_directory() / "policies").glob("*.sql")}


def tables_in(name: str) -> Set[str]:
    """Return the tables that the name of a mutant speaks of."""
    return policed_tables() & {*re.findall(r"\w+", name)}


def judge(
    cluster: Cluster,
    mutants: Sequence[Mutant],
    taken: "Synchronized[int]",
    verdicts: Connection,
    options: argparse.Namespace,
) -> None:
    """Try mutants that no other judge has taken, until there are none."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    explanations = [] if options.explained else read_explanations()

    def try_all(tests: Tests) -> None:
        while True:
            with taken.get_lock():
                number = taken.value
                taken.value += 1
            if number >= len(mutants):
                return
            mutant, began = mutants[number], time.monotonic()
            judges = [rules.broken_by, tests.failed_by]
            if any(explanation.covers(mutant.name) for explanation in explanations):
                judges.remove(tests.failed_by)
            if options.rules_last:
                judges.reverse()
            try:
                killers = (killer for judge in judges if (killer := judge(mutant)))
                verdict = Verdict(mutant.name, killer=next(killers, ""))
            except EOFError as error:
                verdict = Verdict(mutant.name, trouble=str(error))
            verdicts.send(replace(verdict, seconds=time.monotonic() - began))

    os.environ["TEST_DATABASE_URL"] = cluster.url("postgres", "postgres")
    os.environ["HEARTH_TEST_TEMPLATE"] = TEMPLATE
    project = ["-c", str(HERE.parents[1] / "pyproject.toml"), "-o", "addopts="]
    plain = ["--assert=plain", "-p", "no:terminal", "-p", "no:cacheprovider"]
    files = [str(HERE.parent / name) for name in options.proofs]
    with (
        copy_of_template(cluster, TEMPLATE, "rules") as hearth,
        psycopg.connect(hearth.superuser_url) as connection,
    ):
        rules = Rules(connection)
        pytest.main([*project, *plain, *files], plugins=[Tests(cluster, try_all)])


def judge_all(
    mutants: Sequence[Mutant], clusters: Sequence[Cluster], options: argparse.Namespace
) -> Iterator[Verdict]:
    """Yield what becomes of the mutants, with a judge for each server."""
    fork = get_context("fork")
    taken = fork.Value("i", 0)
    judges: list[Connection] = []
    # What a handler raises in the midst of a fork is lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    for cluster in clusters:
        reader, writer = fork.Pipe(duplex=False)
        arguments = (cluster, mutants, taken, writer, options)
        fork.Process(target=judge, args=arguments, daemon=True).start()
        writer.close()
        judges.append(reader)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    untried = {mutant.name for mutant in mutants}
    while judges:
        for reader in [reader for reader in judges if reader in wait(judges)]:
            try:
                verdict: Verdict = reader.recv()
            except EOFError:
                judges.remove(reader)
                continue
            untried.remove(verdict.name)
            yield verdict
    yield from (Verdict(name, trouble="its judge died") for name in sorted(untried))


# The score.


@dataclass(frozen=True)
class Explanation:
    """Why the mutants whose names match a pattern may live."""

    mutants: str
    reason: str

    def covers(self, name: str) -> bool:
        return fnmatchcase(name, self.mutants)


def read_explanations() -> list[Explanation]:
    """Return what tests/security/survivors.toml says."""
    text = (HERE / "survivors.toml").read_text("utf-8")
    return [Explanation(**entry) for entry in tomllib.loads(text).get("survivor", [])]


def complaints(
    verdicts: Sequence[Verdict], explanations: Sequence[Explanation], *, complete: bool
) -> list[str]:
    """Return what has to be mended; nothing when every mutant is killed or explained.

    `complete` says that every mutant was tried, so that an explanation of none is out of date.
    """
    found = []
    for verdict in verdicts:
        explained = any(explanation.covers(verdict.name) for explanation in explanations)
        if verdict.trouble:
            found.append(f"NOT TRIED  {verdict.name}: {verdict.trouble}")
        elif not verdict.killer and not explained:
            found.append(f"SURVIVES   {verdict.name}: write a test that fails, or explain it")
        elif verdict.killer and explained:
            found.append(f"EXPLAINED  {verdict.name}, but {verdict.killer} kills it")
    for explanation in explanations:
        if complete and not any(explanation.covers(verdict.name) for verdict in verdicts):
            found.append(f"EXPLAINED  {explanation.mutants}, but there is no such mutant")
    return found


def score(verdicts: Sequence[Verdict], explanations: Sequence[Explanation]) -> list[str]:
    """Return the lines that tell a stranger how it went."""
    by_kind: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_kind[verdict.name.partition(":")[0]].append(verdict)

    lines = [f"{'':36}{'mutants':>9}{'behaviour':>11}{'rule':>6}{'alive':>7}"]
    for kind, of_kind in [*by_kind.items(), ("together", list(verdicts))]:
        rule = sum(verdict.killer.startswith(FILE.name) for verdict in of_kind)
        alive = sum(not verdict.killer for verdict in of_kind)
        behaviour = len(of_kind) - rule - alive
        lines.append(f"{kind:36}{len(of_kind):9}{behaviour:11}{rule:6}{alive:7}")
    for explanation in explanations:
        if alive := sum(not v.killer and explanation.covers(v.name) for v in verdicts):
            lines += [f"\n{alive} alive: {explanation.mutants}", f"    {explanation.reason}"]
    return lines


def say(*lines: str, where: TextIO = sys.stdout, end: str = "\n") -> None:
    """Print lines, if there are any, at once."""
    if lines:
        print(*lines, sep="\n", end=end, file=where, flush=True)


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations")
    parser.add_argument("--list", action="store_true", help="say which mutants there are")
    parser.add_argument("--only", default="", metavar="REGEX", help="those whose names match")
    parser.add_argument("--killers", action="store_true", help="say which test kills which")
    parser.add_argument(
        "--rules-last",
        action="store_true",
        help=f"ask {FILE.name} only about those that survive all else, which takes long",
    )
    parser.add_argument(
        "--explained", action="store_true", help="see whether a test kills an explained one"
    )
    parser.add_argument("--proofs", nargs="+", default=PROOFS, metavar="FILE", help="only these")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at once")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mutants and print the score; return 1 if there is something to mend."""
    options, began = read_options(arguments), time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # not without the servers
    with ExitStack() as stack:
        clusters = [stack.enter_context(migrated_server())]
        with psycopg.connect(clusters[0].url("postgres", TEMPLATE)) as connection:
            mutants = [m for m in find_mutants(connection) if re.search(options.only, m.name)]
            verdicts = [
                Verdict(mutant.name, trouble=why)
                for mutant in mutants
                if (why := why_impossible(connection, mutant))
            ]
            connection.rollback()
        if options.list:
            say(*(f"{mutant.name}\n    {mutant.statement}" for mutant in mutants))
            return 0

        clusters += [stack.enter_context(migrated_server()) for _ in range(1, options.jobs)]
        impossible = {verdict.name for verdict in verdicts}
        possible = [mutant for mutant in mutants if mutant.name not in impossible]
        say(f"{len(possible)} mutants on PostgreSQL {TEST_PG}")
        for number, verdict in enumerate(judge_all([NONE, *possible], clusters, options)):
            if options.killers:
                killer = verdict.killer or verdict.trouble or "nothing"
                say(f"{verdict.seconds:5.1f} s  {verdict.name} <- {killer}")
            if sys.stderr.isatty():
                say(f"{number} of {len(possible)} mutants", where=sys.stderr, end="\r")
            elif number and number % 500 == 0:
                say(f"{number} tried")
            if verdict.name != NONE.name:
                verdicts.append(verdict)
            elif verdict.killer or verdict.trouble:
                say(f"without a mutation fails {verdict.killer or verdict.trouble}")
                return 1

    order = [mutant.name for mutant in mutants]
    verdicts.sort(key=lambda verdict: order.index(verdict.name))
    explanations = read_explanations()
    faults = complaints(verdicts, explanations, complete=not options.only)
    say(*score(verdicts, explanations), "", *faults)
    killed = sum(bool(verdict.killer) for verdict in verdicts)
    say(
        f"PostgreSQL {TEST_PG}: {killed} of {len(verdicts)} mutants killed,"
        f" {len(faults)} to mend, {time.monotonic() - began:.0f} s"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
