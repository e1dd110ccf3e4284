"""How every query is planned and what it reads: `python -m tests.sql.plans`, or `make plans`.

Each runs in the crowd of tests/sql/crowd.sql, prepared as the login and in the context that the
service would give it. tests/sql/test_plans.py holds what is measured here against the rules below,
and the shapes of the plans against docs/generated/query-plans.md, which this module writes.
"""

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import md5, sha256
from itertools import groupby
from operator import add, sub
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from app import embedded, migrations
from app.http import models
from app.settings import sql_directory
from tests.conftest import Cluster
from tests.examples import EXAMPLES
from tests.support.calls import OF_OPS, OUTSIDE, PLACES, QUERIES, example
from tests.support.example import Leave, id_of
from tests.support.fixtures import Hearth, bootstrap

DOCUMENT = sql_directory().parent / "docs/generated/query-plans.md"

# Small families in the crowd. Its tables have about 10,000 rows, or more than 100,000.
SMALL, LARGE = 10_000, 100_000

Plan = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Call:
    """One statement with values.

    Args:
        name: Where a query stands, or what the statement is.
        variant: Which of a query's calls it is.
        text: The statement, with `$n` parameters.
        names: The parameters' names, in that order.
        values: Their values by name.
        role: Who runs it.
        context: Whose transaction it is.
    """

    name: str
    variant: str = ""
    text: str
    names: tuple[str, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    role: str = "app_api"
    context: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}, {self.variant}" if self.variant else self.name

    @property
    def leave(self) -> Leave:
        """What it may take, and why that is more than others."""
        return LEAVES.get(str(self).rpartition(": ")[2], Leave())


# Each with its reason, for a reviewer: of what is no table's, and those of tests/examples.
LEAVES: dict[str, Leave] = {
    "explain_access": Leave(budget=150, why="It reads the catalog, for a person who waits."),
    "list_constraints": Leave(
        budget=4000,
        dropped=10_000,
        sorted=500,
        why="It reads the catalog, once when the service starts.",
    ),
    "lift_limits": Leave(dropped=10_000, why="It reads all settings, once for a command."),
    "get_health": Leave(dropped=10_000, why="It reads the catalog, for health."),
    "get_today": Leave(
        budget=8000,
        rows=1500,
        dropped=1200,
        sorted=1500,
        why="It is four lists in one, and looks up each of a thousand habits in its log.",
    ),
}
for _call, _leave in [leave for each in EXAMPLES for leave in each.leaves.items()]:
    LEAVES[_call] = LEAVES[_call] + _leave if _call in LEAVES else _leave


class Reads(NamedTuple):
    """What was read of a table: how often all of it, how often by an index, how many rows."""

    scans: int = 0
    lookups: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Measured:
    """What one run of a call took.

    Args:
        call: The call.
        plan: The root of the plan, as `explain` has it.
        reads: What it and anything that it set off read of each table.
    """

    call: Call
    plan: Plan
    reads: Mapping[str, "Reads"]

    @property
    def rows(self) -> int:
        """Rows read, in triggers and cascades as well."""
        return sum(reads.rows for reads in self.reads.values())

    @property
    def buffers(self) -> int:
        """Pages touched, in the functions it calls as well, but not in triggers."""
        return int(self.plan["Shared Hit Blocks"]) + int(self.plan["Shared Read Blocks"])


# What is called, by whom and with what.


def facts_of(person: int) -> Mapping[str, object]:
    """Return the context of the person and family of a number, and what they have."""
    is_reader = person == 200000
    password = md5(str(person).encode(), usedforsecurity=False).hexdigest()
    return {
        **{name: fact for each in EXAMPLES for name, fact in each.facts_of(person).items()},
        "user_id": id_of(f"user{person}"),
        "session_id": id_of(f"session of {person}, 1"),
        "family_id": id_of(f"family{person}"),
        "member_role": "owner",
        "member_id": id_of(f"user{person + 500 if is_reader else person}"),
        "row_id": id_of(f"user{person}"),
        "to_family_id": id_of(f"family{person}"),
        "email": f"PERSON{person}@example.com",
        "password_hash": f"$argon2id${password}",
        "old_hash": f"$argon2id${password}",
        "token_hash": sha256(f"token {person}, {500 if is_reader else 1}".encode()).digest(),
    }


