"""Scores: points for what was done, and who leads."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.http.endpoint import Resource, get
from app.http.fields import Day
from app.http.models import (
    EXAMPLE_CURSOR,
    EXAMPLE_TIME,
    EXAMPLE_USER_ID,
    NewestFirst,
    Period,
    Request,
    Response,
)

_TASK_ID = "019a9f41-0c6d-7e11-8b44-c0ffee15600d"


ScoreKind = Annotated[
    Literal["task", "habit", "routine", "exercise"], Field(description="what the points are for")
]
ScorePeriod = Annotated[
    Literal["week", "month", "all"],
    Field(description="from Monday to Sunday, a month of the calendar, or everything"),
]


class ScoreFilter(NewestFirst, Period):
    """Which entries of the ledger: whose, for one day to another, both included."""

    member_id: UUID | None = Field(default=None, description="whose; one's own if absent")


class LeaderboardPeriod(Request):
    """What a leaderboard spans."""

    period: ScorePeriod = Field(
        default="week",
        description="from Monday to Sunday, a month of the calendar, or everything",
    )
    day: Day | None = Field(default=None, description="a day of the period; today if absent")


class Score(Response):
    """An entry of the ledger of points."""

    example = {
        "id": "019a9f41-0c6d-7e12-9c45-70a1b2c3d4e5",
        "user_id": EXAMPLE_USER_ID,
        "kind": "task",
        "source_id": _TASK_ID,
        "scored_on": "2029-11-20",
        "points": 5,
        "created_at": EXAMPLE_TIME,
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

    example = {"items": [Score.example], "next": EXAMPLE_CURSOR, "total": 1234}

    items: list[Score]
    next: str | None = Field(description="the cursor of the page after this; null on the last")
    total: int = Field(description="the points of all pages together")


class Standing(Response):
    """Where a member stands."""

    example = {"rank": 1, "user_id": EXAMPLE_USER_ID, "display_name": "New Comer", "points": 42}

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


scores = Resource(
    "Scores",
    "Points for what was done, and who leads.",
    (
        get(
            "/v1/scores",
            "List a member's points, newest first, with their sum",
            query="list_scores",
            parameters=ScoreFilter,
            response=ScoreList,
        ),
        get(
            "/v1/leaderboard",
            "Rank the members by points",
            query="get_leaderboard",
            parameters=LeaderboardPeriod,
            response=Leaderboard,
        ),
    ),
)
