"""Weaken the schema one step at a time, and see a test fail each time: `make mutations`.

tests/security/mutations.sql finds the mutants in the catalog of a migrated database. The rules of
tests/sql/catalog.sql are asked about each in a transaction. What breaks none is put to the tests
until one fails. A mutant that nothing kills is a test that nobody wrote, or is explained in
tests/security/survivors.toml.

The tests are those that use the shared database, but for those marked `no_judge`. Most of them need
one connection to it, in a transaction that they take back: there the mutant is made first, and
goes with the rest. The others run on a copy of the database in which it is made, in a fork of a
process that has collected the tests. Those come first that killed mutants of such names. A test
that kills must pass without a mutation before it is believed, and once more at the end if all its
mutants were made on one connection. The tests are asked about an explained mutant only with
--explained.

tests/security/killers.txt says which test killed a mutant that took long, and is asked first. It is
an order and no verdict: a line that is out of date costs seconds. `--remember` writes it anew.

On PostgreSQL 18, or what HEARTH_TEST_PG says.
"""

import argparse
import inspect
import os
import re
import signal
import sys
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any, TextIO, cast

import asyncpg
import psycopg
import pytest
from _pytest.fixtures import FixtureDef

from app import migrations
from app.db.queries import load_queries
from app.settings import sql_directory
from tests.conftest import TEST_PG, Cluster, temporary_server
from tests.sql.test_catalog import FILE, OPENING, RULES
from tests.support.fixtures import bootstrap, copy_of_template

HERE = Path(__file__).parent
KILLERS = HERE / "killers.txt"
TEMPLATE = "hearth"
WITHIN = "hearth_within"  # the database in which transactions are taken back

# Set up once for all mutants: what they may not see is the mutant.
LASTING = {"cluster", "migrated", "template", "hearth", "_root"}
# PostgreSQL does not see that a policy or a trigger was written in the catalog itself; it reads a
# table anew when the table's own row was written.
RELOAD = """
    update pg_class set relname = relname
    where relnamespace = 'app'::regnamespace and relkind in ('r', 'p')
"""
WATCH = "set local track_functions = 'all'"
CALLED = "select funcname from pg_stat_xact_user_functions where schemaname = 'app'"
OFTEN = 200  # so many times one connection is asked; what was taken back leaves dead rows behind
SLOW = 1.0  # second
LONG = 2.0  # seconds that a mutant takes if its killer is worth remembering
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

    @property
    def functions(self) -> Set[str]:
        """Return the function that it changes, if it is one."""
        return {*re.findall(r"^app\.(\w+)\(", self.what)}


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
    with temporary_server() as server:
        cluster = Cluster(str(server.socket), 5432, "postgres", template_dbname=TEMPLATE)
        bootstrap(cluster, TEMPLATE)
        migrations.migrate(cluster.url("hearth_deployer", TEMPLATE), sql_directory())
        # It would wait for rows of the catalog that a mutant has written, and so be in the way.
        with psycopg.connect(cluster.url("postgres", "postgres"), autocommit=True) as root:
            root.execute("alter system set autovacuum = off")
            root.execute("select pg_reload_conf()")
        yield cluster


