"""What requests and responses have in common: partial updates, pages, versions, problems."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Generic, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from app.http.fields import NOT_A_CURSOR, UUID_PATTERN, Day, Flag, Limit, pattern

Item = TypeVar("Item")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Request(BaseModel):
    """A request body, or the query string. Unknown fields are refused, so that no typo passes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    example: ClassVar[Mapping[str, Any]]

    # Bytes that a body of it may have: more than the longest values need, each character escaped. A
    # test holds it to the fields.
    max_bytes: ClassVar[int] = 16_384

    def values(self) -> Mapping[str, object]:
        """Return the parameters of the query, by name."""
        return dict(self)


def one_of(one: str, its_type: str, other: str, its_other_type: str) -> dict[str, Any]:
    """Return the JSON Schema for two fields of which one is given, each with its type."""

    def given(name: str, type_: str, absent: str) -> dict[str, Any]:
        return {
            "properties": {name: {"type": type_}, absent: {"type": "null"}},
            "required": [name],
        }

    return {"oneOf": [given(one, its_type, other), given(other, its_other_type, one)]}


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


class Paging(Request):
    """Which page of a list."""

    limit: Limit = 20
    cursor: str | None = Field(
        default=None,
        pattern=pattern(rf"^([0-9]{{1,17}}|-[0-9]{{1,16}})_{UUID_PATTERN}$", NOT_A_CURSOR),
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


class NewestFirst(Paging):
    """Which page of a list that runs from the newest to the oldest."""

    first_at: ClassVar[datetime] = datetime.max  # noqa: DTZ901 - asyncpg's infinity
    first_id: ClassVar[UUID] = UUID(int=2**128 - 1)


def _position(cursor: str) -> tuple[datetime, UUID]:
    # The pattern leaves nothing that could fail: so many digits of microseconds end in the year
    # 5138, and before 1970 they begin in 1653.
    microseconds, _, row_id = cursor.partition("_")
    return _EPOCH + timedelta(microseconds=int(microseconds)), UUID(row_id)


class ActiveOrRetired(NewestFirst):
    """Which page: of the rows in use, or of those retired."""

    is_active: Flag = Field(default=True, description="those in use, or those retired")


class Period(Request):
    """From one day to another, both included."""

    from_day: Day | None = Field(default=None, alias="from", description="on this day or later")
    to_day: Day | None = Field(default=None, alias="to", description="on this day or before")


class Response(BaseModel):
    """What PostgreSQL builds and the service passes on; tests hold the one against the other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    example: ClassVar[Mapping[str, Any]]


# What the examples of responses have in common.
EXAMPLE_USER_ID = "019a9f3e-52b1-7c0a-8d2e-5f4b6a7c8d90"
EXAMPLE_FAMILY_ID = "019a9f3e-52b1-7c0b-9a1f-2b3c4d5e6f70"
EXAMPLE_TIME = "2029-11-20T17:35:09.482113+00:00"
EXAMPLE_VERSION = {"created_at": EXAMPLE_TIME, "updated_at": EXAMPLE_TIME, "row_version": 1}
EXAMPLE_CURSOR = "1890063309482113_019a9f41-0c6d-7e11-8b44-c0ffee15600d"


class Versioned(Response):
    """The base pattern of a row that changes."""

    created_at: datetime
    updated_at: datetime
    row_version: int = Field(ge=1, description="grows with every change; the entity tag")


class Page(Response, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next: str | None = Field(description="the cursor of the page after this; null on the last")

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Make the example of a page from that of an item."""
        (item,) = cls.__pydantic_generic_metadata__["args"]
        cls.example = {"items": [item.example], "next": EXAMPLE_CURSOR}

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """Return the name of a page of something, such as `TaskList`."""
        return f"{params[0].__name__}List"


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
