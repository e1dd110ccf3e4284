"""The migrator's own SQL: a file of `sql/` for each statement, read once.

Each file says what it is for, so that it can be reviewed alone. Parameters are PostgreSQL's: `$1`.
"""

from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row

Connection = psycopg.Connection[Any]
Row = TypeVar("Row")

TEXTS = {
    path.stem: path.read_text("utf-8") for path in Path(__file__).with_name("sql").glob("*.sql")
}


def execute(connection: Connection, name: str, *parameters: object) -> psycopg.Cursor[Any]:
    """Run `sql/NAME.sql`."""
    cursor = psycopg.RawCursor(connection)
    return cursor.execute(TEXTS[name], parameters or None)


def fetch(connection: Connection, row: type[Row], name: str, *parameters: object) -> list[Row]:
    """Run `sql/NAME.sql` and return its rows, as `row`: its fields are the columns."""
    cursor = psycopg.RawCursor(connection, row_factory=class_row(row))
    return cursor.execute(TEXTS[name], parameters or None).fetchall()


def fetch_value(connection: Connection, query: str, *parameters: object) -> Any:
    """Run a query of one line and return its first value; None when there is no row."""
    row = connection.execute(query, parameters or None).fetchone()
    return row and row[0]
