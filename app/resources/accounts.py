"""Accounts: sign up, the signed-in user, the password."""

import json
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse

from app.auth import rate_limits
from app.auth.passwords import hash_password, verify_password, weakness
from app.auth.tokens import hash_token, new_refresh_token
from app.http import problems
from app.http.endpoint import Resource, delete, get, patch, post
from app.http.fields import Email, FullName, Name, Password, Secret, TimeZone
from app.http.models import EXAMPLE_USER_ID, EXAMPLE_VERSION, Patch, Request, Versioned
from app.http.problems import Problem
from app.http.requests import authenticate, read_body
from app.resources.sessions import SignedIn, find_credentials, run_query, signed_in, token_values


class SignUp(Request):
    """A new account, with a family of its own, or an invitation to one."""

    example = {
        "email": "newcomer@example.com",
        "password": "correct horse battery",
        "full_name": "New Comer",
        "family_name": "The Comers",
        "time_zone": "Europe/Vienna",
    }

    email: Email
    password: Password
    full_name: FullName
    family_name: Name | None = None
    time_zone: TimeZone = "UTC"
    invitation: Secret | None = Field(
        default=None,
        description="the token of an invitation: to join that family, and make none",
    )


class PasswordChange(Request):
    """The password that is, and the one that shall be."""

    example = {
        "old_password": "correct horse battery",
        "new_password": "staple correct horse battery",
    }

    old_password: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    new_password: Password


class UserPatch(Patch):
    """What a person may change of the account."""

    example = {"full_name": "Ann Other", "time_zone": "Asia/Tokyo", "is_notified": False}

    full_name: FullName | None = None
    time_zone: TimeZone | None = None
    is_notified: bool | None = None


class User(Versioned):
    """A user."""

    example = {
        "id": EXAMPLE_USER_ID,
        "email": "newcomer@example.com",
        "full_name": "New Comer",
        "time_zone": "Europe/Vienna",
        "is_notified": True,
        **EXAMPLE_VERSION,
    }

    id: UUID
    email: str
    full_name: str
    time_zone: str
    is_notified: bool


async def sign_up(request: HttpRequest) -> HttpResponse:
    """Create a user, a session, and a family that the user owns, or accept an invitation."""
    body = await read_body(request, SignUp)
    about = (body.email, body.full_name, body.family_name or "")
    await _refuse_weak("/password", body.password, *about)
    async with rate_limits.turn(request):
        await rate_limits.count(request, *rate_limits.of_sign_up(request))
        password_hash = await hash_password(body.password)
    key = await run_query(request, None, "get_email_key", {"email": body.email}, read_only=True)
    token = new_refresh_token()
    values = {
        **dict(body),
        "family_name": body.family_name or _family_name(body.full_name),
        "password_hash": password_hash,
        "invitation_hash": None if body.invitation is None else hash_token(body.invitation),
        **token_values(request, token),
        "network_hash": rate_limits.network_hash(request, key),
    }
    session = await run_query(request, None, "sign_up", values)
    return signed_in(request, json.loads(session), token, status=201)


async def change_password(request: HttpRequest) -> HttpResponse:
    """Replace the password and end the other sessions."""
    context = (await authenticate(request)).personal
    body = await read_body(request, PasswordChange)
    shown = await run_query(
        request, context, "get_me", {"user_id": context.user_id}, read_only=True
    )
    me = json.loads(shown or "{}")
    about = (me.get("email", ""), me.get("full_name", ""))
    await _refuse_weak("/new_password", body.new_password, *about)
    limit = rate_limits.of_password_change(request, context.session_id or context.user_id)
    async with rate_limits.turn(request):
        await rate_limits.count(request, limit)
        credentials = await find_credentials(request, context, "own_credentials", {})
        old_hash = credentials.get("password_hash")
        if not await verify_password(old_hash, body.old_password):
            raise _wrong_password()
        values = {"old_hash": old_hash, "new_hash": await hash_password(body.new_password)}
    if await run_query(request, context, "change_password", values) is None:
        raise _wrong_password()
    await rate_limits.forgive(request, limit)
    return HttpResponse(status_code=204)


async def _refuse_weak(pointer: str, password: str, email: str, *names: str) -> None:
    # Without the top-level domain, which is in too many other words.
    if detail := await weakness(password, (email.rpartition(".")[0], *names)):
        raise Problem(problems.VALIDATION_FAILED, errors=[{"pointer": pointer, "detail": detail}])


def _family_name(full_name: str) -> str:
    return f"{full_name[:91]}'s home"


def _wrong_password() -> Problem:
    entry = {"pointer": "/old_password", "detail": "is not the current password"}
    return Problem(problems.VALIDATION_FAILED, errors=[entry])


accounts = Resource(
    "Accounts",
    "Sign up, and the signed-in user.",
    (
        post(
            "/v1/auth/signup",
            "Sign up, with a family of your own or an invitation to one",
            handler=sign_up,
            body=SignUp,
            response=SignedIn,
            signed_in=False,
            accepts_idempotency_key=False,
            problems=(
                problems.INVALID_INVITATION,
                problems.CONFLICT,
                problems.RATE_LIMIT_EXCEEDED,
            ),
        ),
        post(
            "/v1/auth/password",
            "Change the password and end the other sessions",
            handler=change_password,
            body=PasswordChange,
            status=204,
            in_family=False,
            accepts_idempotency_key=False,
            problems=(problems.RATE_LIMIT_EXCEEDED,),
        ),
        get("/v1/me", "Get the signed-in user", query="get_me", response=User, in_family=False),
        patch(
            "/v1/me",
            "Update the signed-in user",
            query="update_me",
            body=UserPatch,
            response=User,
            in_family=False,
        ),
        delete(
            "/v1/me",
            "Retire the account and end all its sessions",
            query="retire_account",
            in_family=False,
            problems=(problems.LAST_OWNER,),
        ),
    ),
)
