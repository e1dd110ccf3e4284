"""For whom a transaction acts."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class MemberRole(StrEnum):
    """The roles of a family, as in the type `app.member_role`."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Context:
    """For whom a transaction acts: a user, the session, and the family with the role in it."""

    user_id: UUID
    session_id: UUID | None = None
    family_id: UUID | None = None
    role: MemberRole | None = None
    # Until when the token said so; no token made from it lives longer. No part of who it is.
    token_expires_at: datetime | None = field(default=None, compare=False)

    @property
    def personal(self) -> "Context":
        """The same without a family: for what is the person's own, whatever their role is now."""
        return replace(self, family_id=None, role=None)
