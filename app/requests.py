"""What every handler does with a request: whose it is, and what it says."""

from dataclasses import dataclass
from typing import TypeVar, cast
from urllib.parse import parse_qsl
from uuid import UUID

import pydantic
from starlette.requests import Request

from app import errors
from app.database import Context, Database
from app.errors import Problem
from app.health import Health
from app.models import Request as RequestModel
from app.settings import Settings
from app.tokens import InvalidTokenError, KeysUnavailableError, Tokens

Model = TypeVar("Model", bound=RequestModel)


@dataclass(frozen=True)
class Services:
    """What the lifespan makes and every handler may use."""

    settings: Settings
    database: Database
    tokens: Tokens
    health: Health


def services(request: Request) -> Services:
    """Return the services of the application that serves the request."""
    return cast(Services, request.state.services)


def request_id(request: Request) -> UUID:
    """Return the id that the middleware gave the request."""
    return cast(UUID, request.state.request_id)


async def authenticate(request: Request) -> Context:
    """Return the context that the bearer token claims.

    Raises:
        Problem: There is no bearer token (RFC 6750), or it is not valid.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Problem(errors.UNAUTHENTICATED)
    try:
        return await services(request).tokens.verify(token.strip())
    except KeysUnavailableError:
        raise Problem(errors.UNAVAILABLE, "The token's issuer does not answer.") from None
    except InvalidTokenError:
        raise Problem(
            errors.UNAUTHENTICATED,
            "The access token is not valid.",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        ) from None


async def read_body(request: Request, model: type[Model]) -> Model:
    """Read the body and check it against its model.

    Raises:
        Problem: It is too large, is not JSON, or has fields that are wrong; each is pointed at.
    """
    limit = services(request).settings.max_body_bytes
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise Problem(errors.TOO_LARGE, f"The body may have {limit} bytes.")
    try:
        return model.model_validate_json(bytes(content), strict=True)
    except pydantic.ValidationError as error:
        raise errors.from_validation(error.errors(), inside="body") from None


def read_query(request: Request, model: type[Model]) -> Model:
    """Check the query string against its model.

    Raises:
        Problem: A parameter is unknown, wrong or given twice.
    """
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = [name for name in values if names.count(name) > 1]
        entries = [{"parameter": name, "detail": "is given more than once"} for name in twice]
        raise Problem(errors.INVALID, errors=entries)
    try:
        return model.model_validate(values)
    except pydantic.ValidationError as error:
        raise errors.from_validation(error.errors(), inside="query") from None
