"""Batch: several operations in one transaction."""

from typing import Any

from app.http import problems
from app.http.batch import Batch, run_batch
from app.http.endpoint import Resource, post
from app.http.models import Response
from app.resources.tasks import Task


class OperationResult(Response):
    """What an operation of a batch came to: what its own endpoint would have responded."""

    status: int
    etag: str | None
    body: Any | None


class BatchResult(Response):
    """What the operations of a batch came to, in their order."""

    example = {
        "results": [
            {"status": 201, "etag": '"1"', "body": Task.example},
            {"status": 200, "etag": None, "body": {"items": [Task.example], "next": None}},
        ]
    }

    results: list[OperationResult]


batch = Resource(
    "Batch",
    "Several operations in one transaction.",
    (
        post(
            "/v1/batch",
            "Run up to 100 operations in one transaction: all of them or none",
            handler=run_batch,
            body=Batch,
            response=BatchResult,
            status=200,
            in_family=False,
            problems=(
                problems.FORBIDDEN,
                problems.NOT_FOUND,
                problems.CONFLICT,
                problems.LAST_OWNER,
                problems.PRECONDITION_FAILED,
            ),
        ),
    ),
)
