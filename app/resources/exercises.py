"""Exercises of the family, and each member's own logs of them."""

from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import ConfigDict, Field

from app.http import problems
from app.http.endpoint import Resource, delete, get, patch, post
from app.http.fields import WHOLE, Day, Description, Name, Points, hundredths_to, number_schema
from app.http.models import (
    EXAMPLE_USER_ID,
    EXAMPLE_VERSION,
    ActiveOrRetired,
    NewestFirst,
    Page,
    Patch,
    Request,
    Response,
    Versioned,
)

_EXERCISE_ID = "019a9f44-2b3c-7d4e-8f50-61728394a5b6"
_EXERCISE_LOG_ID = "019a9f45-3c4d-7e5f-9061-728394a5b6c7"


class ExerciseCreate(Request):
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


Sets = Annotated[int, Field(ge=1, le=100, description="how many sets; one if absent"), WHOLE]
Reps = Annotated[int, Field(ge=1, le=10_000, description="repetitions in each set"), WHOLE]
Weight = Annotated[
    Decimal,
    hundredths_to(2000),
    number_schema(2000, "kilograms moved in each repetition"),
]
Duration = Annotated[int, Field(ge=1, le=86_400, description="seconds that each set took"), WHOLE]
Distance = Annotated[
    Decimal,
    hundredths_to(2_000_000),
    number_schema(2_000_000, "metres covered in each set"),
]


class ExerciseLogCreate(Request):
    """What the signed-in user did of an exercise: reps, a duration or a distance, and more."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {name: {"type": "number"}}, "required": [name]}
                for name in ("reps", "duration_s", "distance_m")
            ]
        }
    )

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


class ExerciseLogFilter(NewestFirst):
    """Which logs: performed from one day to another, both included."""

    from_day: Day | None = Field(
        default=None, alias="from", description="performed on this day or later"
    )
    to_day: Day | None = Field(
        default=None, alias="to", description="performed on this day or before"
    )


class ExercisePeriod(Request):
    """Which weeks: from that of one day to that of another; of more than ten years the last ten."""

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


class Exercise(Versioned):
    """An exercise of the family's catalogue."""

    example = {
        "id": _EXERCISE_ID,
        "user_id": EXAMPLE_USER_ID,
        "name": "Bench press",
        "description": "Feet on the floor",
        "points": 5,
        **EXAMPLE_VERSION,
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
        "user_id": EXAMPLE_USER_ID,
        "performed_on": "2025-11-20",
        "sets": 3,
        "reps": 8,
        "weight_kg": 62.5,
        "duration_s": None,
        "distance_m": None,
        "volume_kg": 1500.0,
        "note": "The last set was hard",
        **EXAMPLE_VERSION,
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


exercises = Resource(
    "Exercises",
    "The family's exercises, and one's own logs of them.",
    (
        get(
            "/v1/exercises",
            "List exercises",
            query="list_exercises",
            parameters=ActiveOrRetired,
            response=Page[Exercise],
        ),
        post(
            "/v1/exercises",
            "Create an exercise",
            query="create_exercise",
            body=ExerciseCreate,
            response=Exercise,
            problems=(problems.CONFLICT,),
        ),
        get(
            "/v1/exercises/{exercise_id:uuid}",
            "Get an exercise",
            query="get_exercise",
            response=Exercise,
        ),
        patch(
            "/v1/exercises/{exercise_id:uuid}",
            "Update an exercise (its author, owners and admins)",
            query="update_exercise",
            body=ExercisePatch,
            response=Exercise,
            problems=(problems.CONFLICT,),
        ),
        delete(
            "/v1/exercises/{exercise_id:uuid}",
            "Retire an exercise (its author, owners and admins)",
            query="retire_exercise",
        ),
        post(
            "/v1/exercises/{exercise_id:uuid}/restore",
            "Restore a retired exercise (its author, owners and admins)",
            query="restore_exercise",
            response=Exercise,
            status=200,
            existence_check="get_retired_exercise",
            problems=(problems.CONFLICT,),
        ),
        get(
            "/v1/exercises/{exercise_id:uuid}/logs",
            "List your logs of an exercise",
            query="list_exercise_logs",
            parameters=ExerciseLogFilter,
            response=Page[ExerciseLog],
        ),
        post(
            "/v1/exercises/{exercise_id:uuid}/logs",
            "Log an exercise",
            query="create_exercise_log",
            body=ExerciseLogCreate,
            response=ExerciseLog,
        ),
        get(
            "/v1/exercises/{exercise_id:uuid}/logs/{log_id:uuid}",
            "Get a log",
            query="get_exercise_log",
            response=ExerciseLog,
        ),
        patch(
            "/v1/exercises/{exercise_id:uuid}/logs/{log_id:uuid}",
            "Update a log",
            query="update_exercise_log",
            body=ExerciseLogPatch,
            response=ExerciseLog,
        ),
        delete(
            "/v1/exercises/{exercise_id:uuid}/logs/{log_id:uuid}",
            "Delete a log",
            query="delete_exercise_log",
        ),
        get(
            "/v1/exercises/{exercise_id:uuid}/records",
            "Get your personal records in an exercise",
            query="get_exercise_records",
            response=ExerciseRecords,
        ),
        get(
            "/v1/exercises/{exercise_id:uuid}/volume",
            "Get your volume of an exercise, week by week",
            query="get_exercise_volume",
            parameters=ExercisePeriod,
            response=Page[ExerciseWeek],
        ),
    ),
)
