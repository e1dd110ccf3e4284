"""The handler of every row: read the request, run its query in a transaction, respond.

A query gives one row: `body`, which PostgreSQL has built and which is passed on as it is, and
`row_version`, the entity tag, of what has versions.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from app.db.context import Context
from app.db.pool import Operation, Transaction
from app.http import problems
from app.http.endpoint import Endpoint, Handler
from app.http.problems import Problem
from app.http.requests import (
    authenticate,
    has,
    idempotency_key,
    if_match,
    if_none_match,
    parse_body,
    parse_query,
    read_content,
    refuse_misplaced,
    request_id,
    services,
)
from app.http.routing import Table

# How often a write that touched nothing is tried, while somebody else changes what it is about.
MAX_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Result:
    """What a row's query came to.

    Args:
        status: The HTTP status.
        body: JSON text; `None` for an empty one.
        version: The row's version, if it has one.
        prefix: What the entity tag begins with, where the URL does not say which thing it is.
        is_replayed: Whether it was given before, to the same request.
        kept_body: What is kept of the body under an idempotency key, where that is not all of it.
    """

    status: int
    body: str | None = None
    version: int | None = None
    prefix: str = ""
    is_replayed: bool = False
    kept_body: str | None = None

    @property
    def etag(self) -> str | None:
        """The strong entity tag (RFC 9110, 8.8.3): of one version of one row."""
        return None if self.version is None else f'"{self.prefix}{self.version}"'

    def response(self, location: str | None = None) -> Response:
        """Return it as an HTTP response, with the URL of what was created if there is one."""
        headers = {} if self.etag is None else {"ETag": self.etag}
        if location is not None:
            headers["Location"] = location
        if self.is_replayed:
            headers["Idempotency-Replayed"] = "true"
        return Response(
            self.body,
            status_code=self.status,
            media_type=None if self.body is None else "application/json",
            headers=headers,
        )


@dataclass(frozen=True, slots=True)
class Served:
    """What serves the requests of one method at one path."""

    method: str
    path: str
    serve: Handler


def table(endpoints: Sequence[Endpoint]) -> Table[Served]:
    """Return what serves the endpoints, by their paths."""
    return Table(Served(row.method, row.path, _checked(row, endpoints)) for row in endpoints)


def _checked(row: Endpoint, endpoints: Sequence[Endpoint]) -> Handler:
    serve = row.handler or handler(row, endpoints)

    async def handle(request: Request) -> Response:
        state = request.scope["state"]
        state["fields"] = row.fields  # for the pointers of what the database refuses
        if b"idempotency-key" in state["headers"] and not row.accepts_idempotency_key:
            detail = "Idempotency-Key: not accepted here, because the response holds secrets."
            raise Problem(problems.MALFORMED, detail)
        return await serve(request)

    return handle


def id_of_created(row: Endpoint) -> Sequence[str] | None:
    """Return where the response has the id of what a POST creates: the names that lead there.

    `None` if it creates nothing, or nothing with an id.
    """
    if row.method != "POST" or row.status != 201 or row.response is None:
        return None
    fields = row.response.model_fields
    if "id" in fields:
        return ("id",)
    parts = {name: getattr(field.annotation, "model_fields", ()) for name, field in fields.items()}
    return next(((name, "id") for name, inner in parts.items() if "id" in inner), None)


def tells_location(row: Endpoint, endpoints: Sequence[Endpoint]) -> bool:
    """Say whether a 201 has `Location`: whether what it creates is shown at a URL of its own."""
    below = re.compile(re.escape(row.path) + r"/{\w+:uuid}")
    return row.is_upsert or (
        id_of_created(row) is not None
        and any(other.method == "GET" and below.fullmatch(other.path) for other in endpoints)
    )


def _location(row: Endpoint, path: str, result: Result) -> str:
    """Return the URL of what a request to a path has created."""
    if row.is_upsert:
        return path
    found = json.loads(result.body or "")  # of the body, which a replayed response has as well
    for name in id_of_created(row) or ():
        found = found[name]
    return f"{path}/{found}"


def handler(row: Endpoint, endpoints: Sequence[Endpoint]) -> Handler:
    """Return what serves a row that is one query; `endpoints` are all there are."""
    is_located = tells_location(row, endpoints)
    is_single = row.method == "GET" and row.existence_check is None

    async def handle(request: Request) -> Response:
        context = await authenticate(request)
        # Idempotency keys are kept per family: who sends one stands in it.
        if not row.in_family and not has(request, "Idempotency-Key"):
            context = context.personal
        require_family(row, context)
        content = await read_content(request, row.body) if row.body else b""
        query = request.scope["query_string"].decode("latin-1")
        values = {
            **(parse_query(query, row.parameters) if row.parameters else {}),
            **(parse_body(content, row.body).values() if row.body else {}),
            **path_values(request.path_params),
            "may_create": not has(request, "If-Match"),
        }
        wanted = if_match(request, prefix=etag_prefix(row, context)) if row.is_conditional else None

        async def operation(transaction: Transaction) -> Result:
            return await execute(row, transaction, context, values, wanted)

        read_only = row.method == "GET"
        result = await run_once(
            request, context, operation, content, read_only=read_only, is_single=is_single
        )
        if read_only and result.etag is not None and if_none_match(request, result.etag):
            return Response(status_code=304, headers={"ETag": result.etag})
        if is_located and result.status == 201:
            return result.response(_location(row, request.scope["path"], result))
        return result.response()

    return handle


async def execute(
    row: Endpoint,
    transaction: Transaction,
    context: Context,
    values: Mapping[str, object],
    wanted: list[int] | None,
) -> Result:
    """Run a row's query; find out why, where it gives nothing.

    The look at what is there comes after the query, and sees what others have committed meanwhile:
    another version, or another thing at the same URL. So only who was refused between two looks
    that saw the same may not do it.

    Args:
        row: The row.
        transaction: Where it runs.
        context: Who asks.
        values: The query's parameters, but for those of the context.
        wanted: The versions that `If-Match` names; `None` if any will do.

    Raises:
        Problem: The thing is not there (404), has another version than is wanted (412), may not be
            changed by the caller (403), or was another at every look (503).
    """
    query = row.query_for(values)
    assert query is not None  # noqa: S101 - a row has a query or a handler
    prefix = "" if row.method == "POST" else etag_prefix(row, context)
    values = {
        **values,
        "user_id": context.user_id,
        "family_id": context.family_id,
        "if_match": wanted,
    }
    seen: Mapping[str, object] | None = None
    for _ in range(MAX_LOOKS):
        found = await transaction.row(query, values)
        if found is not None and found["body"] is not None:
            body = found["body"] if row.response is not None else None
            version = found.get("row_version")
            # A row's first version is what an insert made.
            status = 201 if row.is_upsert and version == 1 else row.status
            return Result(status, body, version, prefix)
        before = seen
        seen = await transaction.row(row.existence_check, values) if row.existence_check else None
        if seen is None:
            raise Problem(row.when_empty)
        if wanted is not None and seen["row_version"] not in wanted:
            etag = f'"{prefix}{seen["row_version"]}"'
            raise Problem(problems.PRECONDITION_FAILED, headers={"ETag": etag})
        if seen == before:
            raise Problem(problems.FORBIDDEN)
    raise Problem(problems.UNAVAILABLE, "Others keep changing it; try again.")


async def run_once(
    request: Request,
    context: Context,
    operation: Operation[Result],
    content: bytes,
    *,
    read_only: bool,
    is_single: bool = False,
    complete: Callable[[Transaction, Result], Awaitable[Result]] | None = None,
) -> Result:
    """Run an operation in a transaction; if the request has an Idempotency-Key, once only.

    Args:
        request: The request.
        context: Who asks.
        operation: What is to be done.
        content: The body, by which the same request is known.
        read_only: Whether it changes nothing: then there is nothing to be kept.
        is_single: Whether it reads, by one query and no more.
        complete: What makes the whole response out of the part of it that was kept.

    Raises:
        Problem: The key was used for another request, or a header does not go with the method.
    """
    refuse_misplaced(request)
    key = idempotency_key(request)
    database = services(request).database
    if key is None or read_only:
        return await database.run(
            context,
            operation,
            read_only=read_only,
            is_single=is_single,
            request_id=request_id(request),
        )
    if context.family_id is None:
        detail = "Idempotency-Key: choose a family first; keys are kept per family."
        raise Problem(problems.NO_FAMILY, detail)
    # With the role: who was demoted since gets no owner's response again.
    asked = f"{request.scope['path']} {context.role}\n".encode() + content
    digest = hashlib.sha256(asked).digest()

    async def once(transaction: Transaction) -> Result:
        kept = await transaction.row("find_idempotent_response", {"idempotency_key": key})
        if kept is not None and kept["request_hash"] != digest:
            raise Problem(problems.IDEMPOTENCY_KEY_REUSED)
        if kept is not None:
            result = Result(kept["status"], kept["body"], kept["etag_version"], is_replayed=True)
            return await complete(transaction, result) if complete else result
        result = await operation(transaction)
        values = {
            "user_id": context.user_id,
            "family_id": context.family_id,
            "idempotency_key": key,
            "request_hash": digest,
            "status": result.status,
            "body": result.body if result.kept_body is None else result.kept_body,
            "etag_version": result.version,
        }
        await transaction.row("save_idempotent_response", values)
        return result

    return await database.run(context, once, request_id=request_id(request))


def path_values(values: Mapping[str, object]) -> Mapping[str, object]:
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
        raise Problem(problems.VALIDATION_FAILED, errors=entries)
    return values


def etag_prefix(row: Endpoint, context: Context) -> str:
    """Return what the entity tags of a row's things begin with."""
    # At /v1/family and /v1/me it is the token that says whose row it is.
    whose = context.family_id if row.in_family else context.user_id
    return "" if "{" in row.path or whose is None else f"{whose.hex}-"


def require_family(row: Endpoint, context: Context) -> None:
    """Refuse who has not chosen a family, where the row needs one.

    Raises:
        Problem: They have not.
    """
    if row.in_family and context.family_id is None:
        raise Problem(problems.NO_FAMILY)
