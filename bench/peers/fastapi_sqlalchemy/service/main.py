"""The endpoints."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import bindparam, desc, func, literal, select, true, tuple_, union_all, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from . import models, schemas
from .database import FamilySession, PersonalSession
from .reports import HABIT_STATS, TODAY
from .security import Claims, FamilyClaims

STATUSES = {
    "ZH001": 401,
    "ZH002": 409,
    "ZH003": 403,
    "ZH005": 409,
    "42501": 403,
    "23502": 422,
    "23503": 409,
    "23505": 409,
    "23514": 422,
}
NOT_FOUND = "This does not exist, or you cannot see it."
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Written into the statement: of a parameter, the planner cannot tell that a partial index has it.
FAMILY = literal("family", models.Visibility, literal_execute=True)
PRIVATE = literal("private", models.Visibility, literal_execute=True)

app = FastAPI()


@app.exception_handler(DBAPIError)
async def refuse(request: Request, error: DBAPIError) -> Response:
    """Make a response of what the database refuses."""
    status = STATUSES.get(getattr(error.orig, "sqlstate", None) or "")
    if status is None:
        raise error
    return JSONResponse({"detail": str(error.orig)}, status)


def found(row: Any) -> Any:
    """Return a row that must be there."""
    if row is None:
        raise HTTPException(404, NOT_FOUND)
    return row


@app.get("/v1/me", response_model=schemas.User)
async def get_me(claims: Claims, session: PersonalSession) -> Any:
    """Return the signed-in user."""
    return found(await session.get(models.User, claims.user_id))


task = models.Task
CONDITIONS = {
    "at": tuple_(task.created_at, task.id) < tuple_(bindparam("at"), bindparam("id")),
    "is_completed": task.is_completed == bindparam("is_completed"),
    "due_from": task.due_on >= bindparam("due_from"),
    "due_to": task.due_on <= bindparam("due_to"),
}


# Built once for each set of filters: building it took an eighth of a request.
@cache
def page_of_tasks(*conditions: str) -> Any:
    """Return the statement of a list: a page from the ends of two indexes, shared and private."""
    seen = (
        select(task)
        .where(task.family_id == bindparam("family_id"), *(CONDITIONS[name] for name in conditions))
        .order_by(task.created_at.desc(), task.id.desc())
        .limit(bindparam("rows"))
    )
    shared = seen.where(task.visibility == FAMILY)
    private = seen.where(task.visibility == PRIVATE, task.user_id == bindparam("user_id"))
    both = union_all(shared, private).order_by(desc("created_at"), desc("id"))
    return select(task).from_statement(both.limit(bindparam("rows")))


@app.get("/v1/tasks", response_model=schemas.TaskPage)
async def list_tasks(
    which: Annotated[schemas.TaskFilter, Query()], claims: FamilyClaims, session: FamilySession
) -> Any:
    """List tasks from the newest."""
    values = which.model_dump(exclude={"limit", "cursor"}, exclude_none=True)
    if which.cursor is not None:
        microseconds, _, task_id = which.cursor.partition("_")
        values |= {"at": EPOCH + timedelta(microseconds=int(microseconds)), "id": UUID(task_id)}
    page = page_of_tasks(*sorted(values.keys() & CONDITIONS))
    values |= {"family_id": claims.family_id, "user_id": claims.user_id, "rows": which.limit + 1}
    rows = (await session.scalars(page, values)).all()
    items, cursor = rows[: which.limit], None
    if len(rows) > which.limit:
        microseconds = (items[-1].created_at - EPOCH) // timedelta(microseconds=1)
        cursor = f"{microseconds}_{items[-1].id}"
    return {"items": items, "next": cursor}


@app.post("/v1/tasks", response_model=schemas.Task, status_code=201)
async def create_task(
    body: schemas.TaskCreate, claims: FamilyClaims, session: FamilySession
) -> Any:
    """Create a task."""
    statement = (
        insert(models.Task)
        .values(
            family_id=claims.family_id,
            user_id=claims.user_id,
            completed_at=func.now() if body.is_completed else None,
            **body.model_dump(exclude={"is_completed"}),
        )
        .returning(models.Task)
    )
    return await session.scalar(statement)


@app.get("/v1/tasks/{task_id}", response_model=schemas.Task)
async def get_task(task_id: UUID, claims: FamilyClaims, session: FamilySession) -> Any:
    """Return a task."""
    return found(await session.get(models.Task, (claims.family_id, task_id)))


@app.patch("/v1/tasks/{task_id}", response_model=schemas.Task)
async def update_task(
    task_id: UUID, body: schemas.TaskPatch, claims: FamilyClaims, session: FamilySession
) -> Any:
    """Change a task."""
    task = models.Task
    changes = body.model_dump(exclude_unset=True)
    if (is_completed := changes.pop("is_completed", None)) is not None:
        changes["completed_at"] = (
            func.coalesce(task.completed_at, func.now()) if is_completed else None
        )
    statement = (
        update(task)
        .where(task.family_id == claims.family_id, task.id == task_id)
        .values(changes)
        .returning(task)
    )
    return found(await session.scalar(statement))


@app.put("/v1/habits/{habit_id}/logs/{day}", response_model=schemas.HabitLog)
async def put_habit_log(
    habit_id: UUID,
    day: date,
    body: schemas.HabitLogPut,
    response: Response,
    claims: FamilyClaims,
    session: FamilySession,
) -> Any:
    """Log a day of a habit."""
    habit, log = models.Habit, models.HabitLog
    said = body.model_dump()
    columns = "family_id", "habit_id", "logged_on", "user_id", "visibility", "type"
    source = (
        select(
            habit.family_id,
            habit.id,
            literal(day),
            habit.user_id,
            habit.visibility,
            habit.type,
            *(literal(value, log.__table__.c[name].type) for name, value in said.items()),
        )
        .where(habit.family_id == claims.family_id, habit.id == habit_id, habit.is_active)
        .with_for_update(read=True, key_share=True)
    )
    statement = (
        insert(log)
        .from_select([*columns, *said], source)
        .on_conflict_do_update(
            index_elements=[log.family_id, log.habit_id, log.logged_on], set_=said
        )
        .returning(log)
    )
    row = found(await session.scalar(statement))
    if row.row_version == 1:
        response.status_code = 201
    return row


@app.get("/v1/leaderboard", response_model=schemas.Leaderboard)
async def get_leaderboard(
    which: Annotated[schemas.LeaderboardPeriod, Query()],
    claims: FamilyClaims,
    session: FamilySession,
) -> Any:
    """Rank the members by points."""
    family = found(await session.get(models.Family, claims.family_id))
    day = which.day or datetime.now(ZoneInfo(family.time_zone)).date()
    first_on = last_on = None
    if which.period == "week":
        first_on = day - timedelta(days=day.weekday())
        last_on = first_on + timedelta(days=6)
    elif which.period == "month":
        first_on = day.replace(day=1)
        last_on = (first_on + timedelta(days=31)).replace(day=1) - timedelta(days=1)

    member, entry = models.Membership, models.ScoreEntry
    earned = select(func.coalesce(func.sum(entry.points), 0).label("points")).where(
        entry.family_id == claims.family_id, entry.user_id == member.user_id
    )
    if first_on is not None:
        earned = earned.where(entry.scored_on.between(first_on, last_on))
    earned = earned.lateral()
    rank = func.rank().over(order_by=earned.c.points.desc()).label("rank")
    standings = (
        select(rank, member.user_id, member.display_name, earned.c.points)
        .join(earned, true())
        .where(member.family_id == claims.family_id, member.is_active)
        .order_by(rank, member.display_name, member.user_id)
    )
    return {
        "period": which.period,
        "first_on": first_on,
        "last_on": last_on,
        "time_zone": family.time_zone,
        "items": (await session.execute(standings)).all(),
    }


@app.get("/v1/today")
async def get_today(claims: FamilyClaims, session: FamilySession) -> Response:
    """Return what is due today."""
    values = {"family_id": claims.family_id, "user_id": claims.user_id}
    body = found(await session.scalar(TODAY, values))
    return Response(body, media_type="application/json")


@app.get("/v1/habits/{habit_id}/stats")
async def get_habit_stats(
    habit_id: UUID,
    which: Annotated[schemas.StatsPeriod, Query()],
    claims: FamilyClaims,
    session: FamilySession,
) -> Response:
    """Return what the days of a habit come to."""
    values = {"family_id": claims.family_id, "habit_id": habit_id, **which.model_dump()}
    body = found(await session.scalar(HABIT_STATS, values))
    return Response(body, media_type="application/json")
