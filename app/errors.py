"""Errors as the client sees them: RFC 9457 problem documents, and the way there from SQLSTATE.

`docs/error-codes.md` lists every code; a test holds the two together.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg
from pydantic_core import ErrorDetails
from starlette.responses import Response


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its code (the end of its `type` URI), HTTP status and title."""

    code: str
    status: int
    title: str


MALFORMED = Kind("malformed", 400, "The request could not be read.")
UNAUTHENTICATED = Kind("unauthenticated", 401, "Sign in first.")
INVALID_CREDENTIALS = Kind("invalid-credentials", 401, "E-mail address or password is wrong.")
INVALID_REFRESH_TOKEN = Kind("invalid-refresh-token", 401, "The refresh token is not valid.")
STALE_CONTEXT = Kind("stale-context", 401, "The token is no longer true; refresh it.")
FORBIDDEN = Kind("forbidden", 403, "You may not do this.")
NO_FAMILY = Kind("no-family", 403, "You stand in no family; make one or switch to one.")
NOT_FOUND = Kind("not-found", 404, "There is no such thing here.")
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "This method is not supported here.")
CONFLICT = Kind("conflict", 409, "The request conflicts with what is there.")
LAST_OWNER = Kind("last-owner", 409, "A family keeps at least one owner.")
STALE = Kind("stale", 412, "The thing has changed since; read it again.")
TOO_LARGE = Kind("too-large", 413, "The request body is too large.")
UNSUPPORTED_MEDIA = Kind("unsupported-media-type", 415, "The body must be plain JSON.")
INVALID = Kind("invalid", 422, "The request contains invalid values.")
KEY_REUSED = Kind("key-reused", 422, "The Idempotency-Key was used for another request.")
TOO_MANY = Kind("too-many-attempts", 429, "There were too many attempts; wait before the next.")
HEADERS_TOO_LARGE = Kind("headers-too-large", 431, "The request headers are too large.")
INTERNAL = Kind("internal", 500, "Something went wrong on our side.")
UNAVAILABLE = Kind("unavailable", 503, "Something this needs is not available; try again.")
TIMEOUT = Kind("timeout", 504, "The request took too long.")

KINDS = tuple(value for value in list(globals().values()) if isinstance(value, Kind))

# SQLSTATE to kind; a two-character entry stands for its class (PostgreSQL documentation,
# appendix A). ZH codes are raised by sql/functions.
SQLSTATES: Mapping[str, Kind] = {
    "ZH001": STALE_CONTEXT,
    "ZH002": LAST_OWNER,
    "ZH003": FORBIDDEN,
    "42501": FORBIDDEN,
    "23502": INVALID,
    "23503": CONFLICT,
    "23505": CONFLICT,
    "23514": INVALID,
    "22": INVALID,
    "57014": TIMEOUT,
    "55P03": UNAVAILABLE,
    "40": UNAVAILABLE,
    "53": UNAVAILABLE,
    "57": UNAVAILABLE,
    "08": UNAVAILABLE,
}


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it so
    """A request that ends in a problem document.

    Args:
        kind: What went wrong.
        detail: A sentence for this occurrence, if it says more than the kind's title. Never holds
            SQL, secrets or values that the client has not sent.
        errors: One entry a field: `pointer` (RFC 6901, into the body) or `parameter`, and `detail`.
        headers: Further response headers.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str | None = None,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind.code)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    def within(self, pointer: str) -> "Problem":
        """Return the same problem of a part of the body: its pointers lead on from `pointer`."""
        entries = [
            {"pointer": f"{pointer}/path", "detail": f"{entry['parameter']} {entry['detail']}"}
            if "parameter" in entry
            else {**entry, "pointer": pointer + entry["pointer"]}
            for entry in self.errors
        ]
        entries = entries or [{"pointer": pointer, "detail": self.detail or self.kind.title}]
        headers = {name: value for name, value in self.headers.items() if name != "ETag"}
        return Problem(self.kind, self.detail, errors=entries, headers=headers)


def from_database(error: asyncpg.PostgresError, comments: Mapping[str, str]) -> Problem:
    """Return the problem that a database error stands for.

    Args:
        error: What the server raised. Its message is not repeated: it may hold values.
        comments: Constraint name to the sentence in `comment on constraint`.
    """
    state = error.sqlstate or ""
    kind = SQLSTATES.get(state) or SQLSTATES.get(state[:2]) or INTERNAL
    headers = {"Retry-After": "1"} if kind is UNAVAILABLE else None
    return Problem(
        kind, comments.get(getattr(error, "constraint_name", None) or ""), headers=headers
    )


def from_validation(errors: Sequence[ErrorDetails], *, inside: str) -> Problem:
    """Return the problem for what pydantic found; `inside` is `body` or `query`."""
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(MALFORMED, "The body is not valid JSON.")
    return Problem(INVALID, errors=[_entry(error, inside) for error in errors])


def _entry(error: ErrorDetails, inside: str) -> Mapping[str, str]:
    detail = error["msg"].removeprefix("Value error, ")
    if inside == "query":
        return {"parameter": ".".join(map(str, error["loc"])), "detail": detail}
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in error["loc"])
    return {"pointer": "".join(f"/{part}" for part in escaped), "detail": detail}


def problem_response(problem: Problem, request_id: str | None) -> Response:
    """Render a problem document (RFC 9457)."""
    kind = problem.kind
    document: dict[str, object] = {
        "type": f"/problems/{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
    }
    if problem.detail is not None:
        document["detail"] = problem.detail
    if problem.errors:
        document["errors"] = list(problem.errors)
    if request_id is not None:
        document["request_id"] = request_id
    headers = dict(problem.headers)
    if kind.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    return Response(
        json.dumps(document, ensure_ascii=False, separators=(",", ":")),
        status_code=kind.status,
        media_type="application/problem+json",
        headers=headers,
    )
