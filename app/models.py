"""Request and response models. Limits repeat the checks of `sql/`, for better messages.

What a JSON Schema cannot know of a validator stands beside it as `json_schema_extra`.
"""

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


DAY = "^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}$"


def day_of(text: str) -> date:
    """Return the day that a text stands for.

    Raises:
        ValueError: It stands for none, or for one of another millennium.
    """
    if not re.fullmatch(DAY, text):
        raise ValueError("must be a day from 1900-01-01 to 2999-12-31")
    return date.fromisoformat(text)


def _read_day(value: object) -> object:
    # Pydantic takes a number in a string for seconds since 1970.
    return day_of(value) if isinstance(value, str) else value


# As in app.is_time_zone, which decides.
_ZONE = (
    "UTC|[A-Z][A-Za-z]*(/[A-Z][A-Za-z_]*(-[A-Za-z]+)*)+"
    r"|Etc/GMT(\+([0-9]|1[0-2])|-([0-9]|1[0-4]))?"
)


def _is_time_zone(name: str) -> str:
    if not re.fullmatch(_ZONE, name) or name not in _time_zones():
        raise ValueError("must be a time zone such as Europe/Vienna")
    return name


def _read_flag(value: object) -> object:
    # Pydantic takes yes, on and 1 as well.
    if isinstance(value, str) and value not in {"true", "false"}:
        raise ValueError("must be true or false")
    return value


def _read_number(value: object) -> object:
    # Pydantic takes 1_0, +10 and 10.0 as well.
    if isinstance(value, str) and not re.fullmatch("[0-9]{1,9}", value):
        raise ValueError("must be a whole number")
    return value


# What is not blank, as every dialect of regular expressions should have it: they differ in \s.
_INK = r"[^\s\u0000\u001c-\u001f\u0085]"


def _matching(pattern: str) -> Any:
    return Field(json_schema_extra={"pattern": pattern})


Text = Annotated[str, AfterValidator(_has_no_nul), _matching(r"^[^\u0000]*$")]
Line = Annotated[Text, AfterValidator(_is_not_blank), _matching(rf"^[^\u0000]*{_INK}[^\u0000]*$")]
Title = Annotated[Line, StringConstraints(min_length=1, max_length=200)]
Name = Annotated[Line, StringConstraints(min_length=1, max_length=100)]
FullName = Annotated[Line, StringConstraints(min_length=1, max_length=200)]
Description = Annotated[Text, StringConstraints(max_length=1000)]
TimeZone = Annotated[
    str,
    AfterValidator(_is_time_zone),
    Field(
        description="the name of a time zone of the IANA database",
        json_schema_extra={"format": "time-zone", "pattern": f"^({_ZONE})$"},
    ),
]
Email = Annotated[
    Text,
    StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$"),
    _matching(r"^[^@\s\u0000\u0085]+@[^@\s\u0000\u0085]+$"),
]
Day = Annotated[
    date,
    BeforeValidator(_read_day),
    Field(description="a day from 1900-01-01 to 2999-12-31"),
    _matching(DAY),
]
Flag = Annotated[bool, BeforeValidator(_read_flag)]
Visibility = Annotated[
    Literal["private", "family"],
    Field(description="who sees it: the owner alone, or everybody in the family"),
]
Speaker = Annotated[
    Literal["user", "assistant"], Field(description="whose words these are: a person's or not")
]
# NIST SP 800-63B: at least 8 characters, no rules of composition; an end, so that hashing has one.
Password = Annotated[str, StringConstraints(min_length=8, max_length=256)]


