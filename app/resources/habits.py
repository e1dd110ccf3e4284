"""Habits: what is done again and again, and how well."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import (
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from app.http.endpoint import Resource, delete, get, patch, post, put
from app.http.fields import WHOLE, Description, Line, Name, Points, Visibility
from app.http.models import (
    EXAMPLE_USER_ID,
    EXAMPLE_VERSION,
    ActiveOrRetired,
    NewestFirst,
    Page,
    Patch,
    Period,
    Request,
    Response,
    Versioned,
    one_of,
)

_HABIT_ID = "019a9f44-2b3c-7d4e-95f6-a7b8c9d0e1f2"


HabitType = Annotated[
    Literal["boolean", "numeric", "duration"],
    Field(description="what is logged of it: whether it was done, a number, or minutes"),
]
# Numbers are kept to the thousandth.
Quantity = Annotated[float, Field(ge=0, le=1_000_000)]
Target = Annotated[float, Field(ge=0.001, le=1_000_000)]
Unit = Annotated[Line, StringConstraints(min_length=1, max_length=50)]
Weekdays = Annotated[
    list[Annotated[int, Field(ge=1, le=7), WHOLE]],
    Field(min_length=1, max_length=7, description="from 1 for Monday to 7 for Sunday"),
]
TimesPerWeek = Annotated[int, Field(ge=1, le=7, description="on how many days of each week"), WHOLE]


# The conditions that the validators below hold, in words of JSON Schema.
_FITS_THE_TYPE: dict[str, JsonValue] = {
    "oneOf": [
        {
            "properties": {
                "type": {"const": type_},
                "target_value": {"type": target},
                "unit": {"type": unit},
            },
            "required": [
                name for name, is_ in (("target_value", target), ("unit", unit)) if is_ != "null"
            ],
        }
        for type_, target, unit in (
            ("boolean", "null", "null"),
            ("numeric", "number", "string"),
            ("duration", "number", "null"),
        )
    ]
}


class HabitCreate(Request):
    """A new habit of the signed-in user.

    A boolean has neither target nor unit, a number has both; the target of a duration is in
    minutes. It is due on weekdays or so many times a week: one of the two is given.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                _FITS_THE_TYPE,
                one_of("weekdays", "array", "times_per_week", "integer"),
            ]
        }
    )

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


class HabitLogPut(Request):
    """What was done of a habit on a day: `is_done` of a boolean, else `value`."""

    model_config = ConfigDict(json_schema_extra=one_of("is_done", "boolean", "value", "number"))

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


class HabitLogFilter(NewestFirst, Period):
    """Which days of a habit: those from one to another, both included."""


class HabitStatsPeriod(Period):
    """Which period of a habit's life: the last thirty days where nothing is said."""


class Habit(Versioned):
    """A habit."""

    example = {
        "id": _HABIT_ID,
        "user_id": EXAMPLE_USER_ID,
        **HabitCreate.example,
        "times_per_week": None,
        **EXAMPLE_VERSION,
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
        **EXAMPLE_VERSION,
    }

    habit_id: UUID
    logged_on: date
    value: float | None = Field(description="in the unit of the habit, of a duration in minutes")
    target_value: float | None = Field(description="the target when it was written")
    is_done: bool
    note: str | None


class HabitStats(Response):
    """What the days of a habit come to.

    A habit has turns: each of its weekdays, or each week from Monday to Sunday, done when
    `times_per_week` of its days are. A turn is in the period of its last day, and counts if it is
    over, or done. One that is still running, the week in which the habit began after its Monday,
    and one with a day on which the habit was retired count only once they are done: until then they
    are not due and break no streak. Streaks are of the whole life of the habit, the rest is of the
    period.
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
    due: int = Field(description="days that the turns of the period ask for")
    done: int = Field(description="of these, how many were done")
    completion_rate: float | None = Field(description="done by due; null where nothing was due")
    sum: float | None = Field(description="of every value of the period; null without any")
    mean: float | None = Field(description="of every value of the period; null without any")


habits = Resource(
    "Habits",
    "What is done again and again, and how well.",
    (
        get(
            "/v1/habits",
            "List habits",
            query="list_habits",
            parameters=ActiveOrRetired,
            response=Page[Habit],
        ),
        post(
            "/v1/habits", "Create a habit", query="create_habit", body=HabitCreate, response=Habit
        ),
        get("/v1/habits/{habit_id:uuid}", "Get a habit", query="get_habit", response=Habit),
        patch(
            "/v1/habits/{habit_id:uuid}",
            "Update a habit",
            query="update_habit",
            body=HabitPatch,
            response=Habit,
        ),
        delete("/v1/habits/{habit_id:uuid}", "Retire a habit; its logs stay", query="retire_habit"),
        post(
            "/v1/habits/{habit_id:uuid}/restore",
            "Restore a retired habit",
            query="restore_habit",
            response=Habit,
            status=200,
            existence_check="get_retired_habit",
        ),
        get(
            "/v1/habits/{habit_id:uuid}/logs",
            "List the logs of a habit, newest first",
            query="list_habit_logs",
            parameters=HabitLogFilter,
            response=Page[HabitLog],
        ),
        get(
            "/v1/habits/{habit_id:uuid}/logs/{date:day}",
            "Get the log of a day",
            query="get_habit_log",
            response=HabitLog,
        ),
        put(
            "/v1/habits/{habit_id:uuid}/logs/{date:day}",
            "Log a day of your own habit",
            query="put_habit_log",
            body=HabitLogPut,
            response=HabitLog,
            existence_check="see_habit_log",
        ),
        delete(
            "/v1/habits/{habit_id:uuid}/logs/{date:day}",
            "Delete the log of a day",
            query="delete_habit_log",
        ),
        get(
            "/v1/habits/{habit_id:uuid}/stats",
            "Get streaks, completion and values over a period",
            query="get_habit_stats",
            parameters=HabitStatsPeriod,
            response=HabitStats,
        ),
    ),
)
