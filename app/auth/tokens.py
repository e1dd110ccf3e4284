"""Tokens: access tokens (JWT) made and verified, refresh tokens made and hashed.

Our own access tokens are HS256 with `JWT_SECRET`. With `JWKS_URL` set, tokens of that issuer are
taken as well: RS256, ES256 or EdDSA, by the keys published there.
"""

import asyncio
import hashlib
import json
import secrets
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import httpx
import jwt

from app.db.context import Context, MemberRole
from app.settings import Settings

OUTSIDE_ALGORITHMS = ("RS256", "ES256", "EdDSA")

# An unknown key id makes us ask the issuer again, but not more often than this (seconds), whatever
# it answered: a client that invents key ids must not make us hammer it.
REFETCH_INTERVAL = 30.0

# A key that the issuer has withdrawn is trusted no longer than this (seconds). From half of it on
# the keys are fetched anew, while those at hand go on: an issuer that hangs keeps nobody waiting.
KEYS_LIFETIME = 600.0

# Seconds that the issuer has for its whole answer.
FETCH_LIMIT = 5.0

# Bytes of its answer; a key has one or two thousand.
MAX_ANSWER = 262_144

# How far the clocks of two machines may differ (seconds).
LEEWAY = 10

# Our own tokens that are remembered as verified, about a kilobyte each: a signature holds for ever,
# and only its time is looked at again. That the session goes on, the database asserts anyway.
MAX_REMEMBERED = 10_000

_LEEWAY = timedelta(seconds=LEEWAY)


# What Python makes of claims that are no token's: numbers beyond a date, values of other types,
# JSON that is nested too deep.
_UNREADABLE = (
    *(ArithmeticError, AttributeError, LookupError, OSError, RecursionError),
    *(TypeError, ValueError),
)


class InvalidTokenError(Exception):
    """The token is malformed, expired, not for us or not signed by a key we trust."""


class _OutsideError(Exception):
    """The token is none of ours."""


class KeysUnavailableError(Exception):
    """The outside issuer's keys cannot be fetched: whether the token is right cannot be said."""


def new_refresh_token() -> str:
    """Return a refresh token: 32 random bytes, URL-safe."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """Return the SHA-256 of a refresh token or an invitation's: all that is ever stored of it."""
    return hashlib.sha256(token.encode()).digest()