class Request(BaseModel):
    """A request body, or the query string. Unknown fields are refused, so that no typo passes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    example: ClassVar[Mapping[str, Any]]

    def values(self) -> Mapping[str, object]:
        """Return the parameters of the query, by name."""
        return dict(self)


def _in_words_of_json_schema(schema: dict[str, Any], model: type["Patch"]) -> None:
    # A default would mean that an absent field becomes null.
    schema["minProperties"] = 1
    for name, field in schema["properties"].items():
        del field["default"]
        if name not in model.nullable:
            choices = [choice for choice in field.pop("anyOf") if choice != {"type": "null"}]
            field |= choices[0]


class Patch(Request):
    """A partial update: a field that is absent keeps its value.

    Raises:
        ValueError: Nothing is given, or null where the column takes none.
    """

    model_config = ConfigDict(json_schema_extra=_in_words_of_json_schema)

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

    limit: Annotated[int, BeforeValidator(_read_number)] = Field(
        default=20, ge=1, le=100, description="how many items at most"
    )
    cursor: str | None = Field(
        default=None,
        pattern=r"^[0-9]{1,17}_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description="`next` of the page before; absent for the first page",
    )

    # Where the first page starts: before every row, or after it in a list that runs backwards.
    first_at: ClassVar[datetime] = datetime.min  # noqa: DTZ901 - asyncpg's -infinity
    first_id: ClassVar[UUID] = UUID(int=0)

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
    # The pattern leaves nothing that could fail: 17 digits of microseconds end in the year 5138.
    microseconds, _, row_id = cursor.partition("_")
    return _EPOCH + timedelta(microseconds=int(microseconds)), UUID(row_id)


class SignUp(Request):
    """A new account, with a family of its own."""

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


class SignIn(Request):
    """E-mail address and password."""

    example = {"email": "newcomer@example.com", "password": "correct horse battery"}

    email: Email
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Refresh(Request):
    """A refresh token, good for one use."""

    example = {"refresh_token": "PSmXBnwXj5ZFkAyfyY9UHhcYIGKdJtA5bcbLA8FfPV4"}

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class PasswordChange(Request):
    """The password that is, and the one that shall be."""

    example = {
        "old_password": "correct horse battery",
        "new_password": "staple correct horse battery",
    }

    old_password: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    new_password: Password


class MePatch(Patch):
    """What a person may change of the account."""

    example = {"full_name": "Ann Other", "time_zone": "Asia/Tokyo", "is_notified": False}

    full_name: FullName | None = None
    time_zone: TimeZone | None = None
    is_notified: bool | None = None


class FamilyNew(Request):
    """A family to make; the time zone defaults to the user's own."""

    example = {"name": "The cabin", "time_zone": "Europe/Oslo"}

    name: Name
    time_zone: TimeZone | None = None


class FamilyPatch(Patch):
    """What may change of a family."""

    example = {"name": "The house", "time_zone": "Europe/Rome"}

    name: Name | None = None
    time_zone: TimeZone | None = None


class MemberPatch(Patch):
    """What may change of a membership."""

    example = {"role": "owner", "display_name": "Mum"}

    role: MemberRole | None = None
    display_name: Name | None = None


class TaskNew(Request):
    """A task to make, for the signed-in user."""

    example = {
        "title": "Water the plants",
        "description": "Not the cactus",
        "due_on": "2030-02-28",
        "visibility": "family",
        "is_completed": True,
    }

    title: Title
    description: Description | None = None
    due_on: Day | None = None
    visibility: Visibility = "private"
    is_completed: bool = False


class TaskPatch(Patch):
    """What may change of a task."""

    example = {
        "title": "Feed the cat",
        "description": "Half a tin",
        "due_on": "2031-03-31",
        "visibility": "family",
        "is_completed": True,
    }

    nullable: ClassVar[frozenset[str]] = frozenset({"description", "due_on"})

    title: Title | None = None
    description: Description | None = None
    due_on: Day | None = None
    visibility: Visibility | None = None
    is_completed: bool | None = None


class TaskPage(BackwardPage):
    """Which tasks: done or not, due from one day to another, both included."""

    is_completed: Flag | None = Field(default=None, description="those done, or those not")
    due_from: Day | None = Field(default=None, description="due on this day or later")
    due_to: Day | None = Field(default=None, description="due on this day or before")


class ConversationNew(Request):
    """A conversation to begin."""

    example = {"title": "Dinner"}

    title: Title


class ConversationPatch(Patch):
    """What may change of a conversation."""

    example = {"title": "Supper"}

    title: Title | None = None


class MessageNew(Request):
    """A message to add; it will never change."""

    example = {"role": "user", "content": "What is for dinner?"}

    role: Speaker
    content: Annotated[Text, StringConstraints(min_length=1, max_length=5000)]


class Operation(Request):
    """A request to another endpoint, as a part of a batch."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[Text, StringConstraints(pattern=r"^/v1/", max_length=2000)]
    body: dict[str, Any] | None = None
    if_match: Annotated[str, StringConstraints(max_length=1000)] | None = None


class Batch(Request):
    """Operations to do in one transaction, in this order."""

    example = {
        "operations": [
            {"method": "POST", "path": "/v1/tasks", "body": {"title": "Buy flour"}},
            {"method": "GET", "path": "/v1/tasks?limit=5"},
        ]
    }

    operations: Annotated[list[Operation], Field(min_length=1, max_length=100)]


class Response(BaseModel):
    """What PostgreSQL builds and the service passes on; tests hold the one against the other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    example: ClassVar[Mapping[str, Any]]


