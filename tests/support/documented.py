"""Hold every answer that the tests get against the OpenAPI document."""

import re

import httpx

from app.http import openapi
from app.resources import RESOURCES
from tests.support.tally import meet

DOCUMENT = openapi.document(RESOURCES)

_ID = "[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"


def _of_a_parameter(found: re.Match[str]) -> str:
    return _ID if found[1].endswith("_id") else "[^/]+"


_OPERATIONS = [
    (method.upper(), re.compile(re.sub(r"{(\w+)}", _of_a_parameter, path)), operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def _outcomes() -> set[tuple[str, str]]:
    """Return each outcome that is documented: an operation with a status, or a kind of problem."""
    return {
        (operation["operationId"], outcome)
        for _, _, operation in _OPERATIONS
        for status in operation["responses"]
        for outcome in resolve(operation, status)["outcomes"]
    }


def resolve(operation: openapi.Json, status: str) -> openapi.Json:
    """Return a response of the document, with `outcomes`: its status, or its codes of problems."""
    response = operation["responses"][status]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    problem = response.get("content", {}).get("application/problem+json")
    return {**response, "outcomes": list(problem["examples"]) if problem else [status]}


def _is_compact(text: str, name: str) -> None:
    """Fail if JSON has blanks between its parts; one style on the wire."""
    # But for the documents of the trail, which PostgreSQL keeps as jsonb and writes in its own.
    if '"row_key"' not in text:
        assert not re.search(r"\s", re.sub(r'"(?:[^"\\]|\\.)*"', "", text)), f"{name}: {text:.200}"


_LINE = (
    "{times:,} answers held against the document,"
    f" {{items}} of {len(_outcomes())} documented outcomes seen"
)


async def is_documented(answer: httpx.Response) -> None:
    """Fail unless the document has the answer: its status, its headers, its code if a problem."""
    request = answer.request
    method = "GET" if request.method == "HEAD" else request.method
    found = [
        operation
        for verb, pattern, operation in _OPERATIONS
        if verb == method and pattern.fullmatch(request.url.path)
    ]
    if not found:
        return
    name, status = found[0]["operationId"], str(answer.status_code)
    remedy = f"{name}: {status} is not in the OpenAPI document; see its row in app/resources"
    assert status in found[0]["responses"], remedy

    response = resolve(found[0], status)
    for header, about in response["headers"].items():
        is_required = DOCUMENT["components"]["headers"][about["$ref"].rpartition("/")[2]].get(
            "required"
        )
        assert header in answer.headers or not is_required, f"{name}: {status} without {header}"
    if request.method == "HEAD":
        return  # it shows nothing else

    outcome = status
    if "content" in response:
        await answer.aread()
        _is_compact(answer.text, name)
        assert answer.headers["Content-Type"] in response["content"], f"{name}: {status}"
        outcome = answer.json().get("code", status) if int(status) >= 400 else status
        assert outcome in response["outcomes"], (
            f"{name}: {outcome} is not in the OpenAPI document; see its row in app/resources"
        )
    meet("OpenAPI", f"{name} {outcome}", _LINE)