VARIANTS = {query: asked for each in EXAMPLES for query, asked in each.variants.items()}

# Beside the queries: what runs in every transaction, and what people do, as app_ops, to an account
# that is retired, of a large family, and to a retired family, the last of the small ones.
RETIRED = 200998

# Queries about a member who has left, and whose account is active.
OF_RETIRED = {"get_retired_member", "restore_member"}
LEFT = 200997


def calls(size: int = LARGE) -> Iterator[Call]:
    """Yield every call, of the reader in the large family, in a crowd of that size."""
    facts = facts_of(200000)
    for query, place in PLACES.items():
        if "/demo.sql" in place:  # for which nobody waits
            continue
        about = {"member_id": id_of(f"user{LEFT}")} if query in OF_RETIRED else {}
        for variant, said in VARIANTS.get(query, {"": {}}).items():
            yield Call(
                name=place,
                variant=variant,
                text=QUERIES[query].text,
                names=QUERIES[query].parameters,
                values=example(query, {**facts, **about}, **said),
                role="app_ops" if query in OF_OPS else "app_api",
                context={} if query in OUTSIDE | OF_OPS else facts,
            )
    yield Call(name="assert_membership", text="select app.assert_membership()", context=facts)
    yield Call(
        name="completing a task",
        text="update app.tasks set completed_at = now() where family_id = $1 and id = $2",
        names=("family_id", "task_id"),
        values=facts,
        context=facts,
    )
    yield Call(
        name="hiding a habit",
        text="update app.habits set visibility = 'private' where family_id = $1 and id = $2",
        names=("family_id", "habit_id"),
        values=facts,
        context=facts,
    )
    for name, id_, text in (
        ("restore_account", id_of(f"user{RETIRED}"), "select app.restore_account($1)"),
        ("restore_family", id_of(f"family{size}"), "select app.restore_family($1)"),
        ("purge of a user", id_of(f"user{RETIRED}"), "delete from app.users where id = $1"),
        ("purge of a family", id_of(f"family{size}"), "delete from app.families where id = $1"),
    ):
        yield Call(name=name, text=text, names=("id",), values={"id": id_}, role="app_ops")


# Running it.


class Bench:
    """Runs calls and undoes them, each on the login that the service or its people have.

    Args:
        hearth: A database with a crowd.
    """

    def __init__(self, hearth: Hearth) -> None:
        self._hearth = hearth
        self._connections: dict[str, asyncpg.Connection] = {}
        self._root: asyncpg.Connection | None = None

    async def __aenter__(self) -> "Bench":
        for role, login in (("app_api", "app_api"), ("app_ops", "hearth_deployer")):
            connection = await asyncpg.connect(self._hearth.url(login), statement_cache_size=0)
            await connection.execute(f"set role {role}; set timezone = 'UTC'")
            self._connections[role] = connection
        self._root = await asyncpg.connect(self._hearth.superuser_url)
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in [*self._connections.values(), self.root]:
            await connection.close()

    @property
    def root(self) -> asyncpg.Connection:
        """A superuser's connection."""
        assert self._root is not None
        return self._root

    async def measure(self, call: Call) -> Measured:
        """Run a call twice, the first time to warm the caches, and return what the second took."""
        await self._measure(call)
        return await self._measure(call)

    async def _measure(self, call: Call) -> Measured:
        connection = self._connections[call.role]
        context = {"user_id": "", "session_id": "", "family_id": "", "member_role": ""}
        context |= {name: str(call.context[name]) for name in context if call.context}
        settings = "".join(f"set local app.{name} = '{value}';" for name, value in context.items())
        values = ", ".join(_literal(call.values[name]) for name in call.names)
        await connection.execute(
            f"begin; {settings} deallocate all; prepare measured as {call.text}"
        )
        try:
            before = await _reads(connection)
            explained = await connection.fetchval(
                "explain (analyze, buffers, verbose, costs off, timing off, summary off,"
                f" format json) execute measured {f'({values})' if values else ''}"
            )
            after = await _reads(connection)
        finally:
            await connection.execute("rollback")
        return Measured(
            call,
            json.loads(explained)[0]["Plan"],
            {
                table: Reads(*map(sub, after[table], before.get(table, Reads())))
                for table in after
                if after[table] != before.get(table, Reads())
            },
        )

    @asynccontextmanager
    async def without(self, index: str) -> AsyncIterator[None]:
        """Hide an index, with those of its partitions, from the planner."""
        hide = (
            "update pg_index set indisvalid = $2 where indexrelid in"
            " (select $1::regclass union select relid from pg_partition_tree($1::regclass))"
        )
        await self.root.execute(hide, f"app.{index}", False)
        try:
            for connection in self._connections.values():
                await connection.execute("discard plans")
            yield
        finally:
            await self.root.execute(hide, f"app.{index}", True)
            for connection in self._connections.values():
                await connection.execute("discard plans")


