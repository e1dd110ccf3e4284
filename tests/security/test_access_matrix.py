"""The access matrix of docs/generated/access-matrix.md, measured again on this server."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from app.settings import sql_directory
from tests.security.access import CALLERS, LOGINS, Matrix, measure
from tests.security.access_matrix import COLUMN_COMMANDS, PAGE, differences, page, read
from tests.support.fixtures import Hearth
from tests.support.tally import tally

WRITTEN = read(PAGE.read_text("utf-8"))
# A table has a policy file; a partition and what has none stand in the catalog.
TITLES = sorted({path.stem for path in (sql_directory() / "policies").glob("*.sql")} | {*WRITTEN})

TO_DO = "run `make matrix`, and review what it changes in docs/generated/access-matrix.md"


Measured = Callable[[str], Awaitable[Matrix]]


@pytest.fixture(scope="session")
def measured(hearth: Hearth) -> Measured:
    """Return what asks this server about a section, once; about none, it tells the tables."""
    parts: dict[str, Matrix] = {}

    async def part(title: str) -> Matrix:
        if title not in parts:
            connection = await asyncpg.connect(hearth.superuser_url, statement_cache_size=0)
            try:
                parts[title] = await measure(connection, only=title)
            finally:
                await connection.close()
        return parts[title]

    return part


@pytest.fixture(scope="session")
async def matrix(measured: Measured) -> Matrix:
    """Return what this server answers, all of it."""
    bare = await measured("no section")
    matrix = Matrix(bare.tables, {}, bare.assertions)
    for title in dict.fromkeys(table.section for table in matrix.tables):
        matrix.sections |= (await measured(title)).sections
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


async def test_each_role_is_granted_the_columns_of_the_matrix(root: asyncpg.Connection) -> None:
    # Measured below as well, with all else; this only reads the catalog, and answers at once.
    query = """
        select c.relname, r.rolname, command, bool_and(is_held) as is_all,
            string_agg(a.attname, ', ' order by a.attnum) filter (where is_held) as columns
        from pg_class as c
        join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        join pg_roles as r on r.rolname = any($1)
        cross join unnest($2::text[]) as command
        cross join has_column_privilege(r.oid, c.oid, a.attnum, command) as is_held
        where c.relnamespace = 'app'::regnamespace and c.relkind in ('r', 'p')
            and not c.relispartition
            and (command = 'select' or a.attgenerated = '')
        group by c.relname, r.rolname, command
    """

    wrong = []
    for table, role, command, is_all, columns in await root.fetch(query, LOGINS, COLUMN_COMMANDS):
        found = "all" if is_all else columns or ""
        written = dict(
            zip(COLUMN_COMMANDS, WRITTEN[table].columns.get(role, [""] * 3), strict=True)
        )
        if found != written[command]:
            wrong.append(f"{table}: {role} may {command} {found}, expected {written[command]}")
    assert not wrong, "\n".join([TO_DO, *wrong])


@pytest.mark.parametrize("title", TITLES)
async def test_everybody_may_do_what_the_matrix_says(measured: Measured, title: str) -> None:
    assert title in WRITTEN, f"no section for {title}: {TO_DO}"
    matrix = await measured(title)

    found = differences(title, WRITTEN[title], matrix.sections[title])

    assert not found, "\n".join(
        [f"sql/policies/{title}.sql does not do what docs/generated/access-matrix.md says:", *found]
    )


async def test_every_role_of_ours_is_a_caller(root: asyncpg.Connection) -> None:
    ours = await root.fetch(r"select rolname from pg_roles where rolname ~ '^(app|hearth)_'")

    strangers = {role for (role,) in ours} - set(LOGINS)
    assert not strangers, (
        f"not in CALLERS of tests/security/access.py: {', '.join(sorted(strangers))}"
    )


async def test_the_matrix_is_what_make_matrix_writes(matrix: Matrix) -> None:
    # After the cells: the introduction, the contexts and the layout.
    assert PAGE.read_text("utf-8") == page(matrix), TO_DO
