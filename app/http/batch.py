"""The batch: several operations in one transaction, all or nothing."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import asyncpg
from pydantic import Field, StringConstraints
from starlette.datastructures import URL
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse

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
    has,
    parse_body,
    parse_query,
    read_content,
    services,
    versions_in,
)
from app.http.routing import Table

# Bytes of a batch's results together; as a check on the table of kept responses has it, some for
# the frame.
MAX_RESULT_BYTES = 4_000_000
_BEFORE = '{"results":['
_TOO_MUCH = f"The results of a batch may have {MAX_RESULT_BYTES} bytes together."


class Operation(Request):
    """A request to another endpoint, as a part of a batch."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[
        Text,
        StringConstraints(pattern=pattern(r"^/v1/", "must begin with /v1/"), max_length=2000),
        matching(r"^/v1/[^\u0000]*$"),
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

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing: its result is not kept, and may be asked for again."""
        return self.row.method == "GET"


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
            steps.append(_step(operation, services(request).batched, context))
        at = None
        # As each of them alone (handler.py).
        in_family = any(step.row.in_family for step in steps)
        if not in_family and not has(request, "Idempotency-Key"):
            context = context.personal

        async def run_all(transaction: Transaction) -> Result:
            nonlocal at
            await transaction.begin()  # what is wrong with the context is no operation's fault
            results, size = [], 0
            for at, step in enumerate(steps):
                if at > 0:
                    # What was done before may have ended it: a role given away, a family retired.
                    await transaction.assert_context()
                results.append(await _run(step, transaction, context, MAX_RESULT_BYTES - size))
                size += len(results[-1].encode())
            at = None
            kept = [
                "null" if step.is_read else result
                for step, result in zip(steps, results, strict=True)
            ]
            return Result(200, _together(results), kept_body=_together(kept))

        async def read_again(transaction: Transaction, kept: Result) -> Result:
            """Ask again what was only read; what was written is kept as it was."""
            body = kept.body or ""
            results, size = _apart(body), len(body.encode())
            for number, step in enumerate(steps):
                if not step.is_read:
                    continue
                try:
                    text = await _run(step, transaction, context, MAX_RESULT_BYTES - size)
                except Problem as problem:  # since then; the batch was done all the same
                    text = _json(Result(problem.type.status))
                results[number] = text
                size += len(text.encode())
            return replace(kept, body=_together(results))

        read_only = all(step.is_read for step in steps)
        result = await run_once(
            request, context, run_all, content, read_only=read_only, complete=read_again
        )
    except (asyncpg.PostgresError, Problem) as error:
        if at is None:
            raise
        if isinstance(error, asyncpg.PostgresError):
            constraints = services(request).database.constraints
            error = problems.from_database(error, constraints, steps[at].row.fields)
            error = error.within("/body") if error.errors else error
        raise error.within(f"/operations/{at}") from None
    return result.response()


def _step(operation: Operation, table: Table[Endpoint], context: Context) -> Step:
    url = URL(operation.path)
    found = table.find(url.path)
    row = None if found is None else found[0].rows.get(operation.method)
    if found is None or row is None:
        detail = f"{operation.method} {url.path} is not an operation that a batch can run"
        raise Problem(problems.NOT_FOUND, errors=[{"pointer": "/path", "detail": detail}])
    require_family(row, context)
    if operation.if_match is not None and not row.is_conditional:
        entry = {"pointer": "/if_match", "detail": "goes with PUT, PATCH and DELETE"}
        raise Problem(problems.VALIDATION_FAILED, errors=[entry])
    if (operation.body is None) != (row.body is None):
        detail = "is missing" if row.body else "must be absent"
        raise Problem(problems.VALIDATION_FAILED, errors=[{"pointer": "/body", "detail": detail}])
    values: dict[str, object] = {
        **path_values(found[1]),
        "may_create": operation.if_match is None,
    }
    if row.parameters is not None:
        values |= parse_query(url.query, row.parameters)
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


async def _run(step: Step, transaction: Transaction, context: Context, room: int) -> str:
    result = _json(await execute(step.row, transaction, context, step.values, step.wanted))
    if len(result.encode()) > room:
        raise Problem(problems.CONTENT_TOO_LARGE, _TOO_MUCH)
    return result


def _together(results: Sequence[str]) -> str:
    return f"{_BEFORE}{','.join(results)}]}}"


def _apart(body: str) -> list[str]:
    # Each as it was written: numbers that went through Python would be others.
    results, at, reader = [], len(_BEFORE), json.JSONDecoder()
    while body[at - 1] != "]":
        _, end = reader.raw_decode(body, at)
        results.append(body[at:end])
        at = end + 1
    return results


def _json(result: Result) -> str:
    etag, body = json.dumps(result.etag), result.body or "null"
    return f'{{"status":{result.status},"etag":{etag},"body":{body}}}'
