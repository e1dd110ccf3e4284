"""The rules of tests/sql/catalog.sql: a fresh database keeps each, and each finds its bad examples.

The rules ask the catalog, so a new table is held to all of them without a line here.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

import asyncpg
import pytest

from app import migrations
from app.db.queries import load_queries
from app.settings import sql_directory
from tests.conftest import TEST_PG, Cluster
from tests.support.fixtures import Hearth, bootstrap
from tests.support.rows import by_hand
from tests.support.tally import tally

FILE = Path(__file__).with_name("catalog.sql")


@dataclass(frozen=True)
class Example:
    """SQL that breaks a rule, and the name that the rule's query must then find."""

    finds: str
    since: int  # the first PostgreSQL that knows such a thing; 0 for all
    sql: str


@dataclass(frozen=True)
class Rule:
    """A sentence, the query that finds what breaks it, and what it finds but may."""

    sentence: str
    reason: str
    exceptions: frozenset[str]
    examples: tuple[Example, ...]
    query: str
    place: str  # the file or folder in which it is mended

    @classmethod
    def read(cls, block: str, place: str) -> "Rule":
        """Read what follows `-- rule: `; the head of catalog.sql explains the notation."""
        sentence, *lines = block.splitlines()
        head = [line[3:] for line in takewhile(lambda line: line.startswith("-- "), lines)]
        reason, exceptions, examples = [], set(), list[Example]()
        for line in head:
            if line.startswith("    "):
                examples[-1] = replace(examples[-1], sql=f"{examples[-1].sql}{line[4:]}\n")
            elif found := re.fullmatch(r"finds (.+?)(?: since (\d+))?:", line):
                examples.append(Example(found[1], int(found[2] or 0), ""))
            elif found := re.fullmatch(r"but (.+?): .+", line):
                exceptions.add(found[1])
            elif line.startswith(("finds ", "but ")):
                raise ValueError(f"{FILE.name}, below `{sentence}`: what is `{line}`?")
            else:
                reason.append(line)
        query = "\n".join(lines[len(head) :])
        return cls(
            sentence, "\n".join(reason), frozenset(exceptions), tuple(examples), query, place
        )


def read_reasons() -> Iterator[tuple[str, str]]:
    """Yield each index that a migration makes, and the paragraph right above it."""
    for path in sorted((sql_directory() / "migrations").glob("*.sql")):
        made = re.findall(
            r"((?:^--.*\n)*)^create (?:unique )?index (?:concurrently )?(\w+)",
            path.read_text("utf-8"),
            re.M,
        )
        for above, index in made:
            lines = re.sub(r"^-- squawk-ignore .*\n", "", above, flags=re.M).split("--\n")[-1]
            yield index, " ".join(line.removeprefix("-- ") for line in lines.splitlines())


def read_rules() -> tuple[str, list[Rule]]:
    """Return what opens tests/sql/catalog.sql with what it cannot know, and its rules."""
    opening, *sections = re.split(r"^-- # .+: (sql/\S+)\n", FILE.read_text("utf-8"), flags=re.M)
    for index, reason in dict(read_reasons()).items():
        quoted = reason.replace("'", "''")
        opening += f"insert into reasons values ('{index}', '{quoted}');\n"
    return opening, [
        Rule.read(block, place)
        for place, section in zip(sections[::2], sections[1::2], strict=True)
        for block in re.split(r"^-- rule: ", section, flags=re.M)[1:]
    ]


OPENING, RULES = read_rules()
EXAMPLES = [
    pytest.param(rule, example, id=f"{rule.sentence}-{number}")
    for rule in RULES
    for number, example in enumerate(rule.examples, 1)
    if example.since <= TEST_PG
]


@pytest.fixture(scope="module")
async def database(cluster: Cluster) -> AsyncIterator[asyncpg.Connection]:
    """Yield a superuser's connection to a database as sql/bootstrap.sql and `migrate` leave it."""
    name = "hearth_catalog"
    bootstrap(cluster, name)
    migrations.migrate(cluster.url("hearth_deployer", name), sql_directory())
    connection = await asyncpg.connect(cluster.url(cluster.user, name), statement_cache_size=0)
    await connection.execute("select app.ensure_audit_partitions(1)")
    await connection.execute(OPENING)
    await connection.executemany(
        "insert into queries values ($1)", [(query,) for query in load_queries()]
    )
    tally("catalog rules", f"{len(RULES)} rules, {len(EXAMPLES)} bad examples")
    yield connection
    await connection.close()
    root = await asyncpg.connect(cluster.url(cluster.user, cluster.maintenance_dbname))
    await root.execute(f"drop database {name}")
    await root.close()