class Rules:
    """The rules of tests/sql/catalog.sql, asked in a transaction that is taken back each time."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        connection.execute("select app.ensure_audit_partitions(1)")
        connection.execute(OPENING)
        for query in load_queries():
            connection.execute("insert into queries values (%s)", [query])
        self._kills: Counter[tuple[str, str]] = Counter()
        self._tries: Counter[str] = Counter()

    def rarely_see(self, mutant: Mutant) -> bool:
        """Tell whether most mutants of its kind broke no rule."""
        kills = sum(n for (kind, _), n in self._kills.items() if kind == mutant.kind)
        return self._tries[mutant.kind] > 2 * kills

    def broken_by(self, mutant: Mutant) -> str:
        """Return the rule it breaks, or nothing; those come first that others of its kind broke."""
        self._tries[mutant.kind] += 1
        with self._connection.transaction(force_rollback=True):
            self._connection.execute(mutant.statement)
            for rule in sorted(RULES, key=lambda r: -self._kills[mutant.kind, r.sentence]):
                rows = self._connection.execute(rule.query)
                if {" ".join(map(str, row)) for row in rows} != rule.exceptions:
                    self._kills[mutant.kind, rule.sentence] += 1
                    return f"{FILE.name}: {rule.sentence}"
        return ""


Calls = dict[str, Set[str]]
Answer = tuple[str, dict[str, float], Calls]


@dataclass(frozen=True)
class Child:
    """A process of ours that runs tests, and what it answers through."""

    number: int
    pipe: Connection

    def response(self) -> Answer:
        """Return what it answers. Raises EOFError."""
        try:
            response: Answer = self.pipe.recv()
        except EOFError:
            raise EOFError("the tests came to no end") from None
        return response

    def reap(self) -> None:
        """Wait until it has ended."""
        self.pipe.close()
        os.waitpid(self.number, 0)


def fixtures_of(item: pytest.Item) -> Mapping[str, FixtureDef[Any]]:
    """Return the fixtures that a test takes, and those that they take."""
    if not isinstance(item, pytest.Function):
        return {}
    return {name: found[-1] for name, found in item._fixtureinfo.name2fixturedefs.items()}


def may_judge(item: pytest.Item) -> bool:
    """Tell whether a test is asked: of ours, those that stand on the database."""
    stands_on_it = not fixtures_of(item).keys().isdisjoint(("hearth", "own_hearth"))
    is_ours = item.path.is_relative_to(HERE.parent)
    return (stands_on_it or not is_ours) and not item.get_closest_marker("no_judge")


def is_within(item: pytest.Item) -> bool:
    """Tell whether all that a test does with the database is in the transaction of `root`."""
    fixtures = fixtures_of(item)
    if "root" not in fixtures or not isinstance(item, pytest.Function):
        return False
    if not LASTING.isdisjoint(item._fixtureinfo.argnames):
        return False
    return all(
        LASTING.isdisjoint(made.argnames)
        and (made.scope == "function" or not made.func.__module__.startswith("tests"))
        for name, made in fixtures.items()
        if name not in LASTING | {"root"}
    )


def text_of(item: pytest.Item) -> str:
    """Return the lines of a test, and what its file says that it is about."""
    if not isinstance(item, pytest.Function):
        return ""
    return f"{inspect.getsource(item.function)} {item.function.__globals__['__doc__']}"


class RedError(Exception):
    """Name a test that fails without a mutation; what it killed shows nothing."""


class Tests:
    """A pytest plugin that runs the collected tests on mutants, in forks of its process."""

    def __init__(self, cluster: Cluster, judge: Callable[["Tests"], None]) -> None:
        self._cluster = cluster
        self._remembered = read_killers()
        self._judge = judge
        self._items: dict[str, pytest.Item] = {}
        self._words: dict[str, Set[str]] = {}
        self._within: set[str] = set()
        self._standing: Child | None = None  # who runs those within
        self._asked = 0
        self._asked_about: Counter[tuple[str, str]] = Counter()
        self._has_failed = False
        self._believed: set[str] = set()
        self._calls: Calls = {}
        self._cost: dict[str, float] = {}
        # What each test did so far about mutants with a word in their name.
        self._kills: Counter[tuple[str, str]] = Counter()
        self._seconds: dict[tuple[str, str], float] = defaultdict(float)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if may_judge(item)]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        assert not session.testsfailed, "the tests cannot be collected"
        self._items = {item.nodeid: item for item in session.items}
        self._words = {
            item.nodeid: words_of(f"{item.nodeid} {text_of(item)}") for item in session.items
        }
        self._cost = {
            item.nodeid: SLOW for item in session.items if item.get_closest_marker("first")
        }
        self._within = {item.nodeid for item in session.items if is_within(item)}
        self._judge(self)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        root = item.funcargs.get("root") if isinstance(item, pytest.Function) else None
        if isinstance(root, asyncpg.Connection) and item.nodeid in self._within:
            with suppress(asyncpg.PostgresError):
                loop = root._loop  # type: ignore[attr-defined]  # its loop stands still now
                called = loop.run_until_complete(root.fetch(CALLED))
                self._calls[item.nodeid] = {name for (name,) in called}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._has_failed = self._has_failed or report.failed

    def failed_by(self, mutant: Mutant) -> str:
        """Return the test that fails, or nothing.

        Raises EOFError when the tests do not come to an end, RedError when it always fails.
        """
        return self._first_failing(mutant, self._in_order(mutant))

    def failed_before_by(self, mutant: Mutant) -> str:
        """Return the test that is remembered to fail, if it does."""
        test = self._remembered.get(mutant.name, "")
        return self._first_failing(mutant, [[test]]) if test in self._items else ""

    def failed_at_once_by(self, mutant: Mutant) -> str:
        """Return the test that fails among the few that are quick and killed most such mutants."""
        within = next(self._in_order(mutant))
        words = words_of(mutant.name)
        killed = [test for test in within if any(self._kills[word, test] for word in words)]
        return self._first_failing(mutant, [killed[:3]])

    def _first_failing(self, mutant: Mutant, slices: Iterable[Sequence[str]]) -> str:
        killer = ""
        for tests in filter(None, slices):
            killer, seconds, calls = self._ask(mutant, tests)
            self._calls |= calls
            self._cost |= seconds
            self._asked_about.update((mutant.kind, test) for test in seconds)
            for word in words_of(mutant.name):
                self._kills[word, killer] += 1
                self._kills[word, function_of(killer)] += "[" in killer
                for test, spent in seconds.items():
                    self._seconds[word, test] += spent
                    self._seconds[word, function_of(test)] += spent * ("[" in test)
            if killer:
                break
        if killer and killer not in self._believed:
            self._believe(killer)
        return killer

    def believe_again(self) -> None:
        """See that what killed passes still. Raises RedError."""
        for test in sorted(self._believed & self._within):
            self._believe(test)

    def _believe(self, test: str) -> None:
        if self._ask(NONE, [test])[0]:
            raise RedError(test)
        self._believed.add(test)

    def _in_order(self, mutant: Mutant) -> Iterator[list[str]]:
        """Yield tests by their kills a second among mutants that share words with this one.

        Then those whose names and lines have most in common with its name, for the time that they
        take. What is tried on another table than the mutant's, or did not call its function when
        it ran before, comes last.
        """
        words, tables, functions = words_of(mutant.name), tables_in(mutant.name), mutant.functions
        shared = {test: words & self._words[test] for test in self._items}
        commonness = Counter(word for common in shared.values() for word in common)

        def unlikeliness(test: str) -> tuple[bool, float, float]:
            tried_on = tables_in(test.partition("[")[2])
            is_elsewhere = bool(tables and tried_on) and tables.isdisjoint(tried_on)
            if functions and test in self._calls:
                is_elsewhere = functions.isdisjoint(self._calls[test])
            # What it did on another table says something of this one.
            rate = self._rate(words, test)
            if not tables.isdisjoint(tried_on):
                rate += self._rate(words, function_of(test)) / 2
            likeness = sum(1 / commonness[word] for word in shared[test])
            return is_elsewhere, -rate, -likeness / (0.05 + self._cost.get(test, 0))

        rank = {test: unlikeliness(test) for test in self._items}
        order = sorted(self._items, key=rank.__getitem__)
        # Of what never killed, what was asked least about such mutants; and one test of each
        # function before another one of the same.
        before = Counter[str]()
        turn: dict[str, int] = {}
        for test in order:
            turn[test] = before[function_of(test)]
            before[function_of(test)] += not rank[test][1]
        often = {test: self._asked_about[mutant.kind, test] for test in order}
        order.sort(key=lambda test: (*rank[test][:2], often[test], turn[test]))
        # A test in a transaction takes a fifth of what another one does, but for some.
        within = [test for test in order if test in self._within]
        others = [test for test in order if test not in self._within]
        likely = [test for test in within if not rank[test][0]]
        known = [test for test in likely if rank[test][1]][:20]
        known_others = [test for test in others if rank[test][1]][:5]
        quick = [test for test in likely if self._cost.get(test, 0) < SLOW and test not in known]
        asked: set[str] = set()
        for tests in (known, quick[:20], known_others, quick, others[:50], likely, others, within):
            yield [test for test in tests if test not in asked]
            asked |= {*tests}

    def _rate(self, words: Set[str], test: str) -> float:
        """Return the kills a second among mutants that have these words in their names."""
        kills = ((word, self._kills[word, test]) for word in words)
        return sum(n / self._seconds[word, test] for word, n in kills if n)

    def _ask(self, mutant: Mutant, tests: Sequence[str]) -> Answer:
        """Return the first test that fails, or nothing, how long each took, and what it called."""
        if not self._within.issuperset(tests):
            child = self._fork(lambda pipe: pipe.send(self._run(tests)), mutant.statement)
            try:
                return child.response()
            finally:
                child.reap()
                self._clean_up(mutant)

        if self._asked % OFTEN == 0:
            self._end_standing()
        self._asked += 1
        standing = self._standing = self._standing or self._fork(self._answer_within)
        try:
            standing.pipe.send((f"{WATCH}; {mutant.statement}; {RELOAD}", tests))
            return standing.response()
        except EOFError:
            self._end_standing()
            raise

    def _end_standing(self) -> None:
        if standing := self._standing:
            self._standing = None
            standing.reap()
            self._clean_up(NONE)

    def _fork(self, work: Callable[[Connection], None], mutation: str = "") -> "Child":
        """Let a child work that has no fixture set up yet."""
        ours, theirs = get_context("fork").Pipe()
        if number := os.fork():
            theirs.close()
            return Child(number, ours)

        try:
            ours.close()
            signal.alarm(PATIENCE)
            os.environ["HEARTH_TEST_MUTATION"] = mutation
            work(theirs)
        finally:
            os._exit(0)  # without tearing down: the databases go below, and the rest with us

    def _answer_within(self, pipe: Connection) -> None:
        os.environ["HEARTH_TEST_DATABASE"] = WITHIN
        while True:
            statement, tests = pipe.recv()
            signal.alarm(PATIENCE)
            os.environ["HEARTH_TEST_MUTATION_WITHIN"] = statement
            response = self._run(tests)
            signal.alarm(0)
            pipe.send(response)

    def _run(self, tests: Sequence[str]) -> Answer:
        """Return the first test that fails, or nothing, how long each took, and what it called."""
        self._has_failed, self._calls = False, {}
        seconds: dict[str, float] = {}
        for test in tests:
            item, began = self._items[test], time.monotonic()
            # As if nothing but the run followed: what is set up for a file or less, goes.
            following = cast(pytest.Item, item.session)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            seconds[test] = time.monotonic() - began
            if self._has_failed:
                return test, seconds, self._calls
        return "", seconds, self._calls

    def _clean_up(self, mutant: Mutant) -> None:
        """Drop what a child has left, but for the database of the one that goes on."""
        kept = WITHIN if self._standing else ""
        url = self._cluster.url("postgres", "postgres")
        with psycopg.connect(url, autocommit=True) as connection:
            left = connection.execute(
                r"select datname from pg_database where datname like 'hearth\_%%'"
                " and datname <> %s",
                [kept],
            ).fetchall()
            for (name,) in left:
                connection.execute(f'drop database "{name}" with (force)')
            connection.execute(mutant.undo)


def function_of(test: str) -> str:
    """Return the name of a test without its parameters."""
    return test.partition("[")[0]


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
                break
            mutant, began = mutants[number], time.monotonic()
            judges = [rules.broken_by, tests.failed_by]
            if any(explanation.covers(mutant.name) for explanation in explanations):
                judges.remove(tests.failed_by)
            elif options.rules_last:
                judges.reverse()
            elif rules.rarely_see(mutant):
                judges.insert(0, tests.failed_at_once_by)
            if tests.failed_by in judges and not options.rules_last:
                judges.insert(0, tests.failed_before_by)
            try:
                killers = (killer for judge in judges if (killer := judge(mutant)))
                verdict = Verdict(mutant.name, killer=next(killers, ""))
            except EOFError as error:
                verdict = Verdict(mutant.name, trouble=str(error))
            except RedError as error:
                verdict = Verdict(NONE.name, killer=str(error))
            verdicts.send(replace(verdict, seconds=time.monotonic() - began))
        try:
            tests.believe_again()
        except (EOFError, RedError) as error:
            verdicts.send(Verdict(NONE.name, killer=str(error)))

    os.environ["TEST_DATABASE_URL"] = cluster.url("postgres", "postgres")
    os.environ["HEARTH_TEST_TEMPLATE"] = TEMPLATE
    project = ["-c", str(HERE.parents[1] / "pyproject.toml"), "-o", "addopts="]
    plain = ["--assert=plain", "-p", "no:terminal", "-p", "no:cacheprovider"]
    files = [str(HERE.parent / name) for name in options.proofs or ["."]]
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
            untried.discard(verdict.name)
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


def read_killers() -> Mapping[str, str]:
    """Return the tests that killed what took long, by the names of the mutants."""
    lines = KILLERS.read_text("utf-8").splitlines() if KILLERS.exists() else []
    pairs = (line.partition(" <- ")[::2] for line in lines if not line.startswith("#"))
    return dict(pairs)


def remember(verdicts: Iterable[Verdict]) -> None:
    """Write the file of the tests that killed what took long, or what is remembered already."""
    known = read_killers()
    killed = {
        verdict.name: verdict.killer
        for verdict in verdicts
        if verdict.killer.startswith("tests/") and (verdict.seconds > LONG or verdict.name in known)
    }
    lines = [f"{name} <- {test}\n" for name, test in sorted(killed.items())]
    head = "# Who killed the mutants that took long. Written by `make mutations ARGS=--remember`.\n"
    KILLERS.write_text(head + "".join(lines), "utf-8")


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
    parser = argparse.ArgumentParser(prog="python -m tests.security.mutations")
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
    parser.add_argument(
        "--remember", action="store_true", help=f"write {KILLERS.name}, for a quicker run"
    )
    parser.add_argument("--proofs", nargs="+", metavar="FILE", help="only these")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at once")
    options = parser.parse_args(arguments)
    if options.remember and (options.only or options.rules_last or options.proofs):
        parser.error("--remember is for a run of all mutants with all tests")
    return options


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
        for number, verdict in enumerate(judge_all(possible, clusters, options), 1):
            if options.killers:
                killer = verdict.killer or verdict.trouble or "nothing"
                say(f"{verdict.seconds:5.1f} s  {verdict.name} <- {killer}")
            if sys.stderr.isatty():
                say(f"{number} of {len(possible)} mutants", where=sys.stderr, end="\r")
            elif number % 500 == 0:
                say(f"{number} tried")
            if verdict.name != NONE.name:
                verdicts.append(verdict)
            else:
                say(f"without a mutation fails {verdict.killer}")
                return 1

    order = [mutant.name for mutant in mutants]
    verdicts.sort(key=lambda verdict: order.index(verdict.name))
    explanations = read_explanations()
    faults = complaints(verdicts, explanations, complete=not options.only)
    if options.remember:
        remember(verdicts)
    say(*score(verdicts, explanations), "", *faults)
    killed = sum(bool(verdict.killer) for verdict in verdicts)
    say(
        f"PostgreSQL {TEST_PG}: {killed} of {len(verdicts)} mutants killed,"
        f" {len(faults)} to mend, {time.monotonic() - began:.0f} s"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
