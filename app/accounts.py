"""Accounts: sign-up, sign-in, refresh, sign-out, password, switching between families.

These differ from all other endpoints in that tokens are made here and passwords checked.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app import attempts, errors
from app.database import Context, MemberRole, Transaction
from app.errors import Problem
from app.models import PasswordChange, Refresh, SignIn, SignUp
from app.passwords import hash_password, verify_password
from app.requests import authenticate, read_body, request_id, services
from app.tokens import hash_token, new_refresh_token


async def sign_up(request: Request) -> Response:
    """Make a user, a session, and a family with the user as its owner, or accept an invitation."""
    body = await read_body(request, SignUp)
    await attempts.count(request, attempts.of_sign_up(request))
    token = new_refresh_token()
    values = {
        **dict(body),
        "family_name": body.family_name or _family_name(body.full_name),
        "password_hash": await hash_password(body.password),
        "invitation_hash": None if body.invitation is None else hash_token(body.invitation),
        **_new_token(request, token),
    }
    session = await _run(request, None, "sign_up", values)
    return _signed_in(request, session, token, status=201)


async def sign_in(request: Request) -> Response:
    """Make a session for a user whose password is right."""
    body = await read_body(request, SignIn)
    email = await _folded(request, body.email)
    limits = attempts.of_sign_in(request, email)
    await attempts.count(request, *limits)
    token = new_refresh_token()
    credentials = await _credentials(request, None, "find_credentials", {"email": body.email})
    if not await verify_password(credentials.get("password_hash"), body.password):
        raise Problem(errors.INVALID_CREDENTIALS)
    await attempts.forgive(request, *limits)
    session = await _run(
        request, None, "open_session", {**credentials, **_new_token(request, token)}
    )
    if session is None:
        raise Problem(errors.INVALID_CREDENTIALS)
    return _signed_in(request, session, token)


async def _folded(request: Request, email: str) -> str:
    # As find_credentials folds it: Python's lower() and PostgreSQL's differ, and each spelling that
    # finds the account would be another subject.
    async def work(transaction: Transaction) -> str:
        return str(await transaction.value("fold_email", {"email": email}))

    return await services(request).database.run(None, work, read_only=True)


async def refresh(request: Request) -> Response:
    """Exchange a refresh token for a new one and a new access token."""
    body = await read_body(request, Refresh)
    token = new_refresh_token()
    new = _new_token(request, token)
    values = {
        "token_hash": hash_token(body.refresh_token),
        "new_token_hash": new["token_hash"],
        "expires_at": new["expires_at"],
    }
    session = await _run(request, None, "refresh_session", values)
    if session is None:
        raise Problem(errors.INVALID_REFRESH_TOKEN)
    return _signed_in(request, session, token)


async def sign_out(request: Request) -> Response:
    """End the session of the token; it is refused from now on."""
    context = await authenticate(request)
    if await _run(request, context, "close_session", {}) is None:
        raise Problem(errors.NOT_FOUND, "This token belongs to no session.")
    return Response(status_code=204)


async def change_password(request: Request) -> Response:
    """Replace the password and end the other sessions."""
    context = await authenticate(request)
    body = await read_body(request, PasswordChange)
    limit = attempts.of_password_change(request, context.session_id or context.user_id)
    await attempts.count(request, limit)
    credentials = await _credentials(request, context, "own_credentials", {})
    old_hash = credentials.get("password_hash")
    if not await verify_password(old_hash, body.old_password):
        raise _wrong_password()
    values = {"old_hash": old_hash, "new_hash": await hash_password(body.new_password)}
    if await _run(request, context, "change_password", values) is None:
        raise _wrong_password()
    await attempts.forgive(request, limit)
    return Response(status_code=204)


async def switch_family(request: Request) -> Response:
    """Move the session to another family of the user and answer with a token for it."""
    context = await authenticate(request)
    values = {"to_family_id": request.path_params["family_id"]}
    session = await _run(request, context, "switch_family", values)
    if session is None:
        raise Problem(errors.NOT_FOUND)
    session["session_id"] = context.session_id
    return _signed_in(request, session, None, not_after=context.token_expires_at)


async def _run(
    request: Request, context: Context | None, query: str, values: Mapping[str, object]
) -> Any:
    async def work(transaction: Transaction) -> Any:
        return await transaction.value(query, values)

    text = await services(request).database.run(context, work, request_id=request_id(request))
    return None if text is None else json.loads(text)


async def _credentials(
    request: Request, context: Context | None, query: str, values: Mapping[str, object]
) -> Mapping[str, Any]:
    async def work(transaction: Transaction) -> Mapping[str, Any]:
        rows = await transaction.rows(query, values)
        return rows[0] if rows else {}

    return await services(request).database.run(
        context, work, read_only=True, request_id=request_id(request)
    )


def _new_token(request: Request, token: str) -> Mapping[str, object]:
    lifetime = services(request).settings.refresh_token_lifetime
    return {"token_hash": hash_token(token), "expires_at": datetime.now(UTC) + lifetime}


def _family_name(full_name: str) -> str:
    return f"{full_name.lstrip()[:91]}'s home"


def _wrong_password() -> Problem:
    entry = {"pointer": "/old_password", "detail": "is not the current password"}
    return Problem(errors.INVALID, errors=[entry])


def _signed_in(
    request: Request,
    session: Mapping[str, Any],
    refresh_token: str | None,
    *,
    status: int = 200,
    not_after: datetime | None = None,
) -> Response:
    family_id, role = session["family_id"], session["role"]
    context = Context(
        user_id=UUID(session["user_id"]),
        session_id=_uuid(session["session_id"]),
        family_id=_uuid(family_id),
        role=None if role is None else MemberRole(role),
        token_expires_at=not_after,
    )
    answer = {
        "access_token": services(request).tokens.make(context),
        "token_type": "Bearer",
        "expires_in": int(services(request).settings.access_token_lifetime.total_seconds()),
        "refresh_token": refresh_token,
        "user_id": session["user_id"],
        "family_id": family_id,
        "role": role,
    }
    return JSONResponse(answer, status_code=status)


def _uuid(value: str | UUID | None) -> UUID | None:
    return value if value is None or isinstance(value, UUID) else UUID(value)
