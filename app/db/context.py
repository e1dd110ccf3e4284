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
    # The same as text: written once, for a context is used for many requests.
    texts: tuple[str, str | None, str | None, str | None] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Write it as text."""
        texts = (
            str(self.user_id),
            None if self.session_id is None else str(self.session_id),
            None if self.family_id is None else str(self.family_id),
            None if self.role is None else MemberRole(self.role).value,
        )
        object.__setattr__(self, "texts", texts)

    @property
    def personal(self) -> "Context":
        """The same without a family: for what is the person's own, whatever their role is now."""
        return replace(self, family_id=None, role=None)
