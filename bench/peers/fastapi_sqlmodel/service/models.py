"""Tables, requests and responses."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, StringConstraints, model_validator
from sqlalchemy import DateTime
from sqlmodel import Field, SQLModel

SQLModel.metadata.schema = "app"

Title = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Text = Annotated[str, StringConstraints(max_length=1000)]
Points = Annotated[int, Field(ge=0, le=1000)]


class Visibility(StrEnum):
    """Who sees a row."""

    private = "private"
    family = "family"


class HabitType(StrEnum):
    """What is logged of a habit."""

    boolean = "boolean"
    numeric = "numeric"
    duration = "duration"


class Versioned(SQLModel):
    """What every row that changes has; triggers keep it."""

    created_at: datetime = Field(sa_type=DateTime(timezone=True))
    updated_at: datetime = Field(sa_type=DateTime(timezone=True))
    row_version: int


class UserPublic(Versioned):
    """A person, as a response has it."""

    id: UUID = Field(primary_key=True)
    email: str
    full_name: str
    time_zone: str
    is_notified: bool


class User(UserPublic, table=True):
    """A person."""

    __tablename__ = "users"


class Family(SQLModel, table=True):
    """A household."""

    __tablename__ = "families"

    id: UUID = Field(primary_key=True)
    time_zone: str


class Membership(SQLModel, table=True):
    """A user in a family."""

    __tablename__ = "family_memberships"

    family_id: UUID = Field(primary_key=True)
    user_id: UUID = Field(primary_key=True)
    display_name: str
    is_active: bool


class TaskPublic(Versioned):
    """A task, as a response has it."""

    id: UUID = Field(primary_key=True)
    user_id: UUID
    title: str
    description: str | None
    due_on: date | None
    visibility: Visibility
    points: int
    is_completed: bool
    completed_at: datetime | None = Field(sa_type=DateTime(timezone=True))


class Task(TaskPublic, table=True):
    """A task."""

    __tablename__ = "tasks"

    family_id: UUID = Field(primary_key=True)


class TaskPage(SQLModel):
    """A page of tasks."""

    items: list[TaskPublic]
    next: str | None


class Habit(SQLModel, table=True):
    """A habit."""

    __tablename__ = "habits"

    family_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    user_id: UUID
    visibility: Visibility
    type: HabitType
    is_active: bool


class HabitLog(Versioned, table=True):
    """A day of a habit."""

    __tablename__ = "habit_logs"

    family_id: UUID = Field(primary_key=True)
    habit_id: UUID = Field(primary_key=True)
    logged_on: date = Field(primary_key=True)
    user_id: UUID
    visibility: Visibility
    type: HabitType
    value: Decimal | None
    target_value: Decimal | None
    is_done: bool
    note: str | None


class HabitLogPublic(Versioned):
    """A day of a habit, as a response has it."""

    habit_id: UUID
    logged_on: date
    value: float | None
    target_value: float | None
    is_done: bool
    note: str | None


class ScoreEntry(SQLModel, table=True):
    """An entry of the ledger of points."""

    __tablename__ = "score_entries"

    family_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    user_id: UUID
    scored_on: date
    points: int


class Standing(SQLModel):
    """Where a member stands."""

    rank: int
    user_id: UUID
    display_name: str
    points: int


class Leaderboard(SQLModel):
    """Every member by points."""

    period: Literal["week", "month", "all"]
    first_on: date | None
    last_on: date | None
    time_zone: str
    items: list[Standing]


class RequestModel(SQLModel):
    """A body or a query string."""

    model_config = ConfigDict(extra="forbid")


class TaskFilter(RequestModel):
    """Which tasks."""

    limit: int = Field(default=20, ge=1, le=100)
    cursor: Annotated[str | None, StringConstraints(pattern=r"^-?[0-9]{1,17}_[0-9a-f-]{36}$")] = (
        None
    )
    is_completed: bool | None = None
    due_from: date | None = None
    due_to: date | None = None


class TaskCreate(RequestModel):
    """A new task."""

    title: Title
    description: Text | None = None
    due_on: date | None = None
    visibility: Visibility = Visibility.private
    points: Points = 1
    is_completed: bool = False


class TaskUpdate(RequestModel):
    """What may change of a task. No default is ever used: an absent field is not set."""

    title: Title = ""
    description: Text | None = None
    due_on: date | None = None
    visibility: Visibility = Visibility.private
    points: Points = 0
    is_completed: bool = False

    @model_validator(mode="after")
    def says_something(self) -> Self:
        """Refuse a patch of nothing."""
        if not self.model_fields_set:
            raise ValueError("must change at least one field")
        return self


class HabitLogPut(RequestModel):
    """What was done of a habit on a day."""

    is_done: bool | None = None
    value: float | None = Field(default=None, ge=0, le=1_000_000)
    note: Text | None = None

    @model_validator(mode="after")
    def says_one_of_two(self) -> Self:
        """Require `is_done` or `value`."""
        if (self.is_done is None) == (self.value is None):
            raise ValueError("must have is_done, or else value")
        return self


class StatsPeriod(RequestModel):
    """From one day to another."""

    from_day: date | None = Field(default=None, alias="from")
    to_day: date | None = Field(default=None, alias="to")


class LeaderboardPeriod(RequestModel):
    """What a leaderboard spans."""

    period: Literal["week", "month", "all"] = "week"
    day: date | None = None
