"""All there is in a database, to hold what was before against what is after."""

from uuid import UUID

import asyncpg

from tests.support.fixtures import Hearth

Rows = frozenset[tuple[str, str]]


async def by_hand(hearth: Hearth, statement: str, *values: object) -> list[asyncpg.Record]:
    """Run a statement as the superuser, whom no policy and no grant binds, and commit."""
    connection = await asyncpg.connect(hearth.superuser_url)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


async def all_rows(hearth: Hearth, *, about: UUID | None = None) -> Rows:
    """Return every row of the product's tables: the table's name and the row as text.

    Args:
        hearth: The database.
        about: Only rows that name this id.
    """
    tables = await by_hand(
        hearth,
        "select relname as name from pg_class where relnamespace = 'app'::regnamespace"
        " and relkind in ('r', 'p') and not relispartition"
        " and relname <> 'rate_limit_hits'",  # counted whatever comes of the request
    )
    reads = (f"select '{table['name']}', t::text from app.{table['name']} t" for table in tables)
    rows = await by_hand(hearth, " union all ".join(reads))
    return frozenset((row[0], row[1]) for row in rows if about is None or str(about) in row[1])


def tables_of(rows: Rows) -> dict[str, int]:
    """Count rows by table."""
    names = [table for table, _ in rows]
    return {name: names.count(name) for name in sorted(set(names))}
