"""Measure who may do what to which row of which table.

A cell is a statement that was run as a caller, on a table that held one row, and undone. Tables,
partitions and columns come from the catalog and rows from `tests/examples`, so a new table is
measured as soon as it is there.

Triggers and foreign keys are switched off meanwhile: they could only refuse more, and so hide what
grants and policies let through.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

import asyncpg

from tests.support.households import ROLES, Household, act_as, make_household

Row = dict[str, Any]

GRANTLESS = "granted_nothing"  # a role that is made for the measurement
LONG_AGO = "2020-02-02T20:20:20Z"
FAR_OFF = "2120-02-02T20:20:20Z"

# What policies compare, beside whose a row is: the column behind it, and its values by their names.
STATES: Mapping[str, tuple[str, Mapping[str, str | None]]] = {
    "visibility": ("visibility", {"private": "private", "shared": "family"}),
    "routine_visibility": ("routine_visibility", {"private": "private", "shared": "family"}),
    "saved_visibility": (
        "saved_visibility",
        {"saved in private": "private", "saved for all": "family"},
    ),
    "is_active": ("deleted_at", {"active": None, "retired": LONG_AGO}),
    "expires_at": ("expires_at", {"in time": FAR_OFF, "expired": LONG_AGO}),
    "revoked_at": ("revoked_at", {"live": None, "ended": LONG_AGO}),
    "is_pending": ("revoked_at", {"pending": None, "revoked": LONG_AGO}),
    "event_type": ("event_type", {"sign-up": "signed_up", "restore": "account_restored"}),
}
# What says whose a row is; the first four are tried with somebody else's.
KEYS = ("family_id", "user_id", "session_id", "id")
PEOPLE = {*KEYS, "private_to", "role", "author_id", "owner_id"}

# What an answer means. No other is a verdict: the statement itself would be wrong.
VERDICTS = {"42501": "refused", "0": "hidden", "1": "yes"}


@dataclass(frozen=True)
class Caller:
    """A database role, and the context it acts in.

    Args:
        name: What the matrix calls it.
        login: The database role.
        member: Whose context of the household it has, by their role there.
        special: What is special about it: "removed", "wrong family" or "empty".
    """

    name: str
    login: str
    member: str | None = None
    special: str | None = None

    @property
    def is_member(self) -> bool:
        return self.member is not None and self.special in (None, "removed")

    @property
    def is_removed(self) -> bool:
        return self.special == "removed"

    @property
    def has_no_context(self) -> bool:
        return self.member is None and self.special != "empty"

    def context(self, home: Household, other: Household) -> dict[str, object]:
        """Return the context; it is empty for those who have none."""
        if self.member is None:
            return {}
        if self.special == "wrong family":
            mine = home.context(self.member)
            return other.context("owner") | {key: mine[key] for key in ("user_id", "session_id")}
        return home.context(self.member)


CALLERS = (
    *(Caller(role, "app_api", role) for role in ROLES),
    Caller("removed member", "app_api", "member", "removed"),
    Caller("user in a wrong family", "app_api", "admin", "wrong family"),
    Caller("app_api with an empty context", "app_api", special="empty"),
    Caller("app_api without context", "app_api"),
    *(Caller(f"{role} as app_reader", "app_reader", role) for role in ROLES),
    Caller("app_reader with an empty context", "app_reader", special="empty"),
    Caller("app_reader without context", "app_reader"),
    *(
        Caller(f"{role} {where}", role, member)
        for role in ("app_auth", "app_audit", "app_ops", "app_owner", "hearth_deployer", GRANTLESS)
        for where, member in (("in a context", "owner"), ("without context", None))
    ),
)
LOGINS = tuple(dict.fromkeys(caller.login for caller in CALLERS))


class Cell(NamedTuple):
    """Where a verdict stands: which caller, on whose row, in which state, doing what."""

    caller: str
    whose: str
    state: str
    command: str


class Table(NamedTuple):
    """A table or a partition, as the catalog has it.

    Args:
        parent: The table it is a partition of.
        key: The column that table is partitioned by.
        begins: The lower bound of the partition; the default partition has none.
        columns: All of them.
        generated: Those that nobody writes.
        compared: Those that a policy on it compares.
    """

    name: str
    parent: str | None
    key: str | None
    begins: str | None
    columns: Sequence[str]
    generated: Sequence[str]
    compared: Sequence[str]

    @property
    def section(self) -> str:
        """Return the heading it stands under; all partitions of a table share one."""
        return f"{self.parent}, each partition" if self.parent else self.name

    @property
    def told_apart(self) -> Sequence[tuple[str, Mapping[str, str | None]]]:
        """Return the columns behind what policies compare, with their values; none is generated."""
        return [
            STATES[name]
            for name in self.compared
            if name in STATES and STATES[name][0] not in self.generated
        ]

    @property
    def written(self) -> Sequence[str]:
        """Return the columns but for generated ones."""
        return [column for column in self.columns if column not in self.generated]


@dataclass
class Section:
    """What was measured on a table: columns by role and command, verdicts, and how many cells."""

    table: Table
    columns: dict[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    cells: dict[Cell, str] = field(default_factory=dict)
    measured: int = 0

    def add_columns(self, table: Table, login: str, command: str, granted: Sequence[str]) -> None:
        """Keep the columns of a role; all partitions of a table must have the same."""
        if self.columns.setdefault((login, command), granted) != granted:
            raise AssertionError(
                f"app.{table.name}: {login} may {command} {', '.join(granted) or 'no column'},"
                " unlike on its sister partitions"
            )

    def add(self, table: Table, cell: Cell, found: str) -> None:
        """Keep a verdict; rows that look alike to a caller must have the same."""
        self.measured += 1
        if self.cells.setdefault(cell, found) != found:
            raise AssertionError(
                f"app.{table.name}: {cell} is {found} on one row and not on another"
            )


@dataclass
class Matrix:
    """All that was measured: a section a table, and what `assert_membership` says to a caller."""

    tables: Sequence[Table] = ()
    sections: dict[str, Section] = field(default_factory=dict)
    assertions: dict[str, str] = field(default_factory=dict)

    @property
    def measured(self) -> int:
        return len(self.assertions) + sum(part.measured for part in self.sections.values())


_TABLES = """
    select c.relname::text as name, parent.relname::text as parent,
        substring(pg_get_partkeydef(parent.oid) from $$\\((\\w+)\\)$$) as key,
        substring(pg_get_expr(c.relpartbound, c.oid) from $$FROM \\('([^']+)$$) as begins,
        array(
            select a.attname::text
            from pg_attribute as a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            order by a.attnum
        ) as columns,
        array(
            select a.attname::text from pg_attribute as a
            where a.attrelid = c.oid and a.attgenerated <> ''
        ) as generated,
        array(
            select distinct a.attname::text
            from pg_policy as p
            join pg_depend as d on (d.classid, d.objid) = ('pg_policy'::regclass, p.oid)
            join pg_attribute as a on (a.attrelid, a.attnum) = (d.refobjid, d.refobjsubid)
            where p.polrelid = c.oid and d.refobjid = c.oid
            order by 1
        ) as compared
    from pg_class as c
    left join pg_inherits as i on i.inhrelid = c.oid
    left join pg_class as parent on parent.oid = i.inhparent
    where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p')
    order by parent.relname is not null, c.relname
