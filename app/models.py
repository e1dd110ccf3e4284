"""Request and response models. Limits repeat the checks of `sql/`, for better messages."""

import re
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from app.database import MemberRole

Visibility = Literal["private", "family"]
Item = TypeVar("Item")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _has_no_nul(text: str) -> str:
    # PostgreSQL's text cannot hold it.
    if "\x00" in text:
        raise ValueError("must not contain the character U+0000")
    return text


def _is_not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _read_day(value: object) -> object:
    # Pydantic takes a number in a string for seconds since 1970.
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise ValueError("must be a day such as 2030-12-31")
    return date.fromisoformat(value)


def _is_time_zone(name: str) -> str:
    if name != "UTC" and ("/" not in name or name not in _time_zones()):
        raise ValueError("must be a time zone such as Europe/Vienna")
    return name


Text = Annotated[str, AfterValidator(_has_no_nul)]
Line = Annotated[Text, AfterValidator(_is_not_blank)]
Title = Annotated[Line, StringConstraints(min_length=1, max_length=200)]
Name = Annotated[Line, StringConstraints(min_length=1, max_length=100)]
FullName = Annotated[Line, StringConstraints(min_length=1, max_length=200)]
TimeZone = Annotated[str, AfterValidator(_is_time_zone)]
Email = Annotated[Text, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]
Day = Annotated[date, BeforeValidator(_read_day), Field(ge=date(1900, 1, 1), le=date(2999, 12, 31))]
# NIST SP 800-63B: at least 8 characters, no rules of composition; an end, so that hashing has one.
Password = Annotated[str, StringConstraints(min_length=8, max_length=256)]


class Request(BaseModel):
    """A request body, or the query string. Unknown fields are refused, so that no typo passes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def values(self) -> Mapping[str, object]:
        """Return the parameters of the query, by name."""
        return dict(self)


class Patch(Request):
    """A partial update: a field that is absent keeps its value.

    Raises:
        ValueError: Nothing is given, or null where the column takes none.
    """

    nullable: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*")
    @classmethod
    def _is_null_only_where_it_may(cls, value: object, info: ValidationInfo) -> object:
        # Absent fields do not come here.
        if value is None and info.field_name not in cls.nullable:
            raise ValueError("must not be null")
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must change at least one field")
        return self

    def values(self) -> Mapping[str, object]:
        """Return the given fields as one JSON document, the parameter `patch`."""
        return {"patch": self.model_dump_json(exclude_unset=True)}


class Page(Request):
    """Which page of a list."""

    limit: int = Field(default=20, ge=1, le=100)
    cursor: str | None = Field(default=None, pattern=r"^\d{1,17}_[0-9a-f-]{36}$")

    # Where the first page starts: before every row, or after it in a list that runs backwards.
    first_at: ClassVar[datetime] = datetime.min  # noqa: DTZ901 - asyncpg's -infinity
    first_id: ClassVar[UUID] = UUID(int=0)

    @field_validator("cursor")
    @classmethod
    def _cursor_is_one_of_ours(cls, value: str | None) -> str | None:
        if value is not None:
            _position(value)
        return value

    def values(self) -> Mapping[str, object]:
        """Return `limit`, and the row to start behind as `after_at` and `after_id`."""
        after_at, after_id = (
            (self.first_at, self.first_id) if self.cursor is None else _position(self.cursor)
        )
        rest = {key: value for key, value in self if key != "cursor"}
        return {**rest, "after_at": after_at, "after_id": after_id}


class BackwardPage(Page):
    """Which page of a list that runs from the newest to the oldest."""

    first_at: ClassVar[datetime] = datetime.max  # noqa: DTZ901 - asyncpg's infinity
    first_id: ClassVar[UUID] = UUID(int=2**128 - 1)


def _position(cursor: str) -> tuple[datetime, UUID]:
    microseconds, _, row_id = cursor.partition("_")
    try:
        return _EPOCH + timedelta(microseconds=int(microseconds)), UUID(row_id)
    except (ValueError, OverflowError):
        raise ValueError("is not a cursor of this list") from None


class SignUp(Request):
    """A new account, with a family of its own."""

    email: Email
    password: Password
    full_name: FullName
    family_name: Name | None = None
    time_zone: TimeZone = "UTC"


class SignIn(Request):
    """E-mail address and password."""

    email: Email
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Refresh(Request):
    """A refresh token, good for one use."""

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class PasswordChange(Request):
    """The password that is, and the one that shall be."""

    old_password: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    new_password: Password


class MePatch(Patch):
    """What a person may change of the account."""

    full_name: FullName | None = None
    time_zone: TimeZone | None = None
    is_notified: bool | None = None


class FamilyNew(Request):
    """A family to make; the time zone defaults to the user's own."""

    name: Name
    time_zone: TimeZone | None = None


