"""The files and the database they make."""

import ast
import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import sql_directory
from tests.sql.schema import dump
from tests.support.fixtures import Hearth

pytestmark = pytest.mark.no_judge


# Other versions print defaults differently.
@pytest.mark.newest
@pytest.mark.skipif(
    "TEST_DATABASE_URL" in os.environ, reason="the committed dump is of the embedded server"
)
def test_the_committed_dump_is_what_the_files_make(own_hearth: Hearth) -> None:
    committed = (sql_directory() / "schema.sql").read_text()

    made = dump(own_hearth.superuser_url)

    differences = difflib.unified_diff(
        committed.splitlines(), made.splitlines(), "sql/schema.sql", "what the files make", n=1
    )
    assert made == committed, "\n".join(["run: make schema", *differences])


def test_no_line_of_sql_is_wider_than_a_hundred_columns() -> None:
    directory = sql_directory()
    files = [path for path in directory.rglob("*.sql") if path.name != "schema.sql"]  # a dump

    wide = [
        f"{path.relative_to(directory.parent)}:{number}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if len(line) > 100
    ]

    assert wide == []


def _texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


# All small or all large: "Create a task" is none. What stands alone may be a word.
WORDS = (
    "select|insert into|update|delete from|merge into|create|alter|drop|grant|revoke|set|show|lock"
    "|savepoint|truncate|call|copy|listen|notify"
)
ENDS = r"(BEGIN|COMMIT|ROLLBACK)\s*($|[;A-Z])|(begin|commit|rollback|start transaction)\s*;"
STATEMENT = re.compile(rf"\s*(({WORDS}|{WORDS.upper()})\s|{ENDS})")


def test_one_module_and_the_migrations_hold_sql() -> None:
    """Everything else is under sql/, where it is reviewed."""
    package = sql_directory().parent / "app"
    holders = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if not path.is_relative_to(package / "migrations")
        and any(STATEMENT.match(text) for text in _texts(path))
    }

    assert holders == {"db/transaction.py"}
