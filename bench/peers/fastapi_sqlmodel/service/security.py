"""Access tokens."""

import os
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import OAuth2PasswordBearer

oauth2_scheme = OAuth2PasswordBearer(tokenUrl="/v1/auth/signin")


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a verified token says."""

    context: dict[str, str]

    @property
    def user_id(self) -> UUID:
        """Whose token it is."""
        return UUID(self.context["sub"])

    @property
    def family_id(self) -> UUID:
        """The family it is for."""
        return UUID(self.context["family_id"])


async def get_claims(token: Annotated[str, Depends(oauth2_scheme)]) -> TokenClaims:
    """Verify the token of a request."""
    try:
        claims = jwt.decode(
            token,
            os.environ["JWT_SECRET"],
            algorithms=["HS256"],
            issuer="hearth",
            audience="hearth",
            options={"require": ["exp", "sub", "iss", "aud"]},
        )
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Sign in first.", {"WWW-Authenticate": "Bearer"}) from None
    return TokenClaims(
        {name: claims.get(name) or "" for name in ("sub", "sid", "family_id", "role")}
    )


Claims = Annotated[TokenClaims, Depends(get_claims)]


async def get_family_claims(claims: Claims) -> TokenClaims:
    """Require a family."""
    if not claims.context["family_id"]:
        raise HTTPException(403, "You have not chosen a family.")
    return claims


FamilyClaims = Annotated[TokenClaims, Depends(get_family_claims)]
