"""Endpoints are rows: what comes in, what goes out, and the query between.

A resource is a module of `app/resources`: its models and its rows. One handler serves the rows;
the API document, the batch and the tests that go through every endpoint find them there.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import BaseModel
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from app.http import fields, models, problems
from app.http.problems import ProblemType

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A row.

    Args:
        method: The HTTP method.
        path: The path, in Starlette's notation; `day` and `number` are convertors of ours. Its
            parameters are parameters of the query.
        summary: What it does, in a line.
        query: The block of `sql/queries` that does it.
        variants: Blocks that do it instead, each when one of these parameters is given; the first
            of which one is.
        handler: In the place of a query, for what is more than one.
        body: The model of the body; its fields are parameters of the query.
        parameters: The model of the query string; the same.
        response: The model of the response; `None` for an empty one.
        status: The status of success; of a PUT that creates something, 201.
        existence_check: The query that says, after a write touched nothing, whether the caller
            sees the thing but may not do this (a row: 403) or there is none (404). In a resource
            it is the GET of the same path, where there is one.
        when_empty: The problem when the query gives nothing and there is no `existence_check`.
        in_family: Whether it needs a family in the context. What does not is the person's own: it
            goes on when their role in the token's family has changed.
        signed_in: Whether it needs a token.
        accepts_idempotency_key: Whether a POST may carry an `Idempotency-Key`.
        creates: Whether a PUT creates what is not there yet, or only replaces what is.
        problems: The problem types it can meet that the rest of the row does not tell.
    """

    method: str
    path: str
    summary: str
    query: str | None = None
    variants: Mapping[str, Collection[str]] = field(default_factory=dict)
    handler: Handler | None = None
    body: type[models.Request] | None = None
    parameters: type[models.Request] | None = None
    response: type[BaseModel] | None = None
    status: int = 200
    existence_check: str | None = None
    when_empty: ProblemType = problems.NOT_FOUND
    in_family: bool = True
    signed_in: bool = True
    accepts_idempotency_key: bool = True
    creates: bool = True
    problems: tuple[ProblemType, ...] = ()

    @property
    def queries(self) -> Sequence[str]:
        """All the queries that may do it."""
        return [*([self.query] if self.query else []), *self.variants]

    def query_for(self, values: Mapping[str, object]) -> str | None:
        """Return the query that does it, with these parameters."""
        for query, names in self.variants.items():
            if any(values[name] is not None for name in names):
                return query
        return self.query

    @property
    def fields(self) -> Collection[str]:
        """What the body may have."""
        return self.body.model_fields if self.body else ()

    @property
    def is_versioned(self) -> bool:
        """Whether it shows one thing that has versions: of its row, or of its own."""
        fields = self.response.model_fields if self.response is not None else {}
        return "row_version" in fields or "version" in fields

    @property
    def is_conditional(self) -> bool:
        """Whether it heeds `If-Match`."""
        return self.method in {"PUT", "PATCH", "DELETE"}

    @property
    def is_upsert(self) -> bool:
        """Whether it creates the thing at its URL, if there is none, or changes it."""
        return self.method == "PUT" and self.is_versioned and self.creates

    @property
    def is_for_batches(self) -> bool:
        """Whether it is one query, and its response may be kept as a part of a batch's."""
        return self.query is not None and self.accepts_idempotency_key

    @property
    def is_idempotent(self) -> bool:
        """Whether it heeds `Idempotency-Key`."""
        return self.method == "POST" and self.accepts_idempotency_key


@dataclass(frozen=True)
class Resource:
    """What a module of `app/resources` offers.

    Args:
        name: Its tag in the API document.
        about: What it is, in a sentence.
        endpoints: Its rows.
    """

    name: str
    about: str
    endpoints: Sequence[Endpoint] = field(repr=False)

    def __post_init__(self) -> None:
        """Find the existence check of each write where its row does not name one."""
        shown = {row.path: row.query for row in self.endpoints if row.method == "GET"}
        rows = tuple(
            replace(row, existence_check=row.existence_check or shown.get(row.path))
            if row.is_conditional
            else row
            for row in self.endpoints
        )
        object.__setattr__(self, "endpoints", rows)


def get(
    path: str,
    summary: str,
    *,
    query: str,
    response: type[BaseModel],
    parameters: type[models.Request] | None = None,
    variants: Mapping[str, Collection[str]] | None = None,
    when_empty: ProblemType = problems.NOT_FOUND,
    in_family: bool = True,
) -> Endpoint:
    """Return a row that shows something."""
    return Endpoint(
        method="GET",
        path=path,
        summary=summary,
        query=query,
        variants=variants or {},
        response=response,
        parameters=parameters,
        when_empty=when_empty,
        in_family=in_family,
    )


def post(
    path: str,
    summary: str,
    *,
    query: str | None = None,
    handler: Handler | None = None,
    body: type[models.Request] | None = None,
    response: type[BaseModel] | None = None,
    status: int = 201,
    existence_check: str | None = None,
    in_family: bool = True,
    signed_in: bool = True,
    accepts_idempotency_key: bool = True,
    problems: tuple[ProblemType, ...] = (),
) -> Endpoint:
    """Return a row that creates something, or with status 200 does something to a thing."""
    return Endpoint(
        method="POST",
        path=path,
        summary=summary,
        query=query,
        handler=handler,
        body=body,
        response=response,
        status=status,
        existence_check=existence_check,
        in_family=in_family,
        signed_in=signed_in,
        accepts_idempotency_key=accepts_idempotency_key,
        problems=problems,
    )


def put(
    path: str,
    summary: str,
    *,
    query: str,
    response: type[BaseModel],
    body: type[models.Request] | None = None,
    existence_check: str | None = None,
    creates: bool = True,
    problems: tuple[ProblemType, ...] = (),
) -> Endpoint:
    """Return a row that creates or replaces the thing at its path."""
    return Endpoint(
        method="PUT",
        path=path,
        summary=summary,
        query=query,
        body=body,
        response=response,
        existence_check=existence_check,
        creates=creates,
        problems=problems,
    )


def patch(
    path: str,
    summary: str,
    *,
    query: str,
    body: type[models.Patch],
    response: type[BaseModel],
    existence_check: str | None = None,
    in_family: bool = True,
    problems: tuple[ProblemType, ...] = (),
) -> Endpoint:
    """Return a row that changes the given fields of a thing."""
    return Endpoint(
        method="PATCH",
        path=path,
        summary=summary,
        query=query,
        body=body,
        response=response,
        existence_check=existence_check,
        in_family=in_family,
        problems=problems,
    )


def delete(
    path: str,
    summary: str,
    *,
    query: str,
    existence_check: str | None = None,
    in_family: bool = True,
    problems: tuple[ProblemType, ...] = (),
) -> Endpoint:
    """Return a row that deletes or retires a thing."""
    return Endpoint(
        method="DELETE",
        path=path,
        summary=summary,
        query=query,
        status=204,
        existence_check=existence_check,
        in_family=in_family,
        problems=problems,
    )


class _Convertor(Convertor[object]):
    """What stands in a path, such as `{date:day}`; an error for whatever else stands there.

    While routes are matched nobody knows yet who asks: it is refused later, and by name.
    """

    regex = "[^/]+"

    def __init__(self, read: Callable[[str], object]) -> None:
        self._read = read

    def convert(self, value: str) -> object:
        try:
            return self._read(value)
        except ValueError as error:
            return error

    def to_string(self, value: object) -> str:
        return str(value)


register_url_convertor("day", _Convertor(fields.day_of))
register_url_convertor("number", _Convertor(fields.number_of))