async def _reads(connection: asyncpg.Connection) -> Mapping[str, Reads]:
    """Return what this session has lately read of each table."""
    rows = await connection.fetch(
        "select relname, seq_scan, coalesce(idx_scan, 0), seq_tup_read + coalesce(idx_tup_fetch, 0)"
        " from pg_stat_xact_user_tables where schemaname = 'app'"
    )
    reads: dict[str, Reads] = {}
    for name, *counts in rows:  # a table, or a partition of one
        reads[_whole(name)] = Reads(*map(add, reads.get(_whole(name), Reads()), counts))
    return reads


def _literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"'{{{', '.join(map(str, value))}}}'"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    if value in (models.Paging.first_at, models.NewestFirst.first_at):
        return "'-infinity'" if value == models.Paging.first_at else "'infinity'"
    return "'" + str(value).replace("'", "''") + "'"


# The rules.


def faults(measured: Measured) -> list[str]:
    """Return what a call does that it must not."""
    return list(dict.fromkeys([*_taken(measured), *_planned(measured)]))


def _taken(measured: Measured) -> Iterator[str]:
    leave, reads = measured.call.leave, measured.reads
    for table in sorted(reads):
        if reads[table].scans:
            yield f"reads app.{table} from end to end"
    if measured.rows > leave.rows:
        of_tables = ", ".join(f"{reads[table].rows} of {table}" for table in sorted(reads))
        yield f"reads {measured.rows} rows, may read {leave.rows}: {of_tables}"
    if measured.buffers > leave.budget:
        yield f"touches {measured.buffers} pages, may touch {leave.budget}"


def _planned(measured: Measured) -> Iterator[str]:
    for node in nodes(measured.plan):
        index, condition = _whole(node.get("Index Name", "")), node.get("Index Cond", "")
        if index and not condition:
            yield f"reads the index {index} from end to end"
        elif index and measured.call.role == "app_api" and not _is_of_a_family(index, condition):
            yield f"enters the index {index} without the family, by {condition}"
        dropped = node.get("Rows Removed by Filter", 0) * node["Actual Loops"]
        if dropped > measured.call.leave.dropped:
            yield f"drops {dropped} rows that it read, by {node['Filter']}"
        is_sort = node["Node Type"] == "Sort"
        if is_sort and node["Plans"][0]["Actual Rows"] > measured.call.leave.sorted:
            yield f"sorts {node['Plans'][0]['Actual Rows']} rows by {', '.join(node['Sort Key'])}"
        if node.get("Parent Relationship") == "SubPlan" and node["Actual Loops"] > 1:
            yield f"runs {node.get('Subplan Name')} {node['Actual Loops']} times"
        for function in _called_for_each_row(node):
            yield f"calls app.{function}() for each row of {node['Node Type']} {index}".rstrip()


