"""Request and response models. Limits repeat the checks of `sql/`, for better messages.

What a JSON Schema cannot know of a validator stands beside it as `json_schema_extra`.
"""

import json
import re
import zoneinfo
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar, cast
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from app.database import MemberRole
from app.tokens import hash_token

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


NUMBER = "^[1-9][0-9]{0,8}$"
DAY = "^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}$"


def day_of(text: str) -> date:
    """Return the day that a text stands for.

    Raises:
        ValueError: It stands for none, or for one of another millennium.
    """
    with suppress(ValueError):
        if re.fullmatch(DAY, text):
            return date.fromisoformat(text)
    raise ValueError("must be a day from 1900-01-01 to 2999-12-31")


def number_of(text: str) -> int:
    """Return the number that a text stands for.

    Raises:
        ValueError: It stands for none, or for one that is not from 1 to 999999999.
    """
    if not re.fullmatch(NUMBER, text, re.ASCII):
        raise ValueError("must be a whole number from 1")
    return int(text)


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


def _read_whole(value: object) -> object:
    # JSON and its schemas know one kind of number: 3.0 is a whole one too.
    return int(value) if isinstance(value, float) and value.is_integer() else value


_WHOLE = BeforeValidator(_read_whole)


def _from_a_hundredth_to(most: int) -> BeforeValidator:
    def read(value: object) -> object:
        # Pydantic takes a number in a string as well, and true for 1.
        if type(value) in (int, float) and 0.01 <= cast(float, value) <= most:
            return Decimal(str(value))
        raise ValueError(f"must be a number from 0.01 to {most}")

    return BeforeValidator(read)


def _number_to(most: int, about: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "number", "minimum": 0.01, "maximum": most, "description": about}
    )


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
Points = Annotated[int, Field(ge=0, le=1000, description="what doing it is worth"), _WHOLE]
Speaker = Annotated[
    Literal["user", "assistant"], Field(description="whose words these are: a person's or not")
]
HabitType = Annotated[
    Literal["boolean", "numeric", "duration"],
    Field(description="what is logged of it: whether it was done, a number, or minutes"),
]
# Numbers are kept to the thousandth.
Quantity = Annotated[float, Field(ge=0, le=1_000_000)]
Target = Annotated[float, Field(ge=0.001, le=1_000_000)]
Unit = Annotated[Line, StringConstraints(min_length=1, max_length=50)]
Weekdays = Annotated[
    list[Annotated[int, Field(ge=1, le=7)]],
    Field(min_length=1, max_length=7, description="from 1 for Monday to 7 for Sunday"),
]
TimesPerWeek = Annotated[
    int, Field(ge=1, le=7, description="on how many days of each week"), _WHOLE
]
ScoreKind = Annotated[
    Literal["task", "habit", "routine", "exercise"], Field(description="what the points are for")
]
ScorePeriod = Annotated[
    Literal["week", "month", "all"],
    Field(description="from Monday to Sunday, a month of the calendar, or everything"),
]
# NIST SP 800-63B: at least 8 characters, no rules of composition; an end, so that hashing has one.
Password = Annotated[str, StringConstraints(min_length=8, max_length=256)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]


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


