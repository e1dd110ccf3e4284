"""Errors as the client sees them: RFC 9457 problem documents, and the way there from SQLSTATE.

`docs/reference/error-codes.md` and `/problems` list every code; a test holds them together.
"""

import json
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import pydantic
from pydantic_core import ErrorDetails
from starlette.responses import Response

from app.http.fields import PATTERNS


@dataclass(frozen=True)
class ProblemType:
    """A problem type.

    Args:
        code: The end of its `type` URI.
        status: The HTTP status.
        title: A sentence, the same for every problem of the type.
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


MALFORMED = ProblemType(
    "malformed",
    400,
    "The request could not be read.",
    "the body is not JSON, or a header cannot be read or does not go with the method",
)
UNAUTHENTICATED = ProblemType(
    "unauthenticated",
    401,
    "Sign in first.",
    "there is no access token, or it is not valid",
)
INVALID_CREDENTIALS = ProblemType(
    "invalid-credentials",
    401,
    "The e-mail address or the password is wrong.",
    "sign-in with a wrong address or password; which of the two is not said",
)
INVALID_REFRESH_TOKEN = ProblemType(
    "invalid-refresh-token",
    401,
    "The refresh token is not valid.",
    "the refresh token is unknown, expired, revoked or was used before",
)
OUTDATED_TOKEN = ProblemType(
    "outdated-token",
    401,
    "Your access token is out of date; refresh it.",
    "the token was true once: since then the member was removed or got another role, the account "
    "or the family was retired, or the session ended. Refresh, or sign in",
)
FORBIDDEN = ProblemType(
    "forbidden",
    403,
    "You may not do this.",
    "you can see it, but you may not do this with it",
)
NO_FAMILY = ProblemType(
    "no-family",
    403,
    "You have not chosen a family; create one or switch to one.",
    "the token is for no family: create one, or switch to one of yours",
)
INVALID_INVITATION = ProblemType(
    "invalid-invitation",
    403,
    "The invitation is not valid.",
    "the invitation is unknown, expired, revoked, was used before, or comes from "
    "somebody who may no longer invite; which of them is not said",
)
NOT_FOUND = ProblemType(
    "not-found",
    404,
    "This does not exist, or you cannot see it.",
    "it does not exist, or you may not see it: the response is the same",
)
METHOD_NOT_ALLOWED = ProblemType(
    "method-not-allowed",
    405,
    "This method is not supported here.",
    "the path exists, but not with this method; `Allow` lists those it has",
)
CONFLICT = ProblemType(
    "conflict",
    409,
    "The request conflicts with what exists.",
    "a unique or foreign key stands against it; `detail` says which in words, and `errors` points "
    "at the fields of it that the body has",
)
LAST_OWNER = ProblemType(
    "last-owner",
    409,
    "A family needs at least one owner.",
    "it would leave a family without an owner",
)
PRECONDITION_FAILED = ProblemType(
    "precondition-failed",
    412,
    "It has changed since you read it.",
    "`If-Match` names another version than the current one, which `ETag` has. Read it again, and "
    "decide",
)
CONTENT_TOO_LARGE = ProblemType(
    "content-too-large",
    413,
    "The request body is too large.",
    "the body is larger than one of its kind can be, or than `MAX_BODY_BYTES`, or the results of a "
    "batch are too large together; `detail` says how large it may be",
)
UNSUPPORTED_MEDIA = ProblemType(
    "unsupported-media-type",
    415,
    "The body must be plain JSON.",
    "the body is not sent as `application/json`, or is compressed",
)
VALIDATION_FAILED = ProblemType(
    "validation-failed",
    422,
    "The request has invalid values.",
    "some values are not allowed; `errors` points at each, or at the first 50, and says what is",
)
IDEMPOTENCY_KEY_REUSED = ProblemType(
    "idempotency-key-reused",
    409,
    "The Idempotency-Key was used for another request.",
    "within a day, the same `Idempotency-Key` was used for a request that is not this one",
)
RATE_LIMIT_EXCEEDED = ProblemType(
    "rate-limit-exceeded",
    429,
    "Too many attempts; wait before the next one.",
    "too many attempts to sign in, to sign up or to change the password, or too much kept of the "
    "last day under an `Idempotency-Key`; `Retry-After` says in how many seconds you may try again",
)
HEADERS_TOO_LARGE = ProblemType(
    "headers-too-large",
    431,
    "The request headers are too large.",
    "the URL and the headers have more than 16384 bytes together",
)
INTERNAL = ProblemType(
    "internal",
    500,
    "Something went wrong on our side.",
    "it is our fault; the log has it under the `request_id`",
)
UNAVAILABLE = ProblemType(
    "unavailable",
    503,
    "The service is not available right now; try again.",
    "the database is away, busy or restarting, the issuer of a token does not respond, or others "
    "keep changing what is to be changed; "
    "`Retry-After` says when to try again",
)
TIMEOUT = ProblemType(
    "timeout",
    504,
    "The request took too long.",
    "the request, or a statement of it, took longer than it may (`REQUEST_TIMEOUT`); nothing was "
    "written",
)

OUTCOME_UNKNOWN = ProblemType(
    "outcome-unknown",
    504,
    "Whether it was done is not known.",
    "the database went away, or the time was over, while it was asked to keep what the request had "
    "written. With an `Idempotency-Key`, send the same request again: it is done once. Without, "
    "read what is there before you send it again",
)

PROBLEM_TYPES = tuple(value for value in list(globals().values()) if isinstance(value, ProblemType))

# SQLSTATE to problem type; a two-character entry stands for its class (PostgreSQL documentation,
# appendix A). ZH codes are raised by sql/functions.
SQLSTATES: Mapping[str, ProblemType] = {
    "ZH001": OUTDATED_TOKEN,
    "ZH002": LAST_OWNER,
    "ZH003": FORBIDDEN,
    "ZH004": INVALID_INVITATION,
    "ZH005": CONFLICT,
    "ZH006": RATE_LIMIT_EXCEEDED,
    "42501": FORBIDDEN,
    "23502": VALIDATION_FAILED,
    "23503": CONFLICT,
    "23505": CONFLICT,
    "23514": VALIDATION_FAILED,
    "22": VALIDATION_FAILED,
    "57014": TIMEOUT,
    "25P03": TIMEOUT,
    "25P04": TIMEOUT,
    "25006": UNAVAILABLE,
    "55P03": UNAVAILABLE,
    "40": UNAVAILABLE,
    "53": UNAVAILABLE,
    "57": UNAVAILABLE,
    "08": UNAVAILABLE,
    "28": UNAVAILABLE,
    "3D": UNAVAILABLE,
}


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it so
    """A request that ends in a problem document.

    Args:
        type: What went wrong.
        detail: A sentence for this occurrence, if it says more than the type's title. Never holds
            SQL, secrets or values that the client has not sent.
        errors: One entry a field: `pointer` (RFC 6901, into the body) or `parameter`, and `detail`.
        headers: Further response headers.
    """

    def __init__(
        self,
        type: ProblemType,  # noqa: A002 - RFC 9457 calls it so
        detail: str | None = None,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(type.code)
        self.type = type
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
        entries = entries or [{"pointer": pointer, "detail": self.detail or self.type.title}]
        headers = {name: value for name, value in self.headers.items() if name != "ETag"}
        return Problem(self.type, self.detail, errors=entries, headers=headers)


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
    type_ = SQLSTATES.get(state) or SQLSTATES.get(state[:2]) or INTERNAL
    if state == "ZH005":
        # Ours, of a body: its detail is the pointer, and its message holds no value.
        return Problem(type_, errors=[{"pointer": str(error.detail), "detail": error.args[0]}])
    broken = constraints.get(getattr(error, "constraint_name", None) or "", {})
    sentence = broken.get("comment")
    # A trigger of ours may name the column; PostgreSQL names the constraint.
    column = getattr(error, "column_name", None)
    looked_at = [column] if column else broken.get("fields") or ()
    blamed = [field for field in looked_at if field in fields]
    entries = [{"pointer": f"/{field}", "detail": sentence or type_.title} for field in blamed]
    return Problem(type_, sentence, errors=entries)


# What pydantic finds, by its own types of error, in our words. Sources of the values in braces:
# pydantic's "Validation Errors", and `fields`: what is allowed.
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a field here; there are: {fields}",
    "string_type": "must be a text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "date_type": "must be a day such as 2026-03-29",
    "list_type": "must be a list",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "dict_type": "must be an object",
    "model_type": "must be an object",
}


# So many wrong values are told: nobody reads more, and the response is not to be larger than the
# request. Of more than the second number none is told, as to describe one costs to describe all.
MAX_ERRORS = 50
MAX_DESCRIBED = 1000


def from_validation(
    found: pydantic.ValidationError, *, inside: str, fields: Collection[str]
) -> Problem:
    """Return the problem for what pydantic found.

    Args:
        found: All of it.
        inside: `body` or `query`.
        fields: The fields that there are, of the body or the query string.
    """
    count = found.error_count()
    if count > MAX_DESCRIBED:
        return Problem(VALIDATION_FAILED, f"{count} values are wrong.")
    errors = found.errors(include_url=False)[:MAX_ERRORS]
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(MALFORMED, "The body is not valid JSON.")
    allowed = ", ".join(fields)
    entries = [_entry(error, inside, allowed) for error in errors]
    detail = f"{count} values are wrong; these are the first." if count > MAX_ERRORS else None
    return Problem(VALIDATION_FAILED, detail, errors=entries)


# What a test sees to that nobody is told.
UNKNOWN = "is not valid"


def _entry(error: ErrorDetails, inside: str, allowed: str) -> Mapping[str, str]:
    context, type_ = error.get("ctx", {}), error["type"]
    if isinstance(error["input"], str) and type_ in ("too_short", "too_long"):
        type_ = f"string_{type_}"  # of a text that a validator of ours has seen before
    if context.get("min_length") == 1:
        detail = "must not be empty"
    elif type_ == "value_error":
        detail = str(context["error"])
    elif type_ == "string_pattern_mismatch":
        detail = PATTERNS[context["pattern"]]
    else:
        detail = _WORDS.get(type_, UNKNOWN).format(**{**context, "fields": allowed})
    if inside == "query":
        return {"parameter": ".".join(map(str, error["loc"])), "detail": detail}
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in error["loc"])
    return {"pointer": "".join(f"/{part}" for part in escaped), "detail": detail}


def problem_response(problem: Problem, request_id: str | None) -> Response:
    """Render a problem document (RFC 9457)."""
    type_ = problem.type
    document: dict[str, object] = {
        "type": type_.uri,
        "title": type_.title,
        "status": type_.status,
        "code": type_.code,
    }
    if problem.detail is not None:
        document["detail"] = problem.detail
    if problem.errors:
        document["errors"] = list(problem.errors)
    if request_id is not None:
        document["request_id"] = request_id
    headers = dict(problem.headers)
    if type_.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    if type_ is UNAVAILABLE:
        headers.setdefault("Retry-After", "1")
    if type_ is RATE_LIMIT_EXCEEDED:
        headers.setdefault("Retry-After", "3600")
    return Response(
        json.dumps(document, ensure_ascii=False, separators=(",", ":")),
        status_code=type_.status,
        media_type="application/problem+json",
        headers=headers,
    )
