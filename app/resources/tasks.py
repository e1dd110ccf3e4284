"""Tasks: what somebody has to do, private or shared with the family."""

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from app.http.endpoint import Resource, delete, get, patch, post
from app.http.fields import Day, Description, Flag, Points, Title, Visibility
from app.http.models import (
    EXAMPLE_TIME,
    EXAMPLE_USER_ID,
    EXAMPLE_VERSION,
    NewestFirst,
    Page,
    Patch,
    Request,
    Versioned,
)

_TASK_ID = "019a9f41-0c6d-7e11-8b44-c0ffee15600d"


class TaskCreate(Request):
    """A new task of the signed-in user."""

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


class TaskFilter(NewestFirst):
    """Which tasks: done or not, due from one day to another, both included."""

    is_completed: Flag | None = Field(default=None, description="those done, or those not")
    due_from: Day | None = Field(default=None, description="due on this day or later")
    due_to: Day | None = Field(default=None, description="due on this day or before")


class Task(Versioned):
    """A task."""

    example = {
        "id": _TASK_ID,
        "user_id": EXAMPLE_USER_ID,
        "title": "Water the plants",
        "description": "Not the cactus",
        "due_on": "2030-02-28",
        "visibility": "family",
        "points": 5,
        "is_completed": True,
        "completed_at": EXAMPLE_TIME,
        **EXAMPLE_VERSION,
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


tasks = Resource(
    "Tasks",
    "What is to be done: private, or the family's.",
    (
        get(
            "/v1/tasks",
            "List tasks",
            query="list_tasks",
            variants={
                "list_tasks_due": ("due_from", "due_to"),
                "list_tasks_in_state": ("is_completed",),
            },
            parameters=TaskFilter,
            response=Page[Task],
        ),
        post("/v1/tasks", "Create a task", query="create_task", body=TaskCreate, response=Task),
        get("/v1/tasks/{task_id:uuid}", "Get a task", query="get_task", response=Task),
        patch(
            "/v1/tasks/{task_id:uuid}",
            "Update a task",
            query="update_task",
            body=TaskPatch,
            response=Task,
        ),
        delete("/v1/tasks/{task_id:uuid}", "Delete a task", query="delete_task"),
    ),
)
