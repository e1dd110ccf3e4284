"""Routines: what is done again and again, step by step, in versions that never change."""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from app.http import problems
from app.http.endpoint import Resource, delete, get, patch, post, put
from app.http.fields import (
    NOT_A_CURSOR,
    UUID_PATTERN,
    WHOLE,
    Description,
    Limit,
    Name,
    Points,
    Title,
    Visibility,
    pattern,
    read_number,
)
from app.http.models import (
    EXAMPLE_TIME,
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
)

_ROUTINE_ID = "019a9f46-5d6e-7f70-8192-a3b4c5d6e7f8"


class RoutineStepCreate(BaseModel):
    """A step of a routine to save."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "anyOf": [
                {"properties": {absent: {"type": "null"}}} for absent in ("habit_id", "exercise_id")
            ]
        },
    )

    title: Title
    minutes: Annotated[int, Field(ge=1, le=1440, description="how long it takes"), WHOLE]
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
    max_bytes = 524_288

    steps: list[RoutineStepCreate] = Field(max_length=100)

    def values(self) -> Mapping[str, object]:
        """Return the steps as one JSON document, the parameter `steps`, among the others."""
        return {**dict(self), "steps": json.dumps(self.model_dump(mode="json")["steps"])}


class RoutineCreate(RoutineSteps):
    """A new routine of the signed-in user, with its steps."""

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
    steps: list[RoutineStepCreate] = Field(default=[], max_length=100)


class RoutinePatch(Patch):
    """What may change of a routine; its steps have versions.

    To share a private one saves its steps as the next version. Versions from before stay its
    owner's; the days on which it was done are shared with it.
    """

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


class RoutineVersionFilter(Request):
    """Which page of the versions, from the newest to the oldest."""

    limit: Limit = 20
    cursor: Annotated[int, Field(ge=1, le=999_999_999), BeforeValidator(read_number)] | None = (
        Field(default=None, description="`next` of the page before; absent for the first page")
    )


class RoutineCompletionFilter(Period):
    """Which completions: from the newest day to the oldest."""

    limit: Limit = 20
    cursor: str | None = Field(
        default=None,
        pattern=pattern(rf"^[0-9]{{1,6}}_{UUID_PATTERN}$", NOT_A_CURSOR),
        description="`next` of the page before; absent for the first page",
    )

    def values(self) -> Mapping[str, object]:
        """Return the limits, and the row to start behind as `after_day` and `after_id`."""
        # Six digits of days since 1900 end in the year 4637.
        number, _, row_id = (self.cursor or f"999999_{NewestFirst.first_id}").partition("_")
        rest = {key: value for key, value in self if key != "cursor"}
        after_day = date(1900, 1, 1) + timedelta(days=int(number))
        return {**rest, "after_day": after_day, "after_id": UUID(row_id)}


class Routine(Versioned):
    """A routine, as in a list."""

    example = {
        "id": _ROUTINE_ID,
        "user_id": EXAMPLE_USER_ID,
        "name": "After dinner",
        "description": "Whoever did not cook",
        "visibility": "family",
        "points": 5,
        "version": 2,
        **EXAMPLE_VERSION,
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
    """A version of a routine, as in a list; its steps never change."""

    example = {
        "routine_id": _ROUTINE_ID,
        "version": 2,
        "visibility": "family",
        "author_id": EXAMPLE_USER_ID,
        "restored_version": None,
        "created_at": EXAMPLE_TIME,
    }

    routine_id: UUID
    version: int
    visibility: Visibility = Field(
        description="private while the routine is; for good, if it was when this was saved"
    )
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
        "user_id": EXAMPLE_USER_ID,
        "completed_on": "2029-11-20",
        "version": 2,
        **EXAMPLE_VERSION,
    }

    routine_id: UUID
    user_id: UUID = Field(description="who has done it")
    completed_on: date
    version: int = Field(description="the version it had when it was last marked done")


routines = Resource(
    "Routines",
    "What is done again and again, step by step.",
    (
        get(
            "/v1/routines",
            "List routines",
            query="list_routines",
            parameters=ActiveOrRetired,
            response=Page[Routine],
        ),
        post(
            "/v1/routines",
            "Create a routine, with the first version of its steps",
            query="create_routine",
            body=RoutineCreate,
            response=RoutineWithSteps,
            problems=(problems.CONFLICT,),
        ),
        get(
            "/v1/routines/{routine_id:uuid}",
            "Get a routine",
            query="get_routine",
            response=RoutineWithSteps,
        ),
        patch(
            "/v1/routines/{routine_id:uuid}",
            "Update a routine (its owner; a shared one also owners and admins)",
            query="update_routine",
            body=RoutinePatch,
            response=RoutineWithSteps,
        ),
        delete(
            "/v1/routines/{routine_id:uuid}",
            "Retire a routine (its owner; a shared one also owners and admins)",
            query="retire_routine",
        ),
        post(
            "/v1/routines/{routine_id:uuid}/restore",
            "Restore a retired routine (its owner; a shared one also owners and admins)",
            query="restore_routine",
            response=RoutineWithSteps,
            status=200,
            existence_check="get_retired_routine",
        ),
        get(
            "/v1/routines/{routine_id:uuid}/steps",
            "Get the steps of a routine, in their newest version",
            query="get_routine_steps",
            response=RoutineVersionWithSteps,
        ),
        put(
            "/v1/routines/{routine_id:uuid}/steps",
            "Save the steps of a routine as its next version",
            query="save_routine_steps",
            body=RoutineSteps,
            response=RoutineVersionWithSteps,
            creates=False,
            problems=(problems.CONFLICT,),
        ),
        get(
            "/v1/routines/{routine_id:uuid}/versions",
            "List the versions of a routine, newest first",
            query="list_routine_versions",
            parameters=RoutineVersionFilter,
            response=Page[RoutineVersion],
        ),
        get(
            "/v1/routines/{routine_id:uuid}/versions/{version:number}",
            "Get a version of a routine",
            query="get_routine_version",
            response=RoutineVersionWithSteps,
        ),
        post(
            "/v1/routines/{routine_id:uuid}/versions/{version:number}/restore",
            "Restore an old version as the next one",
            query="restore_routine_version",
            response=RoutineVersionWithSteps,
            status=200,
            existence_check="get_routine_version",
            problems=(problems.CONFLICT,),
        ),
        get(
            "/v1/routines/{routine_id:uuid}/completions",
            "List the completions of a routine, newest first",
            query="list_routine_completions",
            parameters=RoutineCompletionFilter,
            response=Page[RoutineCompletion],
        ),
        get(
            "/v1/routines/{routine_id:uuid}/completions/{date:day}",
            "Get your completion of a day",
            query="get_routine_completion",
            response=RoutineCompletion,
        ),
        put(
            "/v1/routines/{routine_id:uuid}/completions/{date:day}",
            "Mark a routine as done",
            query="save_routine_completion",
            response=RoutineCompletion,
            problems=(problems.CONFLICT,),
        ),
        delete(
            "/v1/routines/{routine_id:uuid}/completions/{date:day}",
            "Mark a routine as not done",
            query="delete_routine_completion",
        ),
    ),
)