# Of tables whose rows are no family's: users, sessions and what hangs on them.
_OF_NO_FAMILY = ("users_", "credentials_", "sessions_", "refresh_tokens_", "account_events_", "pg_")


def _is_of_a_family(index: str, condition: str) -> bool:
    key = r"\bid = " if index == "families_pkey" else r"\bfamily_id = "
    return index.startswith(_OF_NO_FAMILY) or re.search(key, condition) is not None


def _called_for_each_row(node: Plan) -> list[str]:
    """Return the functions of ours that are called as often as there are rows."""
    expressions = [node.get(key, "") for key in ("Filter", "Join Filter", "Recheck Cond")]
    if any(
        each["Actual Rows"] * each["Actual Loops"] > 1 for each in [node, *node.get("Plans", [])]
    ):
        expressions += node.get("Output", [])
    return sorted(set(re.findall(r"app\.(\w+)\(", " ".join(expressions))))


def nodes(plan: Plan) -> Iterator[Plan]:
    """Yield a plan's node and all below it."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


# Shapes.

_DETAILS = {
    "One-Time Filter": "once",
    "Index Cond": "by",
    "Join Filter": "joined by",
    "Hash Cond": "joined by",
    "Merge Cond": "joined by",
    "Filter": "filter",
    "Sort Key": "on",
}


def shape(plan: Plan, names: tuple[str, ...]) -> list[str]:
    """Return a plan as indented lines: nodes, with their index, and conditions.

    Args:
        plan: The node at its top.
        names: What the parameters are called.
    """
    title = str(plan.get("Operation", plan["Node Type"]))
    if plan.get("Scan Direction") == "Backward":
        title += " backward"
    for key in ("Index Name", "Relation Name", "Function Name"):
        if key in plan:
            title += f" {_whole(plan[key])}"
            break
    if "Subplan Name" in plan:
        title = f"{plan['Subplan Name']}: {title}"
    details = [
        f"    {word} {_plain(plan[key], names)}" for key, word in _DETAILS.items() if key in plan
    ]
    below: list[str] = []
    children = [shape(child, names) for child in plan.get("Plans", [])]
    for lines, alike in groupby(children):
        count = len(list(alike))
        below += [f"{count} x {lines[0]}" if count > 1 else lines[0], *lines[1:]]
    # What only hands on is the planner's own affair.
    if title in ("Result", "Subquery Scan") and not details and len(children) == 1:
        return below
    return [title, *details, *("  " + line for line in below)]


# app.text_key, inlined: up to the last of the letters that it makes small.
_KEY = re.compile(r"\(translate\(lower\([^']*NORMALIZE\(([^,]*), NFKD\).*?\u045f\u0491'\)\)")

_CONTEXT = re.compile(
    r"\(NULLIF\((?:pg_catalog\.)?current_setting\('app\.(\w+)'::text, true\), ''::text\)\)"
    r"::(?:uuid|app\.member_role)"
)


def _plain(value: str | Iterable[str], names: tuple[str, ...]) -> str:
    """Return an expression as a person would write it."""
    text = value if isinstance(value, str) else ", ".join(value)
    text = _CONTEXT.sub(r"current_\1()", text)
    text = re.sub(r"\$(\d+)", lambda found: f":{names[int(found[1]) - 1]}", text)
    text = re.sub(r"'\d{5,}'", "its oid", text)  # which one, depends on what was made before
    text = re.sub(r"::(?:timestamp with time zone|[a-z_.]+)(?:\[\])?", "", text)
    text = _KEY.sub(r"app.text_key(\1)", text)
    return re.sub(r"\b([a-z])_\d+\b", r"\1", text)  # a, a_1, a_2: one alias for each partition


def _whole(name: str) -> str:
    """Return the name of what a partition, or a partition's index, is a part of."""
    name = re.sub(r"^audit_log_(?:default|\d{4}_\d\d)", "audit_log", name)
    return {
        "audit_log_family_id_occurred_at_id_idx": "audit_log_shared_idx",
        "audit_log_family_id_private_to_occurred_at_id_idx": "audit_log_private_idx",
    }.get(name, name)


