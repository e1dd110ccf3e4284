"""What an endpoint's row does: read the request, run its query, answer; alone or in a batch.

A query answers with one row: `body`, which PostgreSQL has built and which is passed on as it is,
and `row_version`, the entity tag, of what has versions.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import asyncpg
from pydantic import BaseModel
from starlette.convertors import Convertor, register_url_convertor
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from app import errors, models
from app.database import Context, Transaction
from app.errors import Problem
from app.requests import (
    authenticate,
    idempotency_key,
    if_match,
    if_none_match,
    parse_body,
    parse_query,
    read_content,
    refuse_misplaced,
    request_id,
    services,
    versions_in,
)

Handler = Callable[[Request], Awaitable[Response]]


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


register_url_convertor("day", _Convertor(models.day_of))
register_url_convertor("number", _Convertor(models.number_of))


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A row of the table.

    Args:
        method: The HTTP method.
        path: The path, in Starlette's notation; `day` and `number` are convertors of ours. Its
            parameters are parameters of the query.
        summary: What it does, in a line.
        query: The block of `sql/queries` that does it.
        handler: In the place of a query, for what is more than one.
        body: The model of the body; its fields are parameters of the query.
        parameters: The model of the query string; the same.
        answer: The model of the response; `None` for an empty one.
        status: The status of success; of a PUT that made something new, 201.
        visible_by: Where a write touched nothing: the query that tells by a row that the caller
            sees the thing but may not do this (403), and by none that it is not there (404).
        nothing: What it means when the query gives nothing and there is no `visible_by`.
        in_family: Whether it needs a family in the context.
        signed_in: Whether it needs a token.
        takes_key: Whether a POST may carry an `Idempotency-Key`.
        makes: Whether a PUT makes what is not there yet, or only replaces what is.
        problems: The kinds of problem it can meet that the rest of the row does not tell.
    """

    method: str
    path: str
    summary: str
    query: str | None = None
    handler: Handler | None = None
    body: type[models.Request] | None = None
    parameters: type[models.Request] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    visible_by: str | None = None
    nothing: errors.Kind = errors.NOT_FOUND
    in_family: bool = True
    signed_in: bool = True
    takes_key: bool = True
    makes: bool = True
    problems: tuple[errors.Kind, ...] = ()

    @property
    def fields(self) -> Collection[str]:
        """What the body may have."""
        return self.body.model_fields if self.body else ()

    @property
    def is_versioned(self) -> bool:
        """Whether it shows one thing that has versions: of its row, or of its own."""
        fields = self.answer.model_fields if self.answer is not None else {}
        return "row_version" in fields or "version" in fields

    @property
    def is_conditional(self) -> bool:
        """Whether it heeds `If-Match`."""
        return self.method in {"PUT", "PATCH", "DELETE"}

    @property
    def is_upsert(self) -> bool:
        """Whether it makes the thing at its URL, if there is none, or changes it."""
        return self.method == "PUT" and self.is_versioned and self.makes

    @property
    def is_for_batches(self) -> bool:
        """Whether it is one query, and its answer may be kept as a part of a batch's."""
        return self.query is not None and self.takes_key

    @property
    def is_idempotent(self) -> bool:
        """Whether it heeds `Idempotency-Key`."""
        return self.method == "POST" and self.takes_key


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation came to.

    Args:
        status: The HTTP status.
        body: JSON text; `None` for an empty one.
        version: The row's version, if it has one.
        prefix: What the entity tag begins with, where the URL does not say which thing it is.
        is_replayed: Whether it was given before, to the same request.
    """

    status: int
    body: str | None = None
    version: int | None = None
    prefix: str = ""
    is_replayed: bool = False

    @property
    def etag(self) -> str | None:
        """The strong entity tag (RFC 9110, 8.8.3): of one version of one row."""
        return None if self.version is None else f'"{self.prefix}{self.version}"'

    def response(self) -> Response:
        """Return it as an HTTP response."""
        headers = {} if self.etag is None else {"ETag": self.etag}
        if self.is_replayed:
            headers["Idempotency-Replayed"] = "true"
        return Response(
            self.body,
            status_code=self.status,
            media_type=None if self.body is None else "application/json",
            headers=headers,
        )


Work = Callable[[Transaction], Awaitable[Answer]]

# Bytes of a batch's answers together; as a check on app.kept_answers has it, some for the frame.
MAX_ANSWER_BYTES = 4_000_000
_TOO_MUCH = f"The answers of a batch may have {MAX_ANSWER_BYTES} bytes together."


def handler(row: Endpoint) -> Handler:
    """Return what serves a row of the table that is one query."""

    async def handle(request: Request) -> Response:
        context = await authenticate(request)
        _need_family(row, context)
        content = await read_content(request) if row.body else b""
        values = {
            **(parse_query(request.url.query, row.parameters).values() if row.parameters else {}),
            **(parse_body(content, row.body).values() if row.body else {}),
            **_in_path(request.path_params),
            "may_create": "If-Match" not in request.headers,
        }
        wanted = if_match(request, prefix=_prefix(row, context)) if row.is_conditional else None

        async def work(transaction: Transaction) -> Answer:
            return await _perform(row, transaction, context, values, wanted)

        answer = await _run(request, context, work, content, read_only=row.method == "GET")
        response = answer.response()
        if row.method == "GET" and answer.etag is not None and if_none_match(request, answer.etag):
            return Response(status_code=304, headers={"ETag": answer.etag})
        return response

    return handle


async def run_batch(request: Request, table: Sequence[Endpoint]) -> Response:
    """Do several operations in one transaction and answer with what each came to, in order.

    Raises:
        Problem: What the first operation that failed came to; the pointers lead to it. Nothing of
            the batch is left.
    """
    context = await authenticate(request)
    content = await read_content(request)
    batch = parse_body(content, models.Batch)
    at: int | None = None  # the operation at hand
    try:
        steps = []
        for at, operation in enumerate(batch.operations):  # noqa: B007 - read where it failed
            steps.append(_step(operation, table, context))
        at = None

        async def work(transaction: Transaction) -> Answer:
            nonlocal at
            results, size = [], 0
            for at, (row, values, wanted) in enumerate(steps):
                if at > 0:
                    # What was done before may have ended it: a role given away, a family retired.
                    await transaction.assert_context()
                results.append(_result(await _perform(row, transaction, context, values, wanted)))
                size += len(results[-1].encode())
                if size > MAX_ANSWER_BYTES:
                    raise Problem(errors.TOO_LARGE, _TOO_MUCH)  # noqa: TRY301 - undoes the batch
            at = None
            return Answer(200, f'{{"results":[{",".join(results)}]}}')

        read_only = all(row.method == "GET" for row, _, _ in steps)
        answer = await _run(request, context, work, content, read_only=read_only)
    except (asyncpg.PostgresError, Problem) as error:
        if at is None:
            raise
        if isinstance(error, asyncpg.PostgresError):
            constraints = services(request).database.constraints
            error = errors.from_database(error, constraints, steps[at][0].fields)
            error = error.within("/body") if error.errors else error
        raise error.within(f"/operations/{at}") from None
    return answer.response()


def _step(
    operation: models.Operation, table: Sequence[Endpoint], context: Context
) -> tuple[Endpoint, Mapping[str, object], list[int] | None]:
    url = URL(operation.path)
    for row in table:
        pattern, _, convertors = _compiled(row.path)
        found = pattern.match(url.path)
        if found is None or row.method != operation.method or not row.is_for_batches:
            continue
        _need_family(row, context)
        if operation.if_match is not None and not row.is_conditional:
            entry = {"pointer": "/if_match", "detail": "goes with PUT, PATCH and DELETE"}
            raise Problem(errors.INVALID, errors=[entry])
        if (operation.body is None) != (row.body is None):
            detail = "is missing" if row.body else "must be absent"
            raise Problem(errors.INVALID, errors=[{"pointer": "/body", "detail": detail}])
        values: dict[str, object] = {
            **_in_path(
                {name: convertors[name].convert(text) for name, text in found.groupdict().items()}
            ),
            "may_create": operation.if_match is None,
        }
        if row.parameters is not None:
            values |= parse_query(url.query, row.parameters).values()
        if row.body is not None:
            try:
                values |= parse_body(json.dumps(operation.body).encode(), row.body).values()
            except Problem as problem:
                raise problem.within("/body") from None
        wanted = None
        if operation.if_match is not None:
            prefix = _prefix(row, context)
            wanted = versions_in(operation.if_match, prefix=prefix, name="if_match")
        return row, values, wanted
    detail = f"{operation.method} {url.path} is no operation for a batch"
    raise Problem(errors.INVALID, errors=[{"pointer": "/path", "detail": detail}])


def _result(answer: Answer) -> str:
    etag, body = json.dumps(answer.etag), answer.body or "null"
    return f'{{"status":{answer.status},"etag":{etag},"body":{body}}}'


_compiled = cache(compile_path)


def _in_path(values: Mapping[str, object]) -> Mapping[str, object]:
    """Return the parameters of a path.

    Raises:
        Problem: In the place of a day or a number stands something else.
    """
    entries = [
        {"parameter": name, "detail": str(value)}
        for name, value in values.items()
        if isinstance(value, ValueError)
    ]
    if entries:
        raise Problem(errors.INVALID, errors=entries)
    return values


def _prefix(row: Endpoint, context: Context) -> str:
    # At /v1/family and /v1/me it is the token that says whose row it is.
    whose = context.family_id if row.in_family else context.user_id
    return "" if "{" in row.path or whose is None else f"{whose.hex}-"


def _need_family(row: Endpoint, context: Context) -> None:
    if row.in_family and context.family_id is None:
        raise Problem(errors.NO_FAMILY)


async def _perform(
    row: Endpoint,
    transaction: Transaction,
    context: Context,
    values: Mapping[str, object],
    wanted: list[int] | None,
) -> Answer:
    """Run a row's query; find out why, where it gives nothing.

    Raises:
        Problem: The thing is not there (404), has another version than is wanted (412), or may not
            be changed by the caller (403).
    """
    assert row.query is not None  # noqa: S101 - a row has a query or a handler
    prefix = "" if row.method == "POST" else _prefix(row, context)
    values = {
        **values,
        "user_id": context.user_id,
        "family_id": context.family_id,
        "if_match": wanted,
    }
    found = await transaction.row(row.query, values)
    if found is not None and found["body"] is not None:
        body = found["body"] if row.answer is not None else None
        version = found.get("row_version")
        # A row's first version is what an insert made.
        status = 201 if row.is_upsert and version == 1 else row.status
        return Answer(status, body, version, prefix)
    seen = await transaction.row(row.visible_by, values) if row.visible_by else None
    if seen is None:
        raise Problem(row.nothing)
    if wanted is not None and seen["row_version"] not in wanted:
        etag = Answer(200, version=seen["row_version"], prefix=prefix).etag or ""
        raise Problem(errors.STALE, headers={"ETag": etag})
    raise Problem(errors.FORBIDDEN)


async def _run(
    request: Request, context: Context, work: Work, content: bytes, *, read_only: bool
) -> Answer:
    """Do the work in a transaction of its own; once only, if the request has an Idempotency-Key."""
    refuse_misplaced(request)
    key = idempotency_key(request)
    database = services(request).database
    if key is None or read_only:
        return await database.run(
            context, work, read_only=read_only, request_id=request_id(request)
        )
    if context.family_id is None:
        detail = "Idempotency-Key: is taken only from who stands in a family."
        raise Problem(errors.NO_FAMILY, detail)
    # With the role: who was demoted since is not answered as an owner again.
    asked = f"{request.url.path} {context.role}\n".encode() + content
    digest = hashlib.sha256(asked).digest()

    async def once(transaction: Transaction) -> Answer:
        kept = await transaction.row("find_kept_answer", {"idempotency_key": key})
        if kept is not None and kept["request_hash"] != digest:
            raise Problem(errors.KEY_REUSED)
        if kept is not None:
            return Answer(kept["status"], kept["body"], kept["etag_version"], is_replayed=True)
        answer = await work(transaction)
        values = {
            "user_id": context.user_id,
            "family_id": context.family_id,
            "idempotency_key": key,
            "request_hash": digest,
            "status": answer.status,
            "body": answer.body,
            "etag_version": answer.version,
        }
        await transaction.row("keep_answer", values)
        return answer

    return await database.run(context, once, request_id=request_id(request))