"""


class Scene:
    """Two households alike, and a superuser's connection that can be anybody."""

    def __init__(self, connection: asyncpg.Connection, home: Household, other: Household) -> None:
        self.connection, self.home, self.other = connection, home, other
        self.families = [str(home.family_id), str(other.family_id)]
        self.people = {
            str(id_): str(household.users[role])
            for household in (home, other)
            for ids in (household.users, household.sessions)
            for role, id_ in ids.items()
        }

    @asynccontextmanager
    async def undone(self) -> AsyncIterator[None]:
        """Undo whatever happens within."""
        savepoint = self.connection.transaction()
        await savepoint.start()
        try:
            yield
        finally:
            await savepoint.rollback()

    @asynccontextmanager
    async def acting_as(self, caller: Caller) -> AsyncIterator[None]:
        """Be a caller within, and undo what it did."""
        context = caller.context(self.home, self.other)
        async with self.undone():
            if caller.has_no_context:
                await self.connection.execute(f"set local role {caller.login}")
            else:
                await act_as(self.connection, caller.login, **context)
            yield

    async def attempt(self, statement: str) -> str:
        """Run a statement and undo it; return its command tag, or the SQLSTATE it failed with."""
        try:
            return await self.connection.execute(f"savepoint attempt; {statement}")
        except asyncpg.PostgresError as error:
            return error.sqlstate
        finally:
            await self.connection.execute("rollback to attempt; release attempt")

    def belongs_to(self, row: Row) -> tuple[str | None, str | None]:
        """Return the family and the user of a row: those whose ids stand in it."""
        values = [value for value in row.values() if isinstance(value, str)]
        family = next((value for value in values if value in self.families), None)
        return family, next((self.people[value] for value in values if value in self.people), None)

    def whose(self, row: Row, caller: Caller) -> str:
        """Return whose row it is, as the caller would say."""
        context = caller.context(self.home, self.other)
        if not context:
            return "anybody's"
        household = self.home if context["family_id"] == self.home.family_id else self.other
        roles = {str(id_): role for role, id_ in household.users.items()}
        family, user = self.belongs_to(row)
        if family is None and user is None:
            return "nobody's"
        is_elsewhere = family not in (None, str(household.family_id))
        if user == str(context["user_id"]):
            return "own in another family" if is_elsewhere else "own"
        if is_elsewhere or (user and user not in roles):
            return "another family's"
        return f"the {roles[user]}'s" if user else "the family's"

    async def rows(self, table: Table) -> list[Row]:
        """Return a row of everybody's, of each family."""
        source = table.parent or table.name
        found: dict[tuple[str | None, str | None], Row] = {}
        for (text,) in await self.connection.fetch(f"select to_jsonb(t) from app.{source} as t"):
            row = json.loads(text)
            found.setdefault(self.belongs_to(row), row)
        if len(found) > 1:
            found.pop((None, None), None)
        if not found:
            raise LookupError(f"app.{source} has no row to measure with: add one in tests/examples")
        if table.key is None:
            return list(found.values())
        # One is enough for a partition, but it must lie between its bounds.
        return [next(iter(found.values())) | {table.key: table.begins or "2999-12-31T00:00Z"}]

    def moves(self, table: Table, row: Row) -> Iterator[tuple[str, str, str | None]]:
        """Yield what to try to make of a row: a name, the column and its new value."""
        for column in (column for column in table.columns if column in KEYS):
            ids = self.families if row[column] in self.families else self.people
            yield f"another {column}", column, next(id_ for id_ in ids if id_ != row[column])
        if "role" in table.compared:
            yield from ((role, "role", role) for role in ROLES)
        for column, values in table.told_apart:
            yield from ((state, column, value) for state, value in values.items())