# The document.

HEAD = """\
# Query plans

How PostgreSQL 18 runs every query of `sql/queries`, and what else the service and its people run,
for somebody in one of two large families among a hundred thousand small ones
(`tests/sql/crowd.sql`).

Written by `make plans`; do not edit. Whatever changes here is a change of plan: read it in the
review. The rules that hold on every PostgreSQL are in `tests/sql/plans.py`.

A query has one plan for all values, because `app_api` has `plan_cache_mode = force_generic_plan`.
*by* is the condition of an index, *filter* what is looked at row by row, *once* what is decided
before the first row, *on* what is sorted or merged. The number behind a name is the budget: so many
pages of 8 kB may be touched, in the functions that are called as well. What cascades and triggers
touch is not in it: they may read no table from end to end, and only so many rows.
"""


async def document(bench: Bench) -> str:
    """Return what docs/generated/query-plans.md should be."""
    parts, section = [HEAD], ""
    for name, alike in groupby(calls(), key=lambda call: call.name):
        variants = list(alike)
        place, _, query = name.partition(": ")
        if section != (section := place if query else "Beside the queries"):
            parts.append(f"## {section}\n")
        if not variants[0].variant:
            parts.append(f"### {query or name}: {variants[0].leave.budget}\n")
            if why := variants[0].leave.why:
                parts.append(f"{why}\n")
        else:
            parts.append(f"### {query}\n")
            parts += [_line(call) for call in variants]
            parts.append("")
        shapes = await shapes_of(bench, variants)
        parts += [f"```text\n{text}\n```\n" for text in dict.fromkeys(shapes)]
    return "\n".join(parts)


def _line(call: Call) -> str:
    return f"- {call.variant}: {call.leave.budget}" + (f". {call.leave.why}" * bool(call.leave.why))


async def shapes_of(bench: Bench, some: Iterable[Call]) -> list[str]:
    """Return the shapes of some calls."""
    measured = [await bench.measure(call) for call in some]
    return ["\n".join(shape(one.plan, one.call.names)) for one in measured]


_UNMARKED = """
    select exists (
        select from pg_class
        where relnamespace = 'app'::regnamespace and relkind = 'r' and relallvisible < relpages
    )
"""


async def crowd(bench: Bench, size: int) -> None:
    """Fill an empty, migrated database with so many small families and two large ones."""
    await bench.root.execute(f"set crowd.size = {size}; select app.ensure_audit_partitions(1)")
    statements = [each.crowd for each in EXAMPLES if each.crowd]
    people = (Path(__file__).parent / "crowd.sql").read_text("utf-8")
    await bench.root.execute(people + ";".join(statements))
    # The trail's rows of earlier months go where they belong.
    await bench.root.execute("select app.ensure_audit_partitions(1)")
    # Of so few rows the statistics are then of all, not of a sample: every run has the same plans.
    await bench.root.execute("set default_statistics_target = 1000")
    # A vacuum marks no page that somebody's older snapshot might see otherwise, an autovacuum's for
    # one; what a scan of an index alone costs depends on those marks.
    async with asyncio.timeout(60):
        await bench.root.execute("vacuum (analyze)")
        while await bench.root.fetchval(_UNMARKED):
            await bench.root.execute("vacuum (analyze)")


async def _written(hearth: Hearth) -> str:
    async with Bench(hearth) as bench:
        await crowd(bench, LARGE)
        return await document(bench)


def main() -> None:
    """Make a crowd on PostgreSQL 18, and print the document."""
    with tempfile.TemporaryDirectory(prefix="hearth-plans-") as place:
        server = embedded.start(Path(place, "data"), durable=False)
        try:
            cluster = Cluster(str(server.socket), 5432, "postgres")
            bootstrap(cluster, "hearth")
            migrations.migrate(cluster.url("hearth_deployer", "hearth"), sql_directory())
            sys.stdout.write(asyncio.run(_written(Hearth(cluster, "hearth"))))
        finally:
            embedded.stop(server)


if __name__ == "__main__":
    main()
