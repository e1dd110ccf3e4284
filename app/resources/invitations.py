"""Invitations: asking somebody into the family."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.auth.tokens import hash_token
from app.db.context import MemberRole
from app.http import problems
from app.http.endpoint import Resource, delete, get, post
from app.http.fields import Email, Flag, Secret
from app.http.models import (
    EXAMPLE_USER_ID,
    EXAMPLE_VERSION,
    NewestFirst,
    Page,
    Request,
    Response,
    Versioned,
)
from app.resources.families import MyFamily


class InvitationCreate(Request):
    """Whom to ask into the family, and as what."""

    example = {"email": "grandma@example.com", "role": "member"}

    email: Email
    role: MemberRole = MemberRole.MEMBER


class InvitationFilter(NewestFirst):
    """Which invitations: those that wait for an answer, or those that were accepted or revoked."""

    is_pending: Flag = Field(
        default=True, description="those that wait, or those that were accepted or revoked"
    )


class InvitationToken(Request):
    """The token of an invitation, good for one use."""

    example = {"token": "u1mmVBHLRjy4hYPZ1Bs0YlKpyP9fWUSPjYq5mpM3kOI"}

    token: Secret

    def values(self) -> Mapping[str, object]:
        """Return the token's hash as `token_hash`: the token itself goes no further."""
        return {"token_hash": hash_token(self.token)}


class Invitation(Versioned):
    """An invitation. It counts while whoever gave it may still invite."""

    example = {
        "id": "019a9f40-3b2a-7a44-9d1e-6c5b4a392817",
        "user_id": EXAMPLE_USER_ID,
        "email": "grandma@example.com",
        "role": "member",
        "is_pending": True,
        "expires_at": "2029-11-27T17:35:09.482113+00:00",
        "accepted_at": None,
        "member_id": None,
        "revoked_at": None,
        **EXAMPLE_VERSION,
    }

    id: UUID
    user_id: UUID = Field(description="who invited")
    email: str
    role: MemberRole
    is_pending: bool = Field(description="neither accepted nor revoked")
    expires_at: datetime = Field(description="until when it may be accepted")
    accepted_at: datetime | None
    member_id: UUID | None = Field(description="who came")
    revoked_at: datetime | None


class InvitationCreated(Response):
    """An invitation, and its token, which is told this once: the client hands it on."""

    example = {"invitation": Invitation.example, "token": InvitationToken.example["token"]}

    invitation: Invitation
    token: str


invitations = Resource(
    "Invitations",
    "Asking somebody into the family.",
    (
        get(
            "/v1/invitations",
            "List invitations (owners and admins)",
            query="list_invitations",
            parameters=InvitationFilter,
            response=Page[Invitation],
            when_empty=problems.FORBIDDEN,
        ),
        post(
            "/v1/invitations",
            "Invite an e-mail address into the family (owners and admins)",
            query="create_invitation",
            body=InvitationCreate,
            response=InvitationCreated,
            accepts_idempotency_key=False,
            problems=(problems.FORBIDDEN, problems.CONFLICT),
        ),
        get(
            "/v1/invitations/{invitation_id:uuid}",
            "Get a pending invitation (owners and admins)",
            query="get_invitation",
            response=Invitation,
        ),
        delete(
            "/v1/invitations/{invitation_id:uuid}",
            "Revoke an invitation (owners and admins)",
            query="revoke_invitation",
        ),
        post(
            "/v1/invitations/accept",
            "Accept an invitation and join its family",
            query="accept_invitation",
            body=InvitationToken,
            response=MyFamily,
            status=200,
            in_family=False,
            problems=(problems.INVALID_INVITATION, problems.CONFLICT),
        ),
    ),
)
