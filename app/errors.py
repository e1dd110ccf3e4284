"""Errors as the client sees them: RFC 9457 problem documents, and the way there from SQLSTATE.

`docs/error-codes.md` and `/problems` list every code; a test holds them together.
"""

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from pydantic_core import ErrorDetails
from starlette.responses import Response


@dataclass(frozen=True)
class Kind:
    """A kind of problem.

    Args:
        code: The end of its `type` URI.
        status: The HTTP status.
        title: A sentence, the same for every problem of the kind.
        when: When it happens, and what to do; Markdown.
    """

    code: str
    status: int
    title: str
    when: str

    @property
    def uri(self) -> str:
        """Its `type`, which leads to a page about it."""
        return f"/problems/{self.code}"


MALFORMED = Kind(
    "malformed",
    400,
    "The request could not be read.",
    "the body is not JSON, or the request cannot be read",
)
UNAUTHENTICATED = Kind(
    "unauthenticated",
    401,
    "Sign in first.",
    "no access token, or one that is not valid",
)
INVALID_CREDENTIALS = Kind(
    "invalid-credentials",
    401,
    "E-mail address or password is wrong.",
    "sign-in with a wrong address or password; which of the two is not said",
)
INVALID_REFRESH_TOKEN = Kind(
    "invalid-refresh-token",
    401,
    "The refresh token is not valid.",
    "a refresh token that is unknown, expired, revoked or used before",
)
STALE_CONTEXT = Kind(
    "stale-context",
    401,
    "The token is no longer true; refresh it.",
    "the token was true once: the member was removed or got another role, the account or "
    "family was retired, the session was ended. Refresh, or sign in",
)
FORBIDDEN = Kind(
    "forbidden",
    403,
    "You may not do this.",
    "you see it, but may not do this",
)
NO_FAMILY = Kind(
    "no-family",
    403,
    "You stand in no family; make one or switch to one.",
    "you stand in no family: make one, or switch to one",
)
INVALID_INVITATION = Kind(
    "invalid-invitation",
    403,
    "The invitation is not valid.",
    "an invitation that is unknown, expired, revoked, used before, for another e-mail address, or "
    "from somebody who may not invite any more; which of them is not said",
)
NOT_FOUND = Kind(
    "not-found",
    404,
    "There is no such thing here.",
    "it is not there, or not for you: the answer is the same",
)
METHOD_NOT_ALLOWED = Kind(
    "method-not-allowed",
    405,
    "This method is not supported here.",
    "the path exists, but not with this method",
)
CONFLICT = Kind(
    "conflict",
    409,
    "The request conflicts with what is there.",
    "a unique or foreign key stands against it; `detail` says which in words, and `errors` points "
    "at the fields of it that the body has",
)
LAST_OWNER = Kind(
    "last-owner",
    409,
    "A family keeps at least one owner.",
    "it would leave a family without an owner",
)
STALE = Kind(
    "stale",
    412,
    "The thing has changed since; read it again.",
    "`If-Match` names another version than the one that is there; `ETag` has that one. Read "
    "it again, and decide",
)
TOO_LARGE = Kind(
    "too-large",
    413,
    "The request body is too large.",
    "the body is larger than `MAX_BODY_BYTES`",
)
UNSUPPORTED_MEDIA = Kind(
    "unsupported-media-type",
    415,
    "The body must be plain JSON.",
    "the body is not sent as `application/json`, or is compressed",
)
INVALID = Kind(
    "invalid",
    422,
    "The request contains invalid values.",
    "values that are wrong; `errors` points at each",
)
KEY_REUSED = Kind(
    "key-reused",
    422,
    "The Idempotency-Key was used for another request.",
    "the `Idempotency-Key` was used within a day for a request that is not this one",
)
TOO_MANY = Kind(
    "too-many-attempts",
    429,
    "There were too many attempts; wait before the next.",
    "too many attempts to sign in or up, or to change the password; `Retry-After` says in how "
    "many seconds there may be another",
)
HEADERS_TOO_LARGE = Kind(
    "headers-too-large",
    431,
    "The request headers are too large.",
    "the headers have more than 16384 bytes together",
)
INTERNAL = Kind(
    "internal",
    500,
    "Something went wrong on our side.",
    "our fault; the log has it under the `request_id`",
)
UNAVAILABLE = Kind(
    "unavailable",
    503,
    "Something this needs is not available; try again.",
    "the database is away, busy or restarting, or a token's issuer does not answer; "
    "`Retry-After` says when to try again",
)
TIMEOUT = Kind(
    "timeout",
    504,
    "The request took too long.",
    "the request, or a statement of it, took longer than it may (`REQUEST_TIMEOUT`)",
)

KINDS = tuple(value for value in list(globals().values()) if isinstance(value, Kind))

# SQLSTATE to kind; a two-character entry stands for its class (PostgreSQL documentation,
# appendix A). ZH codes are raised by sql/functions.
SQLSTATES: Mapping[str, Kind] = {
    "ZH001": STALE_CONTEXT,
    "ZH002": LAST_OWNER,
    "ZH003": FORBIDDEN,
    "ZH004": INVALID_INVITATION,
    "ZH005": INVALID,
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


def from_database(
    error: asyncpg.PostgresError,
    constraints: Mapping[str, Mapping[str, Any]],
    fields: Container[str] = (),
) -> Problem:
    """Return the problem that a database error stands for.

    Args:
        error: What the server raised. Its message is not repeated: it may hold values.
        constraints: Name to the row of list_constraints.
        fields: What the body may have; a broken constraint points at what it blames of these.
    """
    state = error.sqlstate or ""
    kind = SQLSTATES.get(state) or SQLSTATES.get(state[:2]) or INTERNAL
    if state == "ZH005":
        # Ours, of a body: its detail is the pointer, and its message holds no value.
        return Problem(kind, errors=[{"pointer": str(error.detail), "detail": error.args[0]}])
    broken = constraints.get(getattr(error, "constraint_name", None) or "", {})
    sentence = broken.get("comment")
    # A trigger of ours may name the column; PostgreSQL names the constraint.
    column = getattr(error, "column_name", None)
    looked_at = [column] if column else broken.get("fields") or ()
    blamed = [field for field in looked_at if field in fields]
    entries = [{"pointer": f"/{field}", "detail": sentence or kind.title} for field in blamed]
    return Problem(kind, sentence, errors=entries)


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
        "type": kind.uri,
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
    if kind is UNAVAILABLE:
        headers.setdefault("Retry-After", "1")
    return Response(
        json.dumps(document, ensure_ascii=False, separators=(",", ":")),
        status_code=kind.status,
        media_type="application/problem+json",
        headers=headers,
    )