# What the examples of responses have in common.
_USER_ID = "019a9f3e-52b1-7c0a-8d2e-5f4b6a7c8d90"
_FAMILY_ID = "019a9f3e-52b1-7c0b-9a1f-2b3c4d5e6f70"
_TASK_ID = "019a9f41-0c6d-7e11-8b44-c0ffee15600d"
_CONVERSATION_ID = "019a9f42-71aa-7d3e-a5f6-90b1c2d3e4f5"
_AT = "2029-11-20T17:35:09.482113+00:00"
_VERSION = {"created_at": _AT, "updated_at": _AT, "row_version": 1}
_CURSOR = "1890063309482113_019a9f41-0c6d-7e11-8b44-c0ffee15600d"


class Versioned(Response):
    """The base pattern of a row that changes."""

    created_at: datetime
    updated_at: datetime
    row_version: int = Field(ge=1, description="grows with every change; the entity tag")


class User(Versioned):
    """A user."""

    example = {
        "id": _USER_ID,
        "email": "newcomer@example.com",
        "full_name": "New Comer",
        "time_zone": "Europe/Vienna",
        "is_notified": True,
        **_VERSION,
    }

    id: UUID
    email: str
    full_name: str
    time_zone: str
    is_notified: bool


class Family(Versioned):
    """A family."""

    example = {"id": _FAMILY_ID, "name": "The Comers", "time_zone": "Europe/Vienna", **_VERSION}

    id: UUID
    name: str
    time_zone: str


class MyFamily(Response):
    """A family of the user, with the role in it."""

    example = {"family": Family.example, "role": "owner"}

    family: Family
    role: MemberRole


class Member(Versioned):
    """A member of the family."""

    example = {"user_id": _USER_ID, "role": "owner", "display_name": "New Comer", **_VERSION}

    user_id: UUID
    role: MemberRole
    display_name: str


class Task(Versioned):
    """A task."""

    example = {
        "id": _TASK_ID,
        "user_id": _USER_ID,
        "title": "Water the plants",
        "description": "Not the cactus",
        "due_on": "2030-02-28",
        "visibility": "family",
        "is_completed": True,
        "completed_at": _AT,
        **_VERSION,
    }

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

    example = {"id": _CONVERSATION_ID, "user_id": _USER_ID, "title": "Dinner", **_VERSION}

    id: UUID
    user_id: UUID
    title: str


class Message(Response):
    """A message."""

    example = {
        "id": "019a9f43-1f00-7b6c-b7d8-e9f0a1b2c3d4",
        "conversation_id": _CONVERSATION_ID,
        "role": "user",
        "content": "What is for dinner?",
        "created_at": _AT,
    }

    id: UUID
    conversation_id: UUID
    role: Speaker
    content: str
    created_at: datetime


class AuditRecord(Response):
    """A record of the audit trail."""

    example = {
        "id": "019a9f41-0c6e-7f22-9c55-0123456789ab",
        "occurred_at": _AT,
        "action_type": "update",
        "table_name": "tasks",
        "row_key": {"id": _TASK_ID},
        "before": {"title": "Water the plant"},
        "after": {"title": "Water the plants"},
        "actor_id": _USER_ID,
        "actor_role": "owner",
        "metadata": {
            "login": "app_api",
            "database_role": "app_api",
            "application": "hearth",
            "request_id": "3f7c0f9e-8a4e-4b0e-9d53-6f3ad0f1b2c4",
        },
    }

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
    """A page of a list."""

    items: list[Item]
    next: str | None = Field(description="the cursor of the page after this; null on the last")

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Make the example of a page from that of an item."""
        (item,) = cls.__pydantic_generic_metadata__["args"]
        cls.example = {"items": [item.example], "next": _CURSOR}

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Return the name of a page of something, such as `TaskList`."""
        return f"{params[0].__name__}List"


class SignedIn(Response):
    """Tokens, and for whom they are; no family when the user belongs to none."""

    example = {
        "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIuLi4ifQ.bm90LWEtdG9rZW4",
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_token": Refresh.example["refresh_token"],
        "user_id": _USER_ID,
        "family_id": _FAMILY_ID,
        "role": "owner",
    }

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

    example = {
        "results": [
            {"status": 201, "etag": '"1"', "body": Task.example},
            {"status": 200, "etag": None, "body": {"items": [Task.example], "next": None}},
        ]
    }

    results: list[OperationDone]


class WrongValue(Response):
    """A value of the request that is wrong: where it stands, and why."""

    pointer: str = Field(default="", description="into the body (RFC 6901)")
    parameter: str = Field(default="", description="the parameter's name, of query or path")
    detail: str


class Problem(Response):
    """A problem document (RFC 9457)."""

    type: str = Field(description="where to read about the kind; stable")
    title: str = Field(description="a sentence, the same for every problem of the kind")
    status: int = Field(description="the HTTP status")
    code: str = Field(description="what to program against: the end of `type`")
    detail: str = Field(default="", description="what is special here, if there is more to say")
    errors: list[WrongValue] = Field(default=[], description="for wrong values: each of them")
    request_id: UUID
