"""The tables, as far as the endpoints need them."""

from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from sqlalchemy import Computed, DateTime, Enum, FetchedValue, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Visibility = Enum("private", "family", name="visibility")
HabitType = Enum("boolean", "numeric", "duration", name="habit_type")


class Base(DeclarativeBase):
    """The base of all models."""

    metadata = MetaData(schema="app")
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True)}


class Versioned:
    """What every row that changes has; triggers keep it."""

    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    row_version: Mapped[int] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class User(Versioned, Base):
    """A person."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    full_name: Mapped[str]
    time_zone: Mapped[str]
    is_notified: Mapped[bool]


class Family(Base):
    """A household."""

    __tablename__ = "families"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    time_zone: Mapped[str]


class Membership(Base):
    """A user in a family."""

    __tablename__ = "family_memberships"

    family_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    display_name: Mapped[str]
    is_active: Mapped[bool]


class Task(Versioned, Base):
    """A task."""

    __tablename__ = "tasks"

    family_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=FetchedValue())
    user_id: Mapped[UUID]
    title: Mapped[str]
    description: Mapped[str | None]
    due_on: Mapped[date | None]
    visibility: Mapped[str] = mapped_column(Visibility)
    points: Mapped[int]
    completed_at: Mapped[datetime | None]
    is_completed: Mapped[bool] = mapped_column(Computed("completed_at is not null"))


class Habit(Base):
    """A habit."""

    __tablename__ = "habits"

    family_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    visibility: Mapped[str] = mapped_column(Visibility)
    type: Mapped[str] = mapped_column(HabitType)
    is_active: Mapped[bool]


class HabitLog(Versioned, Base):
    """A day of a habit."""

    __tablename__ = "habit_logs"

    family_id: Mapped[UUID] = mapped_column(primary_key=True)
    habit_id: Mapped[UUID] = mapped_column(primary_key=True)
    logged_on: Mapped[date] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    visibility: Mapped[str] = mapped_column(Visibility)
    type: Mapped[str] = mapped_column(HabitType)
    value: Mapped[Decimal | None]
    target_value: Mapped[Decimal | None]
    is_done: Mapped[bool]
    note: Mapped[str | None]


class ScoreEntry(Base):
    """An entry of the ledger of points."""

    __tablename__ = "score_entries"

    family_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    scored_on: Mapped[date]
    points: Mapped[int]