class Tokens:
    """Makes and verifies access tokens.

    Args:
        settings: The secret, issuer, audience and lifetime; and where the outside keys are.

    Raises:
        SettingsError: `JWT_SECRET` is not set.
    """

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.require("jwt_secret")
        self._settings = settings
        self._read_own = lru_cache(MAX_REMEMBERED)(self._verify_own)
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._failure: str | None = None
        self._fetching: asyncio.Task[None] | None = None

    def make(self, context: Context) -> str:
        """Return an access token for a context, valid for `ACCESS_TOKEN_MINUTES` at the most.

        A context that came from a token gives a token that ends no later.
        """
        now = datetime.now(UTC)
        expires_at = now + self._settings.access_token_lifetime
        claims: dict[str, Any] = {
            "iss": "hearth",
            "aud": "hearth",
            "sub": str(context.user_id),
            "iat": now,
            "nbf": now,
            "exp": min(expires_at, context.token_expires_at or expires_at),
        }
        if context.session_id is not None:  # none where an outside issuer signed the user in
            claims["sid"] = str(context.session_id)
        if context.family_id is not None and context.role is not None:
            claims["family_id"] = str(context.family_id)
            claims["role"] = context.role.value
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def expires_in(self, context: Context) -> int:
        """Return in how many seconds a token that is made now for a context expires."""
        lifetime = self._settings.access_token_lifetime
        if context.token_expires_at is not None:
            lifetime = min(lifetime, context.token_expires_at - datetime.now(UTC))
        return max(int(lifetime.total_seconds()), 0)

    async def verify(self, token: str) -> Context:
        """Return the context that a token claims. That it still holds, the database asserts.

        Raises:
            InvalidTokenError: The token is not one of ours nor of the configured issuer, or its
                time has not come or is over.
            KeysUnavailableError: The issuer does not answer.
        """
        try:
            context = self._read_own(token)
        except _OutsideError:
            return await self._verify_outside(token)
        except (jwt.PyJWTError, *_UNREADABLE) as error:
            raise InvalidTokenError(type(error).__name__) from None
        assert context.token_expires_at is not None  # noqa: S101 - each token has it
        if context.token_expires_at <= datetime.now(UTC) - _LEEWAY:  # since it was remembered
            raise InvalidTokenError("expired")
        return context

    def _verify_own(self, token: str) -> Context:
        if jwt.get_unverified_header(token).get("alg") != "HS256":
            raise _OutsideError
        # Only our own tokens are HS256, so a public key can never pass for a secret.
        claims = self._decode(token, self._secret, "HS256", "hearth", "hearth")
        return _context(claims, session_id=claims.get("sid"))

    async def _verify_outside(self, token: str) -> Context:
        try:
            header = jwt.get_unverified_header(token)
            if self._settings.jwks_url is None or header.get("alg") not in OUTSIDE_ALGORITHMS:
                raise InvalidTokenError("algorithm")
            key = await self._key(str(header.get("kid")))
            claims = self._decode(
                token,
                key.key,
                key.algorithm_name,
                self._settings.jwt_issuer,
                self._settings.jwt_audience,
            )
            # Its `sid`, if there is one, names a session over there and none of ours.
            return _context(claims, session_id=None)
        except (jwt.PyJWTError, *_UNREADABLE) as error:
            raise InvalidTokenError(type(error).__name__) from None

    @staticmethod
    def _decode(token: str, key: Any, algorithm: str, issuer: str, audience: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer,
            audience=audience,
            leeway=LEEWAY,
            options={"require": ["exp", "sub", "iss", "aud"]},
        )
        return claims

    async def _key(self, key_id: str) -> jwt.PyJWK:
        now = time.monotonic()
        age = now - self._fetched_at
        is_due = age > KEYS_LIFETIME / 2 or key_id not in self._keys
        if is_due and self._fetching is None and now - self._asked_at > REFETCH_INTERVAL:
            self._asked_at = now
            self._fetching = asyncio.create_task(self._fetch_keys())
        if age <= KEYS_LIFETIME and key_id in self._keys:
            return self._keys[key_id]  # waits for nobody
        if self._fetching is not None:
            await asyncio.shield(self._fetching)  # who goes away does not end it for the others
        if self._failure is not None:
            raise KeysUnavailableError(self._failure)
        if time.monotonic() - self._fetched_at > KEYS_LIFETIME:
            raise KeysUnavailableError("too old")
        return self._keys[key_id]

    async def _fetch_keys(self) -> None:
        assert self._settings.jwks_url is not None  # noqa: S101 - verify() has looked
        try:
            async with asyncio.timeout(FETCH_LIMIT):
                document = json.loads(await _download(self._settings.jwks_url))
            keys = jwt.PyJWKSet.from_dict(document).keys if document["keys"] else []
        except Exception as error:  # noqa: BLE001 - whatever the issuer does, it has no keys for us
            self._failure = type(error).__name__
        else:
            self._failure = None
            self._fetched_at = time.monotonic()
            self._keys = {
                key.key_id: key
                for key in keys
                if key.key_id is not None and key.algorithm_name in OUTSIDE_ALGORITHMS
            }
        finally:
            self._fetching = None


async def _download(url: str) -> bytes:
    content = b""
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        async for part in response.raise_for_status().aiter_bytes():
            content += part
            if len(content) > MAX_ANSWER:
                raise ValueError("too long")
    return content


def _context(claims: dict[str, Any], *, session_id: str | None) -> Context:
    family_id, role = claims.get("family_id"), claims.get("role")
    # Where there is no family of ours, a role is another system's.
    return Context(
        user_id=UUID(claims["sub"]),
        session_id=UUID(session_id) if session_id is not None else None,
        family_id=UUID(family_id) if family_id is not None else None,
        role=None if family_id is None else MemberRole(str(role)),
        token_expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
