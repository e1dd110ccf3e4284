"""Which endpoint is at a path: looked up in a table, and not tried one after the other."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from starlette.convertors import Convertor
from starlette.routing import compile_path


class HasPath(Protocol):
    """What is at a path, by a method."""

    @property
    def method(self) -> str:
        """The HTTP method."""

    @property
    def path(self) -> str:
        """The path, in Starlette's notation."""


Row = TypeVar("Row", bound=HasPath)


class Route(Generic[Row]):
    """What is at one path.

    Args:
        path: The path, in Starlette's notation.

    Attributes:
        rows: What is there, by method.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        self._pattern: re.Pattern[str]
        self._convertors: Mapping[str, Convertor[Any]]
        self._pattern, _, self._convertors = compile_path(path)

    def match(self, path: str) -> dict[str, Any] | None:
        """Return the parameters in a path, or `None` if it is another one."""
        found = self._pattern.match(path)
        if found is None:
            return None
        return {
            name: self._convertors[name].convert(text) for name, text in found.groupdict().items()
        }

    @property
    def allowed(self) -> str:
        """The methods that there are, as the header `Allow` has them."""
        return ", ".join(sorted({*self.rows, *(["HEAD"] if "GET" in self.rows else [])}))


class Table(Generic[Row]):
    """All that is at fixed places.

    Args:
        rows: What is there.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        routes: dict[str, Route[Row]] = {}
        for row in rows:
            routes.setdefault(row.path, Route(row.path)).rows[row.method] = row
        self._routes = defaultdict[str, list[Route[Row]]](list)
        for route in routes.values():
            self._routes[_collection(route.path)].append(route)

    def find(self, path: str) -> tuple[Route[Row], dict[str, Any]] | None:
        """Return what is at a path, and the path's parameters; `None` if nothing is there."""
        for route in self._routes.get(_collection(path), ()):
            parameters = route.match(path)
            if parameters is not None:
                return route, parameters
        return None


def _collection(path: str) -> str:
    """Return the first two parts of a path: `tasks` has some routes, and all of them hundreds."""
    return "/".join(path.split("/", 3)[:3])
