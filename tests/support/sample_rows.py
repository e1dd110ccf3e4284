"""A row for every table, made up from what the catalog says of its columns, keys and checks.

So a new table has one without a line here, whatever migrations stand. What refers to another table
refers to its row; a column that may be null has a value where the checks allow one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import psycopg
from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier

Connection = psycopg.Connection[Any]

_TABLES = """
    select relname from pg_class
    where relnamespace = to_regnamespace('app') and relkind in ('r', 'p') and not relispartition
    order by oid
"""

_COLUMNS = """
    select attname as name, format_type(atttypid, atttypmod) as type, not attnotnull as is_nullable,
        pg_get_expr(adbin, adrelid) as default,
        array(select enumlabel::text from pg_enum where enumtypid = atttypid order by enumsortorder)
            as labels
    from pg_attribute
    left join pg_attrdef on (adrelid, adnum) = (attrelid, attnum)
    where attrelid = %s::regclass and attnum > 0 and not attisdropped
        and attgenerated = '' and attidentity = ''
    order by attnum
"""

_CHECKS = """
    select conname as name, pg_get_expr(conbin, conrelid) as expression,
        array(select attname::text from pg_attribute
            where attrelid = conrelid and attnum = any(conkey)) as columns
    from pg_constraint
    where conrelid = %s::regclass and contype = 'c'
"""

_REFERENCES = """
    select relname as table,
        array(select attname::text from unnest(conkey) with ordinality as k (n, place)
            join pg_attribute on (attrelid, attnum) = (conrelid, n) order by place) as columns,
        array(select attname::text from unnest(confkey) with ordinality as k (n, place)
            join pg_attribute on (attrelid, attnum) = (confrelid, n) order by place) as targets
    from pg_constraint
    join pg_class as c on c.oid = confrelid
    where conrelid = %s::regclass and contype = 'f' and conrelid <> confrelid and conparentid = 0
    order by conname
"""

# Values to try, by type.
_VALUES = {
    "text": ("Sample", "sample@example.com", "UTC"),
    "uuid": (),  # by the column's name
    "bytea": (rf"\x{'5a' * 32}",),  # as long as a SHA-256
    "boolean": ("true", "false"),
    "date": ("today",),
    "datemultirange": ("{}",),
    "timestamp with time zone": ("today",),
    "interval": ("1 day",),
    "jsonb": ('{"sample": 1}',),
    "inet": ("127.0.0.1",),
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric"), ("1", "7")),
    **dict.fromkeys(("smallint[]", "integer[]"), ("{1,2}",)),
    "text[]": ("{sample}",),
}


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    is_nullable: bool
    default: str | None
    labels: list[str]


@dataclass(frozen=True)
class _Check:
    name: str
    expression: str
    columns: list[str]


@dataclass(frozen=True)
class _Reference:
    table: str
    columns: list[str]
    targets: list[str]


def fill(connection: Connection) -> None:
    """Put a row into each table of schema app that has none, parents first.

    Raise LookupError for a table whose rules no row that can be made up satisfies.

    Args:
        connection: A superuser's; the product's triggers must not fire.
    """
    waiting = [table for (table,) in connection.execute(_TABLES)]
    references = {table: _read(connection, _Reference, _REFERENCES, table) for table in waiting}
    while waiting:
        parents = {table: {each.table for each in references[table]} for table in waiting}
        # Where two tables refer to each other, the older one was made to be filled first.
        table = next((name for name in waiting if not parents[name] & {*waiting}), waiting[0])
        waiting.remove(table)
        if connection.execute(f"select from app.{table}").rowcount == 0:
            _insert(connection, table, references[table])


def _read(connection: Connection, row: type[Any], query: str, table: str) -> list[Any]:
    return connection.cursor(row_factory=class_row(row)).execute(query, [f"app.{table}"]).fetchall()


def _insert(connection: Connection, table: str, references: list[_Reference]) -> None:
    columns: list[_Column] = _read(connection, _Column, _COLUMNS, table)
    checks: list[_Check] = _read(connection, _Check, _CHECKS, table)
    referred = _referred(connection, references)
    values = {
        column.name: list(_candidates(connection, table, column, checks, referred))
        for column in columns
    }
    row = _search(connection, columns, values, checks, {})
    if row is None:
        rules = "; ".join(f"{check.name}: {check.expression}" for check in checks)
        raise LookupError(f"app.{table}: sample_rows.py has no values that satisfy {rules}")
    names = SQL(", ").join(Identifier(column.name) for column in columns)
    casts = SQL(", ").join(SQL(f"%s::{column.type}") for column in columns)
    insert = SQL("insert into {} ({}) values ({})").format(Identifier("app", table), names, casts)
    connection.execute(insert, [row[column.name] for column in columns])


def _referred(connection: Connection, references: list[_Reference]) -> dict[str, str]:
    """Return what the columns of foreign keys have to be: the key of the parent's row."""
    found: dict[str, str] = {}
    for reference in references:
        targets = SQL(", ").join(SQL("{}::text").format(Identifier(n)) for n in reference.targets)
        parent = SQL("select {} from {}").format(targets, Identifier("app", reference.table))
        row = connection.execute(parent).fetchone()
        if row is not None:
            found.update(zip(reference.columns, row, strict=True))
    return found


def _candidates(
    connection: Connection,
    table: str,
    column: _Column,
    checks: list[_Check],
    referred: dict[str, str],
) -> Iterator[str | None]:
    """Yield values to try, likely ones first; null comes last."""
    if column.name in referred:
        yield referred[column.name]
    elif column.type == "uuid":
        yield str(uuid5(NAMESPACE_URL, f"{table}.{column.name}"))
    elif column.labels:
        yield from column.labels
    else:
        if column.default:
            row = connection.execute(f"select ({column.default})::text").fetchone()
            yield row and row[0]
        kind = re.sub(r"\(.*\)$", "", column.type)
        if kind not in _VALUES:
            raise LookupError(f"tests/support/sample_rows.py has no value of type {kind}")
        yield from _VALUES[kind]
        # What the checks of the column compare it with.
        said = " ".join(check.expression for check in checks if column.name in check.columns)
        if kind == "text":
            yield from re.findall(r"'([^']*)'::text", said)
        if _VALUES[kind] == _VALUES["integer"]:
            yield from re.findall(r"-?\d+(?:\.\d+)?", said)
    if column.is_nullable:
        yield None


def _search(
    connection: Connection,
    columns: list[_Column],
    values: dict[str, list[str | None]],
    checks: list[_Check],
    row: dict[str, str | None],
) -> dict[str, str | None] | None:
    """Return the first row that every check lets in, or None; `row` is what has been chosen."""
    if len(row) == len(columns):
        return row
    column = columns[len(row)]
    for value in values[column.name]:
        longer = {**row, column.name: value}
        due = [
            each
            for each in checks
            if column.name in each.columns and longer.keys() >= {*each.columns}
        ]
        if all(_holds(connection, columns, longer, check) for check in due):
            found = _search(connection, columns, values, checks, longer)
            if found is not None:
                return found
    return None


def _holds(
    connection: Connection, columns: list[_Column], row: dict[str, str | None], check: _Check
) -> bool:
    known = [column for column in columns if column.name in check.columns]
    cells = SQL(", ").join(
        SQL(f"%s::{each.type} as {{}}").format(Identifier(each.name)) for each in known
    )
    rule = SQL(check.expression.replace("%", "%%"))
    query = SQL("select ({}) is not false from (select {}) as t").format(rule, cells)
    response = connection.execute(query, [row[each.name] for each in known]).fetchone()
    return response is not None and response[0] is True
