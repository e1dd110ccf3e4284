"""Sessions: sign in and out, refresh, switch between families.

These differ from other resources in that passwords are verified and tokens made here.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as HttpResponse

from app.auth import rate_limits
from app.auth.passwords import verify_password
from app.auth.tokens import hash_token, new_refresh_token
from app.db.context import Context, MemberRole
from app.db.pool import Transaction
from app.http import problems
from app.http.endpoint import Resource, post
from app.http.fields import Email, Secret
from app.http.models import EXAMPLE_FAMILY_ID, EXAMPLE_USER_ID, Request, Response
from app.http.problems import Problem
from app.http.requests import authenticate, read_body, request_id, services


class SignIn(Request):
    """E-mail address and password."""

    example = {"email": "newcomer@example.com", "password": "correct horse battery"}

    email: Email
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Refresh(Request):
    """A refresh token, good for one use."""

    example = {"refresh_token": "PSmXBnwXj5ZFkAyfyY9UHhcYIGKdJtA5bcbLA8FfPV4"}

    refresh_token: Secret


class SignedIn(Response):
    """Tokens, and for whom they are; no family when the user belongs to none."""

    example = {
        "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIuLi4ifQ.bm90LWEtdG9rZW4",
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": Refresh.example["refresh_token"],
        "user_id": EXAMPLE_USER_ID,
        "family_id": EXAMPLE_FAMILY_ID,
        "role": "owner",
    }

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="seconds until the access token expires")
    refresh_token: str | None = Field(description="null where the one at hand stays good")
    user_id: UUID
    family_id: UUID | None
    role: MemberRole | None


async def sign_in(request: HttpRequest) -> HttpResponse:
    """Open a session for a user whose password is right."""
    body = await read_body(request, SignIn)
    # As find_credentials compares it, or each spelling that finds the account would have limits of
    # its own.
    key = await run_query(request, None, "get_email_key", {"email": body.email}, read_only=True)
    token = new_refresh_token()
    who = {"email": body.email}
    async with rate_limits.turn(request):
        counted = await rate_limits.count(request, *rate_limits.of_sign_in(request, key))
        credentials = await find_credentials(request, None, "find_credentials", who)
        if not await verify_password(credentials.get("password_hash"), body.password):
            raise Problem(problems.INVALID_CREDENTIALS)
    await rate_limits.forgive(request, *counted)
    values = {
        **credentials,
        **token_values(request, token),
        "network_hash": rate_limits.network_hash(request, key),
    }
    session = await run_query(request, None, "open_session", values)
    if session is None:
        raise Problem(problems.INVALID_CREDENTIALS)
    return signed_in(request, json.loads(session), token)


async def refresh(request: HttpRequest) -> HttpResponse:
    """Exchange a refresh token for a new one and a new access token."""
    body = await read_body(request, Refresh)
    token = new_refresh_token()
    new = token_values(request, token)
    values = {
        "token_hash": hash_token(body.refresh_token),
        "new_token_hash": new["token_hash"],
        "lifetime": new["lifetime"],
    }
    session = await run_query(request, None, "refresh_session", values)
    if session is None:
        raise Problem(problems.INVALID_REFRESH_TOKEN)
    return signed_in(request, json.loads(session), token)


async def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session of the token; it is refused from now on."""
    context = (await authenticate(request)).personal
    if await run_query(request, context, "close_session", {}) is None:
        raise Problem(problems.NOT_FOUND, "This token belongs to no session.")
    return HttpResponse(status_code=204)


async def switch_family(request: HttpRequest) -> HttpResponse:
    """Move the session to another family of the user and respond with a token for it."""
    context = (await authenticate(request)).personal
    values = {"to_family_id": request.path_params["family_id"]}
    session = await run_query(request, context, "switch_family", values)
    if session is None:
        raise Problem(problems.NOT_FOUND)
    session = {**json.loads(session), "session_id": context.session_id}
    return signed_in(request, session, None, not_after=context.token_expires_at)


async def run_query(
    request: HttpRequest,
    context: Context | None,
    query: str,
    values: Mapping[str, object],
    *,
    read_only: bool = False,
) -> Any:
    """Run one query in a transaction and return its value."""

    async def operation(transaction: Transaction) -> Any:
        return await transaction.value(query, values)

    return await services(request).database.run(
        context, operation, read_only=read_only, request_id=request_id(request)
    )


async def find_credentials(
    request: HttpRequest, context: Context | None, query: str, values: Mapping[str, object]
) -> Mapping[str, Any]:
    """Return the row of a query about credentials; an empty one if there is none."""

    async def operation(transaction: Transaction) -> Mapping[str, Any]:
        return await transaction.row(query, values) or {}

    return await services(request).database.run(
        context, operation, read_only=True, request_id=request_id(request)
    )


def token_values(request: HttpRequest, token: str) -> Mapping[str, object]:
    """Return what the database has to know of a new refresh token: its hash, how long it lasts.

    Until when that is, the database says: it is its clock that ends the session.
    """
    lifetime = services(request).settings.refresh_token_lifetime
    return {"token_hash": hash_token(token), "lifetime": lifetime}


def signed_in(
    request: HttpRequest,
    session: Mapping[str, Any],
    refresh_token: str | None,
    *,
    status: int = 200,
    not_after: datetime | None = None,
) -> HttpResponse:
    """Respond with tokens for a session.

    Args:
        request: The request.
        session: The session as the database describes it.
        refresh_token: The new one; `None` where the one at hand stays good.
        status: The HTTP status.
        not_after: When the new access token expires at the latest.
    """
    family_id, role = session["family_id"], session["role"]
    context = Context(
        user_id=UUID(session["user_id"]),
        session_id=_uuid(session["session_id"]),
        family_id=_uuid(family_id),
        role=None if role is None else MemberRole(role),
        token_expires_at=not_after,
    )
    body = {
        "access_token": services(request).tokens.make(context),
        "token_type": "Bearer",
        "expires_in": services(request).tokens.expires_in(context),
        "refresh_token": refresh_token,
        "user_id": session["user_id"],
        "family_id": family_id,
        "role": role,
    }
    return JSONResponse(body, status_code=status)


def _uuid(value: str | UUID | None) -> UUID | None:
    return value if value is None or isinstance(value, UUID) else UUID(value)


sessions = Resource(
    "Sessions",
    "Sign in and out, refresh, switch between families.",
    (
        post(
            "/v1/auth/signin",
            "Sign in with e-mail address and password",
            handler=sign_in,
            body=SignIn,
            response=SignedIn,
            status=200,
            signed_in=False,
            accepts_idempotency_key=False,
            problems=(problems.INVALID_CREDENTIALS, problems.RATE_LIMIT_EXCEEDED),
        ),
        post(
            "/v1/auth/refresh",
            "Exchange a refresh token for new tokens",
            handler=refresh,
            body=Refresh,
            response=SignedIn,
            status=200,
            signed_in=False,
            accepts_idempotency_key=False,
            problems=(problems.INVALID_REFRESH_TOKEN,),
        ),
        post(
            "/v1/auth/signout",
            "Sign out and end the session",
            handler=sign_out,
            status=204,
            in_family=False,
            accepts_idempotency_key=False,
            problems=(problems.NOT_FOUND,),
        ),
        post(
            "/v1/families/{family_id:uuid}/token",
            "Switch to another of your families",
            handler=switch_family,
            response=SignedIn,
            status=200,
            in_family=False,
            accepts_idempotency_key=False,
        ),
    ),
)
