"""The access matrix of docs/access-matrix.md, measured again on this server."""

import asyncpg
import pytest

from app.settings import sql_directory
from tests.access import CALLERS, LOGINS, Matrix, measure
from tests.access_matrix import PAGE, differences, page, read
from tests.fixtures import Hearth
from tests.tally import tally

WRITTEN = read(PAGE.read_text("utf-8"))
# A table has a policy file; a partition and what has none stand in the catalog.
TITLES = sorted({path.stem for path in (sql_directory() / "policies").glob("*.sql")} | {*WRITTEN})

TO_DO = "run `make matrix`, and review what it changes in docs/access-matrix.md"


@pytest.fixture(scope="session")
async def matrix(hearth: Hearth) -> Matrix:
    """Return what this server answers."""
    connection = await asyncpg.connect(hearth.superuser_url, statement_cache_size=0)
    try:
        matrix = await measure(connection)
    finally:
        await connection.close()
    partitions = sum(table.parent is not None for table in matrix.tables)
    tally(
        "isolation matrix",
        f"{matrix.measured:,} cells on {len(matrix.tables) - partitions} tables"
        f" and {partitions} partitions, for {len(CALLERS)} kinds of caller",
    )
    return matrix


async def test_every_table_and_partition_has_its_section(matrix: Matrix) -> None:
    missing, gone = matrix.sections.keys() - WRITTEN.keys(), WRITTEN.keys() - matrix.sections.keys()

    assert not missing, f"no section for {', '.join(sorted(missing))}: {TO_DO}"
    assert not gone, f"a section for {', '.join(sorted(gone))}, which is no table: {TO_DO}"


@pytest.mark.parametrize("title", TITLES)
async def test_everybody_may_do_what_the_matrix_says(matrix: Matrix, title: str) -> None:
    assert title in WRITTEN, f"no section for {title}: {TO_DO}"

    found = differences(title, WRITTEN[title], matrix.sections[title])

    assert not found, "\n".join(
        [f"sql/policies/{title}.sql does not do what docs/access-matrix.md says:", *found]
    )


async def test_every_role_of_ours_is_a_caller(root: asyncpg.Connection) -> None:
    ours = await root.fetch(r"select rolname from pg_roles where rolname ~ '^(app|hearth)_'")

    strangers = {role for (role,) in ours} - set(LOGINS)
    assert not strangers, f"not in CALLERS of tests/access.py: {', '.join(sorted(strangers))}"


async def test_the_matrix_is_what_make_matrix_writes(matrix: Matrix) -> None:
    # After the cells: the introduction, the contexts and the layout.
    assert PAGE.read_text("utf-8") == page(matrix), TO_DO
