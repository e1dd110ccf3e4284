"""The queries of `sql/queries`, loaded once by their names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import aiosql
from aiosql.adapters.asyncpg import AsyncPGAdapter

from app.settings import sql_directory


@dataclass(frozen=True, slots=True)
class Query:
    """One block of `sql/queries`.

    Args:
        name: The name of the block.
        text: Its SQL, with `$n` parameters.
        parameters: Their names, in that order.
        path: Its file, below `sql/queries`.
    """

    name: str
    text: str
    parameters: tuple[str, ...]
    path: Path

    def arguments(self, values: Mapping[str, object]) -> Sequence[object]:
        """Return the values of the parameters, in their order."""
        return [values[name] for name in self.parameters]


@cache
def load_queries() -> Mapping[str, Query]:
    """Load every query by its name.

    Raises:
        ValueError: Two files have a query of the same name.
    """
    directory = sql_directory() / "queries"
    queries: dict[str, Query] = {}
    for path in sorted(directory.rglob("*.sql")):
        for query in _read(path, directory):
            if query.name in queries:
                other = queries[query.name].path
                raise ValueError(f"{query.path}: {query.name} stands in {other} too")
            queries[query.name] = query
    return queries


def _read(path: Path, directory: Path) -> Sequence[Query]:
    adapter = AsyncPGAdapter()  # type: ignore[no-untyped-call]
    loaded = aiosql.from_path(path, lambda: adapter, mandatory_parameters=False)
    # aiosql adds a variant of each for cursors.
    names = [name for name in loaded.available_queries if not name.endswith("_cursor")]
    return [
        Query(
            name,
            getattr(loaded, name).sql,
            tuple(adapter.var_sorted[name]),
            path.relative_to(directory),
        )
        for name in names
    ]