def states(table: Table) -> list[tuple[str, Row]]:
    """Return the states in which policies tell rows of a table apart, and what makes them."""
    unknown = set(table.compared) - set(STATES) - PEOPLE
    if unknown:
        raise LookupError(
            f"a policy on app.{table.name} compares {', '.join(sorted(unknown))}:"
            " add its values to STATES in tests/security/access.py"
        )
    axes = [
        [(state, column, value) for state, value in values.items()]
        for column, values in table.told_apart
    ]
    return [
        (" ".join(state for state, _, _ in point), {column: value for _, column, value in point})
        for point in product(*axes)
    ]


async def measure(connection: asyncpg.Connection, only: str | None = None) -> Matrix:
    """Measure it all, on a superuser's connection on which no context was set before.

    `only` is the one section that is measured; the matrix still knows all tables.
    """
    matrix = Matrix()
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"create role {GRANTLESS}")
        await connection.execute("select app.ensure_audit_partitions(1)")
        home = await make_household(connection)
        scene = Scene(
            connection, home, await make_household(connection, guest=home.users["member"])
        )
        tables = [Table(**row) for row in await connection.fetch(_TABLES)]
        matrix.tables = tables
        tables = [table for table in tables if only in (None, table.section)]
        await connection.execute("set local session_replication_role = replica")
        for table in tables:
            section = matrix.sections.setdefault(table.section, Section(table))
            await _measure_columns(scene, table, section)

        # A setting that was set once reads as '' ever after, so callers without come first.
        await _measure_callers(scene, matrix, tables, [c for c in CALLERS if c.has_no_context])
        await _measure_callers(
            scene, matrix, tables, [c for c in CALLERS if not (c.has_no_context or c.is_removed)]
        )
        await connection.execute(
            "update app.family_memberships set deleted_at = now()"
            " where (family_id, user_id) = ($1, $2)",
            *(home.family_id, home.users["member"]),
        )
        await _measure_callers(scene, matrix, tables, [c for c in CALLERS if c.is_removed])
    finally:
        await transaction.rollback()
    return matrix