@pytest.fixture
async def catalog(database: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """Yield the connection in a transaction not to last."""
    transaction = database.transaction()
    await transaction.start()
    yield database
    await transaction.rollback()


async def found(catalog: asyncpg.Connection, rule: Rule) -> set[str]:
    """Return the names that a rule finds in the catalog."""
    rows = await catalog.fetch(rule.query)
    return {" ".join(str(value) for value in row.values()) for row in rows}


def files_about(name: str, place: str) -> Iterator[str]:
    """Name the files of a folder that make what a rule has found, or the table it belongs to."""
    root = sql_directory().parent
    makes = {
        path: re.findall(r"^create table app\.(\w+) \(", path.read_text("utf-8"), re.M)
        for path in (root / "sql/migrations").glob("*.sql")
    }
    words = set(re.findall(r"\w+", name))
    tables = {table for made in makes.values() for table in made}
    subjects = words | {table for table in tables if any(word.startswith(table) for word in words)}
    for path in sorted((root / place).rglob("*.sql")):
        if subjects & {path.stem, *makes.get(path, [])}:
            yield f"{place}/{path.name}"


def verdict(rule: Rule, names: set[str]) -> str:
    """Say which rule is broken by what, where that is mended, and which exceptions are idle."""
    faults = [
        f"    {name}: mend it in {', '.join(files_about(name, rule.place)) or rule.place}"
        for name in sorted(names - rule.exceptions)
    ]
    idle = [
        f"    {name}: an exception that does not occur; take its line out of tests/sql/catalog.sql"
        for name in sorted(rule.exceptions - names)
    ]
    return "\n".join([f"Broken rule: {rule.sentence}.", rule.reason, *faults, *idle])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.sentence)
async def test_the_schema_keeps_the_rule(catalog: asyncpg.Connection, rule: Rule) -> None:
    names = await found(catalog, rule)

    if names != rule.exceptions:
        pytest.fail(verdict(rule, names), pytrace=False)


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
async def test_the_rule_finds_its_bad_example(
    catalog: asyncpg.Connection, rule: Rule, example: Example
) -> None:
    await catalog.execute(example.sql)

    names = await found(catalog, rule)

    assert names - rule.exceptions == {example.finds}


def test_every_rule_has_a_bad_example() -> None:
    assert [rule.sentence for rule in RULES if not rule.examples] == []


@pytest.mark.parametrize(
    "path", sorted((sql_directory() / "migrations").glob("*.sql")), ids=lambda path: path.name
)
def test_a_migration_shuts_a_table_on_the_next_lines(path: Path) -> None:
    # The policy files would do it as well, but only after every migration has run.
    tables = re.findall(
        r"^create table app\.(\w+)\b(?:.*\n)*?.*;\n(.*\n?.*\n?)", path.read_text("utf-8"), re.M
    )

    for table, following in tables:
        assert following == (
            f"alter table app.{table} enable row level security;\n"
            f"alter table app.{table} force row level security;\n"
        )


async def broken_rules(url: str) -> list[str]:
    """Return what breaks the rules in a database, as a superuser sees it; nothing is left there."""
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        await connection.execute(f"begin; {OPENING}")
        await connection.executemany(
            "insert into queries values ($1)", [(query,) for query in load_queries()]
        )
        broken = {rule: await found(connection, rule) for rule in RULES}
    finally:
        await connection.close()
    return [verdict(rule, names) for rule, names in broken.items() if names != rule.exceptions]


async def test_any_database_can_be_held_against_the_rules(own_hearth: Hearth) -> None:
    kept = await broken_rules(own_hearth.superuser_url)
    await by_hand(own_hearth, "drop policy tenant_floor on app.tasks")
    broken = await broken_rules(own_hearth.superuser_url)

    assert kept == []
    assert any("    tasks: mend it in sql/policies/tasks.sql" in told for told in broken)


if __name__ == "__main__":
    told = asyncio.run(broken_rules(sys.argv[1]))
    print("\n\n".join(told) or f"All {len(RULES)} rules are kept.")  # noqa: T201 - a program
    sys.exit(1 if told else 0)
