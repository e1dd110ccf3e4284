"""What every handler does with a request: whose it is, and what it says."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar, cast
from urllib.parse import parse_qsl
from uuid import UUID

import pydantic
from starlette.requests import Request

from app.auth.tokens import InvalidTokenError, KeysUnavailableError, Tokens
from app.db.context import Context
from app.db.pool import Database
from app.fair_queue import FairQueue
from app.health.monitor import Monitor
from app.http import problems
from app.http.endpoint import Endpoint
from app.http.fields import ENTITY_TAGS
from app.http.models import Request as RequestModel
from app.http.problems import Problem
from app.http.routing import Table
from app.http.server import Drain
from app.settings import Settings

Model = TypeVar("Model", bound=RequestModel)

# No list takes a fifth of it.
MAX_PARAMETERS = 50

# Characters of a query string that is remembered as parsed: most are a first page's.
MAX_REMEMBERED = 64


@dataclass(frozen=True)
class Services:
    """What the lifespan makes and every handler may use."""

    settings: Settings
    database: Database
    tokens: Tokens
    health: Monitor
    passwords: FairQueue
    drain: Drain
    batched: Table[Endpoint]  # what a batch can run


def services(request: Request) -> Services:
    """Return the services of the application that serves the request."""
    return cast(Services, request.scope["state"]["services"])


def request_id(request: Request) -> UUID:
    """Return the id that the middleware gave the request."""
    return cast(UUID, request.scope["state"]["request_id"])


def has(request: Request, name: str) -> bool:
    """Say whether a request has a header."""
    return _NAMES[name] in request.scope["state"]["headers"]


async def authenticate(request: Request) -> Context:
    """Return the context that the bearer token claims.

    Raises:
        Problem: There is no bearer token (RFC 6750), or it is not valid.
    """
    state = request.scope["state"]
    scheme, _, token = state["headers"].get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem(problems.UNAUTHENTICATED)
    try:
        context = await services(request).tokens.verify(token.strip())
    except KeysUnavailableError:
        raise Problem(problems.UNAVAILABLE, "The token's issuer does not answer.") from None
    except InvalidTokenError:
        raise Problem(
            problems.UNAUTHENTICATED,
            "The access token is not valid.",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        ) from None
    state["context"] = context  # for the log
    return context


async def read_content(request: Request, model: type[RequestModel]) -> bytes:
    """Read the JSON body of a model, as it is.

    Raises:
        Problem: It is larger than one of this model can be, or says that it is something else.
    """
    limit = min(services(request).settings.max_body_bytes, model.max_bytes)
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if media_type != "application/json" or encoding != "identity":
        raise Problem(
            problems.UNSUPPORTED_MEDIA,
            "Send it as Content-Type: application/json.",
            headers={"Accept": "application/json"},
        )
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise Problem(problems.CONTENT_TOO_LARGE, f"The body may have {limit} bytes.")
    return bytes(content)


async def read_body(request: Request, model: type[Model]) -> Model:
    """Read the body and check it against its model.

    Raises:
        Problem: It is too large, is not JSON, or has fields that are wrong; they are pointed at.
    """
    return parse_body(await read_content(request, model), model)


def parse_body(content: bytes, model: type[Model]) -> Model:
    """Check a body against its model.

    Raises:
        Problem: It is not JSON, or has fields that are wrong; they are pointed at.
    """
    try:
        return model.model_validate_json(content, strict=True)
    except pydantic.ValidationError as error:
        raise problems.from_validation(error, inside="body", fields=model.model_fields) from None


def parse_query(query: str, model: type[RequestModel]) -> Mapping[str, object]:
    """Check a query string against its model, and return the parameters of the query.

    Raises:
        Problem: A parameter is unknown, wrong or given twice, or there are too many.
    """
    return _parsed(query, model) if len(query) <= MAX_REMEMBERED else _parse(query, model)


def _parse(query: str, model: type[RequestModel]) -> Mapping[str, object]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        detail = f"The query string may have {MAX_PARAMETERS} parameters."
        raise Problem(problems.VALIDATION_FAILED, detail) from None
    times = Counter(name for name, _ in pairs)
    if twice := [name for name, count in times.items() if count > 1]:
        entries = [{"parameter": name, "detail": "is given more than once"} for name in twice]
        raise Problem(problems.VALIDATION_FAILED, errors=entries)
    try:
        return model.model_validate(dict(pairs)).values()
    except pydantic.ValidationError as error:
        raise problems.from_validation(error, inside="query", fields=_names(model)) from None


_parsed = lru_cache(1024)(_parse)


def _names(model: type[RequestModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


# Of each tag of such a list: whether it is weak, and what is in it. Ours are strong, and a number.
_TAG = re.compile(r'(W/)?"([^"]*)"')


def versions_in(text: str, *, prefix: str, name: str) -> list[int] | None:
    """Return the versions that an `If-Match` names; `None` for `*`, which any fits.

    Args:
        text: The header's value. Tags that are weak or not ours fit nothing.
        prefix: What a tag of the thing begins with.
        name: What to call it in a problem.

    Raises:
        Problem: It is no list of entity tags.
    """
    if not re.fullmatch(ENTITY_TAGS, text):
        raise Problem(problems.MALFORMED, f'{name}: write it as ETag has it, such as "3", or *.')
    if text.strip() == "*":
        return None
    strong = [tag for weak, tag in _TAG.findall(text) if not weak and tag.startswith(prefix)]
    numbers = [tag.removeprefix(prefix) for tag in strong]
    return [int(number) for number in numbers if re.fullmatch(r"[1-9]\d{0,17}", number, re.ASCII)]


def if_match(request: Request, *, prefix: str) -> list[int] | None:
    """Return the versions that a change wants to find; `None` if any will do.

    Raises:
        Problem: The header is no list of entity tags.
    """
    text = _header(request, "If-Match")
    return None if text is None else versions_in(text, prefix=prefix, name="If-Match")


def if_none_match(request: Request, etag: str) -> bool:
    """Say whether the client has this version; tags are compared weakly (RFC 9110, 13.1.2)."""
    text = _header(request, "If-None-Match") or ""
    return text.strip() == "*" or etag.strip('"') in {tag for _, tag in _TAG.findall(text)}


_GO_WITH = {
    "If-Match": ("PUT", "PATCH", "DELETE"),
    "If-None-Match": ("GET", "HEAD"),
    "Idempotency-Key": ("POST",),
}
_NAMES = {name: name.lower().encode() for name in _GO_WITH}


def refuse_misplaced(request: Request) -> None:
    """Refuse headers that would change what the request means, were they not ignored.

    Raises:
        Problem: One of them does not go with the method.
    """
    for name, methods in _GO_WITH.items():
        if has(request, name) and request.method not in methods:
            raise Problem(problems.MALFORMED, f"{name}: goes with {', '.join(methods)}.")


def _header(request: Request, name: str) -> str | None:
    # Sent twice, a list goes on (RFC 9110, 5.3).
    return ", ".join(request.headers.getlist(name)) if has(request, name) else None


def idempotency_key(request: Request) -> str | None:
    """Return the key of a POST that is to be done once, however often it is sent.

    Raises:
        Problem: The key is no text of 1 to 255 visible ASCII characters.
    """
    key = _header(request, "Idempotency-Key")
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise Problem(problems.MALFORMED, "Idempotency-Key: must have 1 to 255 visible characters.")
    return key
