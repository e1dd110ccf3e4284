"""The batch: several operations in one transaction, all or nothing."""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import asyncpg
from pydantic import Field, StringConstraints
from starlette.datastructures import URL
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.routing import compile_path

from app.db.context import Context
from app.db.pool import Transaction
from app.http import problems
from app.http.endpoint import Endpoint
from app.http.fields import ENTITY_TAGS, Text, matching, pattern
from app.http.handler import Result, etag_prefix, execute, path_values, require_family, run_once
from app.http.models import Request
from app.http.problems import Problem
from app.http.requests import (
    authenticate,
    parse_body,
    parse_query,
    read_content,
    services,
    versions_in,
)

# Bytes of a batch's results together; as a check on the table of kept responses has it, some for
# the frame.
MAX_RESULT_BYTES = 4_000_000
_TOO_MUCH = f"The results of a batch may have {MAX_RESULT_BYTES} bytes together."


class Operation(Request):
    """A request to another endpoint, as a part of a batch."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[
        Text, StringConstraints(pattern=pattern(r"^/v1/", "must begin with /v1/"), max_length=2000)
    ]
    body: dict[str, Any] | None = None
    if_match: Annotated[str, StringConstraints(max_length=1000), matching(ENTITY_TAGS)] | None = (
        None
    )


class Batch(Request):
    """Operations to run in one transaction, in this order."""

    example: ClassVar = {
        "operations": [
            {"method": "POST", "path": "/v1/tasks", "body": {"title": "Buy flour"}},
            {"method": "GET", "path": "/v1/tasks?limit=5"},
        ]
    }
    max_bytes = sys.maxsize  # MAX_BODY_BYTES alone decides

    operations: Annotated[list[Operation], Field(min_length=1, max_length=100)]


class Step(NamedTuple):
    """An operation whose row was found and whose values were checked."""

    row: Endpoint
    values: Mapping[str, object]
    wanted: list[int] | None


async def run_batch(request: HttpRequest) -> HttpResponse:
    """Run several operations in one transaction and respond with their results, in order.

    Raises:
        Problem: What the first operation that failed came to; the pointers lead to it. Nothing of
            the batch is left.
    """
    context = await authenticate(request)
    content = await read_content(request, Batch)
    batch = parse_body(content, Batch)
    at: int | None = None  # the operation at hand
    try:
        steps = []
        for at, operation in enumerate(batch.operations):  # noqa: B007 - read where it failed
            steps.append(_step(operation, services(request).endpoints, context))
        at = None

        async def run_all(transaction: Transaction) -> Result:
            nonlocal at
            results, size = [], 0
            for at, (row, values, wanted) in enumerate(steps):
                if at > 0:
                    # What was done before may have ended it: a role given away, a family retired.
                    await transaction.assert_context()
                results.append(_json(await execute(row, transaction, context, values, wanted)))
                size += len(results[-1].encode())
                if size > MAX_RESULT_BYTES:
                    raise Problem(problems.CONTENT_TOO_LARGE, _TOO_MUCH)  # noqa: TRY301 - undoes the batch
            at = None
            return Result(200, f'{{"results":[{",".join(results)}]}}')

        read_only = all(step.row.method == "GET" for step in steps)
        result = await run_once(request, context, run_all, content, read_only=read_only)
    except (asyncpg.PostgresError, Problem) as error:
        if at is None:
            raise
        if isinstance(error, asyncpg.PostgresError):
            constraints = services(request).database.constraints
            error = problems.from_database(error, constraints, steps[at].row.fields)
            error = error.within("/body") if error.errors else error
        raise error.within(f"/operations/{at}") from None
    return result.response()


def _step(operation: Operation, endpoints: Sequence[Endpoint], context: Context) -> Step:
    url = URL(operation.path)
    for row in endpoints:
        pattern, _, convertors = _compiled(row.path)
        found = pattern.match(url.path)
        if found is None or row.method != operation.method or not row.is_for_batches:
            continue
        require_family(row, context)
        if operation.if_match is not None and not row.is_conditional:
            entry = {"pointer": "/if_match", "detail": "goes with PUT, PATCH and DELETE"}
            raise Problem(problems.VALIDATION_FAILED, errors=[entry])
        if (operation.body is None) != (row.body is None):
            detail = "is missing" if row.body else "must be absent"
            raise Problem(
                problems.VALIDATION_FAILED, errors=[{"pointer": "/body", "detail": detail}]
            )
        in_path = {name: convertors[name].convert(text) for name, text in found.groupdict().items()}
        values: dict[str, object] = {
            **path_values(in_path),
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
            prefix = etag_prefix(row, context)
            wanted = versions_in(operation.if_match, prefix=prefix, name="if_match")
        return Step(row, values, wanted)
    detail = f"{operation.method} {url.path} is not an operation that a batch can run"
    raise Problem(problems.VALIDATION_FAILED, errors=[{"pointer": "/path", "detail": detail}])


def _json(result: Result) -> str:
    etag, body = json.dumps(result.etag), result.body or "null"
    return f'{{"status":{result.status},"etag":{etag},"body":{body}}}'


_compiled = cache(compile_path)
