"""Requests and responses."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Title = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Text = Annotated[str, StringConstraints(max_length=1000)]
Points = Annotated[int, Field(ge=0, le=1000)]
Visibility = Literal["private", "family"]
Cursor = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,17}_[0-9a-f-]{36}$")]


class RequestModel(BaseModel):
    """A body or a query string."""

    model_config = ConfigDict(extra="forbid")


class TaskFilter(RequestModel):
    """Which tasks."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Cursor | None = None
    is_completed: bool | None = None
    due_from: date | None = None
    due_to: date | None = None


class TaskCreate(RequestModel):
    """A new task."""

    title: Title
    description: Text | None = None
    due_on: date | None = None
    visibility: Visibility = "private"
    points: Points = 1
    is_completed: bool = False


class TaskPatch(RequestModel):
    """What may change of a task. No default is ever used: an absent field is not set."""

    title: Title = ""
    description: Text | None = None
    due_on: date | None = None
    visibility: Visibility = "private"
    points: Points = 0
    is_completed: bool = False

    @model_validator(mode="after")
    def says_something(self) -> "TaskPatch":
        """Refuse a patch of nothing."""
        if not self.model_fields_set:
            raise ValueError("must change at least one field")
        return self


class HabitLogPut(RequestModel):
    """What was done of a habit on a day."""

    is_done: bool | None = None
    value: Annotated[float, Field(ge=0, le=1_000_000)] | None = None
    note: Text | None = None

    @model_validator(mode="after")
    def says_one_of_two(self) -> "HabitLogPut":
        """Require `is_done` or `value`."""
        if (self.is_done is None) == (self.value is None):
            raise ValueError("must have is_done, or else value")
        return self


class StatsPeriod(RequestModel):
    """From one day to another."""

    from_day: Annotated[date | None, Field(alias="from")] = None
    to_day: Annotated[date | None, Field(alias="to")] = None


class LeaderboardPeriod(RequestModel):
    """What a leaderboard spans."""

    period: Literal["week", "month", "all"] = "week"
    day: date | None = None


class ResponseModel(BaseModel):
    """Made from a row."""

    model_config = ConfigDict(from_attributes=True)


class Versioned(ResponseModel):
    """What every row that changes has."""

    created_at: datetime
    updated_at: datetime
    row_version: int


class User(Versioned):
    """A person."""

    id: UUID
    email: str
    full_name: str
    time_zone: str
    is_notified: bool


class Task(Versioned):
    """A task."""

    id: UUID
    user_id: UUID
    title: str
    description: str | None
    due_on: date | None
    visibility: Visibility
    points: int
    is_completed: bool
    completed_at: datetime | None


class TaskPage(ResponseModel):
    """A page of tasks."""

    items: list[Task]
    next: str | None


class HabitLog(Versioned):
    """A day of a habit."""

    habit_id: UUID
    logged_on: date
    value: float | None
    target_value: float | None
    is_done: bool
    note: str | None


class Standing(ResponseModel):
    """Where a member stands."""

    rank: int
    user_id: UUID
    display_name: str
    points: int


class Leaderboard(ResponseModel):
    """Every member by points."""

    period: Literal["week", "month", "all"]
    first_on: date | None
    last_on: date | None
    time_zone: str
    items: list[Standing]