class FamilyPatch(Patch):
    """What may change of a family."""

    name: Name | None = None
    time_zone: TimeZone | None = None


class MemberPatch(Patch):
    """What may change of a membership."""

    role: MemberRole | None = None
    display_name: Name | None = None


class TaskNew(Request):
    """A task to make, for the signed-in user."""

    title: Title
    description: Annotated[Text, StringConstraints(max_length=1000)] | None = None
    due_on: Day | None = None
    visibility: Visibility = "private"
    is_completed: bool = False


class TaskPatch(Patch):
    """What may change of a task."""

    nullable: ClassVar[frozenset[str]] = frozenset({"description", "due_on"})

    title: Title | None = None
    description: Annotated[Text, StringConstraints(max_length=1000)] | None = None
    due_on: Day | None = None
    visibility: Visibility | None = None
    is_completed: bool | None = None


class TaskPage(BackwardPage):
    """Which tasks: done or not, due from one day to another, both included."""

    is_completed: bool | None = None
    due_from: Day | None = None
    due_to: Day | None = None


class ConversationNew(Request):
    """A conversation to begin."""

    title: Title


class ConversationPatch(Patch):
    """What may change of a conversation."""

    title: Title | None = None


class MessageNew(Request):
    """A message to add; it will never change."""

    role: Literal["user", "assistant"]
    content: Annotated[Text, StringConstraints(min_length=1, max_length=5000)]


class Operation(Request):
    """A request to another endpoint, as a part of a batch."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: Annotated[Text, StringConstraints(pattern=r"^/v1/", max_length=2000)]
    body: dict[str, Any] | None = None
    if_match: Annotated[str, StringConstraints(max_length=1000)] | None = None


class Batch(Request):
    """Operations to do in one transaction, in this order."""

    operations: Annotated[list[Operation], Field(min_length=1, max_length=100)]


class Response(BaseModel):
    """What PostgreSQL builds and the service passes on; tests hold the one against the other."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Versioned(Response):
    """The base pattern of a row that changes."""

    created_at: datetime
    updated_at: datetime
    row_version: int


class User(Versioned):
    """A user."""

    id: UUID
    email: str
    full_name: str
    time_zone: str
    is_notified: bool


class Family(Versioned):
    """A family."""

    id: UUID
    name: str
    time_zone: str


class MyFamily(Response):
    """A family of the user, with the role in it."""

    family: Family
    role: MemberRole


class Member(Versioned):
    """A member of the family."""

    user_id: UUID
    role: MemberRole
    display_name: str


class Task(Versioned):
    """A task."""

    id: UUID
    user_id: UUID
    title: str
    description: str | None
    due_on: date | None
    visibility: Visibility
    is_completed: bool
    completed_at: datetime | None


class Conversation(Versioned):
    """A conversation."""

    id: UUID
    user_id: UUID
    title: str


class Message(Response):
    """A message."""

    id: UUID
    conversation_id: UUID
    role: Literal["user", "assistant"]
    content: str
    created_at: datetime


class AuditRecord(Response):
    """A record of the audit trail."""

    id: UUID
    occurred_at: datetime
    action_type: Literal["insert", "update", "delete"]
    table_name: str
    row_key: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    actor_id: UUID | None
    actor_role: MemberRole | None
    metadata: dict[str, Any]


class List(Response, Generic[Item]):
    """A page of a list; `next` is the cursor of the page after it, null on the last."""

    items: list[Item]
    next: str | None


class SignedIn(Response):
    """Tokens, and for whom they are; no family when the user belongs to none."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="seconds until the access token expires")
    refresh_token: str | None = Field(description="null where the one at hand stays good")
    user_id: UUID
    family_id: UUID | None
    role: MemberRole | None


class OperationDone(Response):
    """What an operation of a batch came to: what its own endpoint would have answered."""

    status: int
    etag: str | None
    body: Any | None


class BatchDone(Response):
    """What the operations of a batch came to, in their order."""

    results: list[OperationDone]