# The limits go first, or the schema does not show them.
Limit = Annotated[
    int,
    Field(ge=1, le=100, description="how many items at most"),
    BeforeValidator(_read_number),
]
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Page(Request):
    """Which page of a list."""

    limit: Limit = 20
    cursor: str | None = Field(
        default=None,
        pattern=rf"^([0-9]{{1,17}}|-[0-9]{{1,16}})_{_UUID}$",
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
    # The pattern leaves nothing that could fail: so many digits of microseconds end in the year
    # 5138, and before 1970 they begin in 1653.
    microseconds, _, row_id = cursor.partition("_")
    return _EPOCH + timedelta(microseconds=int(microseconds)), UUID(row_id)


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


class SignIn(Request):
    """E-mail address and password."""

    example = {"email": "newcomer@example.com", "password": "correct horse battery"}

    email: Email
    password: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Refresh(Request):
    """A refresh token, good for one use."""

    example = {"refresh_token": "PSmXBnwXj5ZFkAyfyY9UHhcYIGKdJtA5bcbLA8FfPV4"}

    refresh_token: Secret


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


class MemberPage(Page):
    """Which members: those who are, or those who left or were removed."""

    is_active: Flag = Field(default=True, description="those who are members, or those who were")


class MemberPatch(Patch):
    """What may change of a membership."""

    example = {"role": "owner", "display_name": "Mum"}

    role: MemberRole | None = None
    display_name: Name | None = None


class InvitationNew(Request):
    """Whom to ask into the family, and as what."""

    example = {"email": "grandma@example.com", "role": "member"}

    email: Email
    role: MemberRole = MemberRole.MEMBER


class InvitationPage(BackwardPage):
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


class TaskNew(Request):
    """A task to make, for the signed-in user."""

    example = {
        "title": "Water the plants",
        "description": "Not the cactus",
        "due_on": "2030-02-28",
        "visibility": "family",
        "points": 5,
        "is_completed": True,
    }

    title: Title
    description: Description | None = None
    due_on: Day | None = None
    visibility: Visibility = "private"
    points: Points = 1
    is_completed: bool = False


class TaskPatch(Patch):
    """What may change of a task."""

    example = {
        "title": "Feed the cat",
        "description": "Half a tin",
        "due_on": "2031-03-31",
        "visibility": "family",
        "points": 2,
        "is_completed": True,
    }

    nullable: ClassVar[frozenset[str]] = frozenset({"description", "due_on"})

    title: Title | None = None
    description: Description | None = None
    due_on: Day | None = None
    visibility: Visibility | None = None
    points: Points | None = None
    is_completed: bool | None = None


class TaskPage(BackwardPage):
    """Which tasks: done or not, due from one day to another, both included."""

    is_completed: Flag | None = Field(default=None, description="those done, or those not")
    due_from: Day | None = Field(default=None, description="due on this day or later")
    due_to: Day | None = Field(default=None, description="due on this day or before")


class Period(Request):
    """From one day to another, both included."""

    from_day: Day | None = Field(default=None, alias="from", description="on this day or later")
    to_day: Day | None = Field(default=None, alias="to", description="on this day or before")


class RoutineStepNew(BaseModel):
    """A step of a routine to save."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Title
    minutes: Annotated[int, Field(ge=1, le=1440, description="how long it takes"), _WHOLE]
    habit_id: UUID | None = None
    exercise_id: UUID | None = None

    @field_validator("exercise_id")
    @classmethod
    def _goes_without_a_habit(cls, value: UUID | None, info: ValidationInfo) -> UUID | None:
        if value is not None and info.data.get("habit_id") is not None:
            raise ValueError("must be absent where there is a habit_id")
        return value


_STEPS = [{"title": "Clear the table", "minutes": 5}, {"title": "Wash up", "minutes": 15}]


class RoutineSteps(Request):
    """The steps of a routine, in their order."""

    example = {"steps": _STEPS}

    steps: list[RoutineStepNew] = Field(max_length=100)

    def values(self) -> Mapping[str, object]:
        """Return the steps as one JSON document, the parameter `steps`, among the others."""
        return {**dict(self), "steps": json.dumps(self.model_dump(mode="json")["steps"])}


class RoutineNew(RoutineSteps):
    """A routine to make, for the signed-in user."""

    example = {
        "name": "After dinner",
        "description": "Whoever did not cook",
        "visibility": "family",
        "points": 5,
        "steps": _STEPS,
    }

    name: Name
    description: Description | None = None
    visibility: Visibility = "private"
    points: Points = 1
    steps: list[RoutineStepNew] = Field(default=[], max_length=100)


class RoutinePatch(Patch):
    """What may change of a routine; its steps have versions."""

    example = {
        "name": "After supper",
        "description": "All together",
        "visibility": "family",
        "points": 8,
    }

    nullable: ClassVar[frozenset[str]] = frozenset({"description"})

    name: Name | None = None
    description: Description | None = None
    visibility: Visibility | None = None
    points: Points | None = None


class RoutinePage(BackwardPage):
    """Which routines: those in use, or those retired."""

    is_active: Flag = Field(default=True, description="those in use, or those retired")


class RoutineVersionPage(Request):
    """Which page of the versions, from the newest to the oldest."""

    limit: Limit = 20
    cursor: Annotated[int, Field(ge=1, le=999_999_999), BeforeValidator(_read_number)] | None = (
        Field(default=None, description="`next` of the page before; absent for the first page")
    )


class RoutineCompletionPage(Period):
    """Which completions: from the newest day to the oldest."""

    limit: Limit = 20
    cursor: str | None = Field(
        default=None,
        pattern=rf"^[0-9]{{1,6}}_{_UUID}$",
        description="`next` of the page before; absent for the first page",
    )

    def values(self) -> Mapping[str, object]:
        """Return the limits, and the row to start behind as `after_day` and `after_id`."""
        # Six digits of days since 1900 end in the year 4637.
        number, _, row_id = (self.cursor or f"999999_{BackwardPage.first_id}").partition("_")
        rest = {key: value for key, value in self if key != "cursor"}
        after_day = date(1900, 1, 1) + timedelta(days=int(number))
        return {**rest, "after_day": after_day, "after_id": UUID(row_id)}


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


class HabitNew(Request):
    """A habit to make, for the signed-in user.

    A boolean has neither target nor unit, a number has both; the target of a duration is in
    minutes. It is due on weekdays or so many times a week: one of the two is given.
    """

    example = {
        "name": "Read",
        "description": "Anything but the news",
        "type": "numeric",
        "target_value": 20,
        "unit": "pages",
        "weekdays": [1, 2, 3, 4, 5],
        "points": 2,
        "visibility": "family",
    }

    name: Name
    description: Description | None = None
    type: HabitType
    target_value: Target | None = Field(default=None, validate_default=True)
    unit: Unit | None = Field(default=None, validate_default=True)
    weekdays: Weekdays | None = None
    times_per_week: TimesPerWeek | None = Field(default=None, validate_default=True)
    points: Points = 1
    visibility: Visibility = "private"

    @field_validator("target_value", "unit")
    @classmethod
    def _goes_with_the_type(cls, value: object, info: ValidationInfo) -> object:
        needed = {"target_value": {"numeric", "duration"}, "unit": {"numeric"}}
        if (type_ := info.data.get("type")) is None:
            return value
        if (value is None) == (type_ in needed[info.field_name or ""]):
            raise ValueError(f"must be {'given' if value is None else 'absent'} if {type_}")
        return value

    @field_validator("times_per_week")
    @classmethod
    def _goes_without_weekdays(cls, value: object, info: ValidationInfo) -> object:
        if "weekdays" in info.data and (value is None) == (info.data["weekdays"] is None):
            raise ValueError("must be given, or else weekdays")
        return value


class HabitPatch(Patch):
    """What may change of a habit; its type may not.

    Who goes from weekdays to times a week, or back, sets the one and empties the other.
    """

    example = {
        "name": "Read aloud",
        "description": "To whom it may concern",
        "target_value": 15,
        "unit": "chapters",
        "weekdays": None,
        "times_per_week": 3,
        "points": 5,
        "visibility": "family",
    }

    nullable: ClassVar[frozenset[str]] = frozenset({"description", "weekdays", "times_per_week"})

    name: Name | None = None
    description: Description | None = None
    target_value: Target | None = None
    unit: Unit | None = None
    weekdays: Weekdays | None = None
    times_per_week: TimesPerWeek | None = None
    points: Points | None = None
    visibility: Visibility | None = None


class HabitPage(BackwardPage):
    """Which habits: those in use, or those retired."""

    is_active: Flag = Field(default=True, description="those in use, or those retired")


class HabitLogPut(Request):
    """What was done of a habit on a day: `is_done` of a boolean, else `value`."""

    example = {"value": 12.5, "note": "On the train"}

    is_done: bool | None = None
    value: Quantity | None = Field(default=None, validate_default=True)
    note: Description | None = None

    @field_validator("value")
    @classmethod
    def _goes_without_is_done(cls, value: object, info: ValidationInfo) -> object:
        if "is_done" in info.data and (value is None) == (info.data["is_done"] is None):
            raise ValueError("must be given, or else is_done")
        return value


class HabitLogPage(BackwardPage, Period):
    """Which days of a habit: those from one to another, both included."""


class HabitStatsPeriod(Period):
    """Which period of a habit's life: the last thirty days where nothing is said."""

    @field_validator("to_day")
    @classmethod
    def _is_within_ten_years(cls, to_day: date | None, info: ValidationInfo) -> date | None:
        from_day = info.data.get("from_day")
        if to_day and from_day and not 0 <= (to_day - from_day).days <= 3652:
            raise ValueError("must be on the day of from, or at most 3652 days later")
        return to_day


class ExerciseNew(Request):
    """An exercise to write into the family's catalogue."""

    example = {"name": "Bench press", "description": "Feet on the floor", "points": 5}

    name: Name
    description: Description | None = None
    points: Points = 1


class ExercisePatch(Patch):
    """What may change of an exercise."""

    example = {"name": "Incline press", "description": "At 30 degrees", "points": 6}

    nullable: ClassVar[frozenset[str]] = frozenset({"description"})

    name: Name | None = None
    description: Description | None = None
    points: Points | None = None


class ExercisePage(BackwardPage):
    """Which exercises: those in use, or those retired."""

    is_active: Flag = Field(default=True, description="those in use, or those retired")


Sets = Annotated[int, Field(ge=1, le=100, description="how many sets; one if absent"), _WHOLE]
Reps = Annotated[int, Field(ge=1, le=10_000, description="repetitions in each set"), _WHOLE]
Weight = Annotated[
    Decimal,
    _from_a_hundredth_to(2000),
    _number_to(2000, "kilograms moved in each repetition"),
]
Duration = Annotated[int, Field(ge=1, le=86_400, description="seconds that each set took"), _WHOLE]
Distance = Annotated[
    Decimal,
    _from_a_hundredth_to(2_000_000),
    _number_to(2_000_000, "metres covered in each set"),
]


class ExerciseLogNew(Request):
    """What the signed-in user did of an exercise: reps, a duration or a distance, and more."""

    example = {
        "performed_on": "2025-11-20",
        "sets": 3,
        "reps": 8,
        "weight_kg": 62.5,
        "note": "The last set was hard",
    }

    performed_on: Day | None = Field(default=None, description="today if absent")
    sets: Sets | None = None
    reps: Reps | None = None
    weight_kg: Weight | None = None
    duration_s: Duration | None = None
    distance_m: Distance | None = None
    note: Description | None = None


class ExerciseLogPatch(Patch):
    """What may change of a log."""

    example = {"performed_on": "2025-11-19", "reps": 9, "weight_kg": 65, "note": None}

    nullable: ClassVar[frozenset[str]] = frozenset(
        {"sets", "reps", "weight_kg", "duration_s", "distance_m", "note"}
    )

    performed_on: Day | None = None
    sets: Sets | None = None
    reps: Reps | None = None
    weight_kg: Weight | None = None
    duration_s: Duration | None = None
    distance_m: Distance | None = None
    note: Description | None = None


class ExerciseLogPage(BackwardPage):
    """Which logs: performed from one day to another, both included."""

    from_day: Day | None = Field(
        default=None, alias="from", description="performed on this day or later"
    )
    to_day: Day | None = Field(
        default=None, alias="to", description="performed on this day or before"
    )


class ExercisePeriod(Request):
    """Which weeks: from that of one day to that of another, at most ten years."""

    from_day: Day | None = Field(
        default=None,
        alias="from",
        description="a day of the first week; twelve weeks in all where one end is absent",
    )
    to_day: Day | None = Field(
        default=None,
        alias="to",
        description="a day of the last week; that of today where both are absent",
    )

    @field_validator("to_day")
    @classmethod
    def _is_not_far_away(cls, value: date | None, info: ValidationInfo) -> date | None:
        first = info.data.get("from_day")
        if value and first and not timedelta(0) <= value - first <= timedelta(days=3660):
            raise ValueError("must be no earlier than `from`, and at most ten years later")
        return value


class ScorePage(BackwardPage, Period):
    """Which entries of the ledger: whose, for one day to another, both included."""

    member_id: UUID | None = Field(default=None, description="whose; one's own if absent")


class LeaderboardPeriod(Request):
    """What a leaderboard spans."""

    period: ScorePeriod = Field(
        default="week",
        description="from Monday to Sunday, a month of the calendar, or everything",
    )
    day: Day | None = Field(default=None, description="a day of the period; today if absent")


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
_HABIT_ID = "019a9f44-2b3c-7d4e-95f6-a7b8c9d0e1f2"
_CONVERSATION_ID = "019a9f42-71aa-7d3e-a5f6-90b1c2d3e4f5"
_EXERCISE_ID = "019a9f44-2b3c-7d4e-8f50-61728394a5b6"
_ROUTINE_ID = "019a9f46-5d6e-7f70-8192-a3b4c5d6e7f8"
_EXERCISE_LOG_ID = "019a9f45-3c4d-7e5f-9061-728394a5b6c7"
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


class Invitation(Versioned):
    """An invitation. It counts while whoever gave it may still invite."""

    example = {
        "id": "019a9f40-3b2a-7a44-9d1e-6c5b4a392817",
        "user_id": _USER_ID,
        "email": "grandma@example.com",
        "role": "member",
        "is_pending": True,
        "expires_at": "2029-11-27T17:35:09.482113+00:00",
        "accepted_at": None,
        "member_id": None,
        "revoked_at": None,
        **_VERSION,
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


class InvitationMade(Response):
    """An invitation, and its token, which is told this once: the client hands it on."""

    example = {"invitation": Invitation.example, "token": InvitationToken.example["token"]}

    invitation: Invitation
    token: str


class Task(Versioned):
    """A task."""

    example = {
        "id": _TASK_ID,
        "user_id": _USER_ID,
        "title": "Water the plants",
        "description": "Not the cactus",
        "due_on": "2030-02-28",
        "visibility": "family",
        "points": 5,
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
    points: int
    is_completed: bool
    completed_at: datetime | None


class Habit(Versioned):
    """A habit."""

    example = {
        "id": _HABIT_ID,
        "user_id": _USER_ID,
        **HabitNew.example,
        "times_per_week": None,
        **_VERSION,
    }

    id: UUID
    user_id: UUID
    name: str
    description: str | None
    type: HabitType
    target_value: float | None = Field(description="in the unit, of a duration in minutes")
    unit: str | None
    weekdays: list[int] | None = Field(description="from 1 for Monday to 7 for Sunday")
    times_per_week: int | None
    points: int
    visibility: Visibility


class HabitLog(Versioned):
    """A day of a habit."""

    example = {
        "habit_id": _HABIT_ID,
        "logged_on": "2029-11-20",
        "value": 12.5,
        "target_value": 20,
        "is_done": False,
        "note": "On the train",
        **_VERSION,
    }

    habit_id: UUID
    logged_on: date
    value: float | None = Field(description="in the unit of the habit, of a duration in minutes")
    target_value: float | None = Field(description="the target when it was written")
    is_done: bool
    note: str | None


class HabitStats(Response):
    """What the days of a habit come to.

    Streaks are of the whole life of the habit, in turns: scheduled days, or weeks. The rest is of
    the period, as far as the habit lived; today is due when it is done, for it is not over.
    """

    example = {
        "first_on": "2029-10-22",
        "last_on": "2029-11-20",
        "current_streak": 4,
        "longest_streak": 11,
        "due": 22,
        "done": 19,
        "completion_rate": 0.8636,
        "sum": 437.5,
        "mean": 21.875,
    }

    first_on: date
    last_on: date
    current_streak: int = Field(description="turns done in a row until now")
    longest_streak: int = Field(description="turns done in a row, at most")
    due: float = Field(description="days that were due; of weeks that are cut, in proportion")
    done: float = Field(description="of these, how many were done")
    completion_rate: float | None = Field(description="done by due; null where nothing was due")
    sum: float | None = Field(description="of all values; null without any")
    mean: float | None = Field(description="of all values; null without any")


class Routine(Versioned):
    """A routine, as in a list."""

    example = {
        "id": _ROUTINE_ID,
        "user_id": _USER_ID,
        "name": "After dinner",
        "description": "Whoever did not cook",
        "visibility": "family",
        "points": 5,
        "version": 2,
        **_VERSION,
    }

    id: UUID
    user_id: UUID
    name: str
    description: str | None
    visibility: Visibility
    points: int
    version: int = Field(description="the newest version of its steps")


class RoutineStep(Response):
    """A step of a routine."""

    title: str
    minutes: int = Field(description="how long it takes")
    habit_id: UUID | None = Field(description="the habit that it is about, if any")
    exercise_id: UUID | None = Field(description="the exercise that it is about, if any")


_STEPS_SHOWN = [{**step, "habit_id": None, "exercise_id": None} for step in _STEPS]


class RoutineWithSteps(Routine):
    """A routine, with the newest version of its steps."""

    example = {**Routine.example, "steps": _STEPS_SHOWN}

    steps: list[RoutineStep]


class RoutineVersion(Response):
    """A version of a routine, as in a list; it never changes."""

    example = {
        "routine_id": _ROUTINE_ID,
        "version": 2,
        "author_id": _USER_ID,
        "restored_version": None,
        "created_at": _AT,
    }

    routine_id: UUID
    version: int
    author_id: UUID | None = Field(description="who saved it; null once they are gone")
    restored_version: int | None = Field(description="which version it brought back, if any")
    created_at: datetime


class RoutineVersionWithSteps(RoutineVersion):
    """A version of a routine, with its steps."""

    example = {**RoutineVersion.example, "steps": _STEPS_SHOWN}

    steps: list[RoutineStep]


class RoutineCompletion(Versioned):
    """That somebody has done a routine on a day."""

    example = {
        "routine_id": _ROUTINE_ID,
        "user_id": _USER_ID,
        "completed_on": "2029-11-20",
        "version": 2,
        **_VERSION,
    }

    routine_id: UUID
    user_id: UUID = Field(description="who has done it")
    completed_on: date
    version: int = Field(description="the version it had when it was last marked done")


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


class Exercise(Versioned):
    """An exercise of the family's catalogue."""

    example = {
        "id": _EXERCISE_ID,
        "user_id": _USER_ID,
        "name": "Bench press",
        "description": "Feet on the floor",
        "points": 5,
        **_VERSION,
    }

    id: UUID
    user_id: UUID | None = Field(description="who wrote it there; null once they are gone")
    name: str
    description: str | None
    points: int


class ExerciseLog(Versioned):
    """What somebody did of an exercise; all measures are those of one set."""

    example = {
        "id": _EXERCISE_LOG_ID,
        "exercise_id": _EXERCISE_ID,
        "user_id": _USER_ID,
        "performed_on": "2025-11-20",
        "sets": 3,
        "reps": 8,
        "weight_kg": 62.5,
        "duration_s": None,
        "distance_m": None,
        "volume_kg": 1500.0,
        "note": "The last set was hard",
        **_VERSION,
    }

    id: UUID
    exercise_id: UUID
    user_id: UUID
    performed_on: date
    sets: int | None
    reps: int | None
    weight_kg: float | None = Field(description="kilograms")
    duration_s: int | None = Field(description="seconds")
    distance_m: float | None = Field(description="metres")
    volume_kg: float | None = Field(description="kilograms in all: sets x reps x weight_kg")
    note: str | None


class Record(Response):
    """A personal record: how much, when first, and by which log."""

    value: float
    performed_on: date
    log_id: UUID


class ExerciseRecords(Response):
    """The best of one's own logs, by measure; null for what none of them has."""

    example = {
        "weight_kg": {
            "value": 62.5,
            "performed_on": "2025-11-20",
            "log_id": _EXERCISE_LOG_ID,
        },
        "reps": {"value": 8, "performed_on": "2025-11-20", "log_id": _EXERCISE_LOG_ID},
        "duration_s": None,
        "distance_m": None,
        "volume_kg": {
            "value": 1500.0,
            "performed_on": "2025-11-20",
            "log_id": _EXERCISE_LOG_ID,
        },
        "one_rep_max_kg": {
            "value": 77.6,
            "performed_on": "2025-11-20",
            "log_id": _EXERCISE_LOG_ID,
        },
    }

    weight_kg: Record | None = Field(description="the heaviest weight, in kilograms")
    reps: Record | None = Field(description="the most repetitions in a set")
    duration_s: Record | None = Field(description="the longest set, in seconds")
    distance_m: Record | None = Field(description="the farthest set, in metres")
    volume_kg: Record | None = Field(description="the most in one log: sets x reps x weight_kg")
    one_rep_max_kg: Record | None = Field(
        description="the heaviest single repetition that a set of 1 to 10 lets expect (Brzycki)"
    )


class ExerciseWeek(Response):
    """What was done of an exercise in an ISO week, all sets together."""

    example = {
        "week": "2025-W47",
        "starts_on": "2025-11-17",
        "logs": 2,
        "volume_kg": 3000.0,
        "duration_s": 0,
        "distance_m": 0,
    }

    week: str = Field(description="the ISO week")
    starts_on: date = Field(description="its Monday")
    logs: int = Field(description="how many logs")
    volume_kg: float = Field(description="kilograms: sets x reps x weight_kg")
    duration_s: int = Field(description="seconds: sets x duration_s")
    distance_m: float = Field(description="metres: sets x distance_m")


class HabitToday(Response):
    """A habit that is due today, and what was logged of it."""

    example = {"habit": Habit.example, "log": HabitLog.example, "done_this_week": 3}

    habit: Habit
    log: HabitLog | None = Field(description="what was logged for today; null if nothing")
    done_this_week: int = Field(description="days since Monday on which it was done")


class RoutineToday(Response):
    """A routine, and who has done it today."""

    example = {"routine": Routine.example, "is_done": True, "done_by": [_USER_ID]}

    routine: Routine
    is_done: bool = Field(description="whether the caller has done it today")
    done_by: list[UUID] = Field(description="everybody who has done it today, first come first")


class Today(Response):
    """What is due today."""

    example = {
        "day": "2029-11-20",
        "time_zone": "Europe/Vienna",
        "habits": [HabitToday.example],
        "tasks": [Task.example],
        "routines": [RoutineToday.example],
    }

    day: date = Field(description="today, where the family is")
    time_zone: str
    habits: list[HabitToday] = Field(description="one's own that are due, at most 100")
    tasks: list[Task] = Field(
        description="those open and due, then those completed today; at most 100 of each"
    )
    routines: list[RoutineToday] = Field(description="all that one may do, at most 100")


class Score(Response):
    """An entry of the ledger of points."""

    example = {
        "id": "019a9f41-0c6d-7e12-9c45-70a1b2c3d4e5",
        "user_id": _USER_ID,
        "kind": "task",
        "source_id": _TASK_ID,
        "scored_on": "2029-11-20",
        "points": 5,
        "created_at": _AT,
    }

    id: UUID
    user_id: UUID
    kind: ScoreKind
    source_id: UUID = Field(description="the task, habit, routine or log of an exercise")
    scored_on: date = Field(description="the day they count for, in the family's time zone")
    points: int = Field(description="below zero where an award is taken back")
    created_at: datetime


class ScoreList(Response):
    """A page of the ledger, with the sum over all pages."""

    example = {"items": [Score.example], "next": _CURSOR, "total": 1234}

    items: list[Score]
    next: str | None = Field(description="the cursor of the page after this; null on the last")
    total: int = Field(description="the points of all pages together")


class Standing(Response):
    """Where a member stands."""

    example = {"rank": 1, "user_id": _USER_ID, "display_name": "New Comer", "points": 42}

    rank: int = Field(ge=1, description="1 leads; who has as many points has the same")
    user_id: UUID
    display_name: str
    points: int


class Leaderboard(Response):
    """Every member by points, in a period of the family's calendar."""

    example = {
        "period": "week",
        "first_on": "2029-11-19",
        "last_on": "2029-11-25",
        "time_zone": "Europe/Vienna",
        "items": [Standing.example],
    }

    period: ScorePeriod
    first_on: date | None = Field(description="the first day that counts; null for all")
    last_on: date | None = Field(description="the last day that counts; null for all")
    time_zone: str
    items: list[Standing]


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
