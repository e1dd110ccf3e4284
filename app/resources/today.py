"""Today: everything that is due, in one request."""

from datetime import date
from uuid import UUID

from pydantic import Field

from app.http.endpoint import Resource, get
from app.http.models import EXAMPLE_USER_ID, Response
from app.resources.habits import Habit, HabitLog
from app.resources.routines import Routine
from app.resources.tasks import Task


class HabitToday(Response):
    """A habit that is due today, and what was logged of it."""

    example = {"habit": Habit.example, "log": HabitLog.example, "done_this_week": 3}

    habit: Habit
    log: HabitLog | None = Field(description="what was logged for today; null if nothing")
    done_this_week: int = Field(description="days since Monday on which it was done")


class RoutineToday(Response):
    """A routine, and who has done it today."""

    example = {"routine": Routine.example, "is_done": True, "done_by": [EXAMPLE_USER_ID]}

    routine: Routine
    is_done: bool = Field(description="whether the caller has done it today")
    done_by: list[UUID] = Field(description="everybody who has done it today, first come first")


class TodayHasMore(Response):
    """Of what more is due than a response holds; the lists have all of it."""

    example = {"habits": False, "tasks": False, "routines": False}

    habits: bool
    tasks: bool
    routines: bool


class Today(Response):
    """What is due today."""

    example = {
        "day": "2029-11-20",
        "time_zone": "Europe/Vienna",
        "habits": [HabitToday.example],
        "tasks": [Task.example],
        "routines": [RoutineToday.example],
        "has_more": TodayHasMore.example,
    }

    day: date = Field(description="today, where the family is")
    time_zone: str
    habits: list[HabitToday] = Field(description="one's own that are due, at most 100")
    tasks: list[Task] = Field(
        description="those open and due, then those completed today; at most 100 of each"
    )
    routines: list[RoutineToday] = Field(description="all that one may do, at most 100")
    has_more: TodayHasMore


today = Resource(
    "Today",
    "Everything that is due, in one request.",
    (get("/v1/today", "Get everything that is due today", query="get_today", response=Today),),
)