async def _measure_columns(scene: Scene, table: Table, section: Section) -> None:
    for login in LOGINS:
        async with scene.undone():
            await scene.connection.execute(f"set local role {login}")
            for command, statement in (
                ("select", "select {} from app.{} where false"),
                ("insert", "insert into app.{1} ({0}) select null where false"),
                ("update", "update app.{1} set {0} = null where false"),
            ):
                columns = table.columns if command == "select" else table.written
                responses = {
                    column: await scene.attempt(statement.format(column, table.name))
                    for column in columns
                }
                granted = [
                    column for column, response in responses.items() if response.endswith(" 0")
                ]
                section.add_columns(table, login, command, granted)
                section.measured += len(responses)


async def _measure_callers(
    scene: Scene, matrix: Matrix, tables: Sequence[Table], callers: Sequence[Caller]
) -> None:
    for caller in callers:
        async with scene.acting_as(caller):
            response = await scene.attempt("select app.assert_membership()")
        matrix.assertions[caller.name] = response
    for table in tables:
        section = matrix.sections[table.section]
        rows = await scene.rows(table)
        async with scene.undone():
            await scene.connection.execute(f"delete from app.{table.name}")
            for row, (state, made) in product(rows, states(table)):
                # Who was removed is no active member.
                if not (row.get("deleted_at") and state == "active"):
                    await _measure_row(scene, table, section, callers, row | made, state)


async def _measure_row(
    scene: Scene, table: Table, section: Section, callers: Sequence[Caller], row: Row, state: str
) -> None:
    async def measure(caller: Caller, statements: Mapping[str, str]) -> None:
        whose = scene.whose(row, caller)
        async with scene.acting_as(caller):
            for command, statement in statements.items():
                response = await scene.attempt(statement)
                if (meaning := response.rpartition(" ")[2]) not in VERDICTS:
                    raise AssertionError(f"{response}, as {caller.name}: {statement}")
                cell = Cell(caller.name, whose, state, command)
                section.add(table, cell, VERDICTS[meaning])

    # The columns that the caller may write; where there are none, all.
    for caller in callers:
        may_insert = section.columns[caller.login, "insert"] or table.written
        await measure(caller, {"insert": insertion(table.name, may_insert, row)})
    async with scene.undone():
        await scene.connection.execute(insertion(table.name, table.written, row))
        for caller in callers:
            may_update = section.columns[caller.login, "update"] or table.written
            statements = {
                "select": f"select from app.{table.name}",
                "update": update(table.name, may_update, row),
                "delete": f"delete from app.{table.name}",
            }
            statements |= {
                f"→ {name}": update(table.name, [column], row | {column: value})
                for name, column, value in scene.moves(table, row)
            }
            await measure(caller, statements)


def insertion(table: str, columns: Sequence[str], row: Row) -> str:
    """Return the insert of a row, as far as these columns."""
    return f"insert into app.{table} ({', '.join(columns)}) {_values(table, columns, row)}"


def update(table: str, columns: Sequence[str], row: Row) -> str:
    """Return the update that gives all rows a row's columns; it reads none."""
    return f"update app.{table} set ({', '.join(columns)}) = ({_values(table, columns, row)})"


def _values(table: str, columns: Sequence[str], row: Row) -> str:
    literal = json.dumps(row).replace("'", "''")
    record = f"jsonb_populate_record(null::app.{table}, '{literal}')"
    return f"select {', '.join(columns)} from {record}"
