"""Scores: points for what was done, taken back with it, never twice; and who leads."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from tests.support.fixtures import (
    AsRole,
    Hearth,
    Join,
    NewPerson,
    Person,
    wait_until_blocked,
    wait_until_requests_block,
)
from tests.support.households import RUNTIME, Household, act_as, attempt, make_household, row_id
from tests.support.rows import by_hand

KINDS = ("task", "habit", "routine", "exercise")
DAY = "2026-03-29"


async def _send(person: Person, method: str, path: str, body: object = None) -> Any:
    response = await person.client.request(method, path, json=body)
    assert response.is_success, response.text
    return response.json() if response.content else None


async def _scores(person: Person, **parameters: str | int) -> dict[str, Any]:
    response = await person.client.get("/v1/scores", params=parameters)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def _points(person: Person) -> list[int]:
    """Return the points of all entries of a person, from the oldest to the newest."""
    scores = await _scores(person, limit=100)
    assert scores["total"] == sum(entry["points"] for entry in scores["items"])
    return [entry["points"] for entry in reversed(scores["items"])]


@dataclass
class Thing:
    """Something that can be done, and undone."""

    person: Person
    kind: str
    path: str
    log_id: str = ""

    @property
    def source_id(self) -> str:
        return self.log_id or self.path.rpartition("/")[2]

    async def do(self) -> None:
        if self.kind == "exercise":
            body = {"performed_on": DAY, "reps": 1}
            self.log_id = (await _send(self.person, "POST", f"{self.path}/logs", body))["id"]
        elif self.kind == "task":
            await _send(self.person, "PATCH", self.path, {"is_completed": True})
        elif self.kind == "habit":
            await _send(self.person, "PUT", f"{self.path}/logs/{DAY}", {"is_done": True})
        else:
            await _send(self.person, "PUT", f"{self.path}/completions/{DAY}")

    async def undo(self) -> None:
        if self.kind == "task":
            await _send(self.person, "PATCH", self.path, {"is_completed": False})
        else:
            below = {
                "exercise": f"logs/{self.log_id}",
                "habit": f"logs/{DAY}",
                "routine": f"completions/{DAY}",
            }
            await _send(self.person, "DELETE", f"{self.path}/{below[self.kind]}")


async def _make(person: Person, kind: str, **fields: object) -> Thing:
    body: dict[str, object] = {"title" if kind == "task" else "name": f"Thing {uuid4()}"}
    if kind == "habit":
        body |= {"type": "boolean", "weekdays": [1, 2, 3, 4, 5, 6, 7]}
    made = await _send(person, "POST", f"/v1/{kind}s", {**body, **fields})
    return Thing(person, kind, f"/v1/{kind}s/{made['id']}")


# What is awarded, and taken back.


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_done_is_awarded_and_what_is_taken_back_is_reversed(
    ann: Person, kind: str
) -> None:
    thing = await _make(ann, kind, points=7)

    await thing.do()
    done, *rest = (await _scores(ann))["items"]
    await thing.undo()
    undone = (await _scores(ann))["items"][0]
    await thing.do()

    assert rest == []
    told = {name: done[name] for name in ("user_id", "kind", "points")}
    assert told == {"user_id": str(ann.user_id), "kind": kind, "points": 7}
    kept = ("user_id", "kind", "source_id", "scored_on")
    assert {name: undone[name] for name in kept} == {name: done[name] for name in kept}
    assert kind == "task" or done["scored_on"] == DAY
    assert kind == "exercise" or done["source_id"] == thing.source_id
    assert await _points(ann) == [7, -7, 7]


@pytest.mark.parametrize("kind", KINDS)
async def test_ten_times_there_and_back_come_to_nothing(ann: Person, kind: str) -> None:
    thing = await _make(ann, kind, points=3)

    for _ in range(10):
        await thing.do()
        await thing.undo()

    assert await _points(ann) == [3, -3] * 10


@pytest.mark.parametrize("kind", ["task", "habit", "routine"])
async def test_what_is_done_already_is_not_awarded_again(ann: Person, kind: str) -> None:
    thing = await _make(ann, kind)

    for _ in range(3):
        await thing.do()

    assert await _points(ann) == [1]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_reversed_is_what_was_awarded_whatever_it_is_worth_by_then(
    ann: Person, kind: str
) -> None:
    thing = await _make(ann, kind, points=5)

    await thing.do()
    await _send(ann, "PATCH", thing.path, {"points": 100})
    await thing.undo()
    await thing.do()

    assert await _points(ann) == [5, -5, 100]


async def test_a_log_that_is_moved_to_another_day_takes_its_points_along(ann: Person) -> None:
    thing = await _make(ann, "exercise", points=7)
    await thing.do()
    await _send(ann, "PATCH", thing.path, {"points": 100})

    log = f"{thing.path}/logs/{thing.log_id}"
    await _send(ann, "PATCH", log, {"note": "On Sunday"})
    await _send(ann, "PATCH", log, {"performed_on": "2026-03-22"})
    moved = await _scores(ann)
    await thing.undo()

    entries = [(entry["scored_on"], entry["points"]) for entry in reversed(moved["items"])]
    assert entries == [(DAY, 7), (DAY, -7), ("2026-03-22", 7)]
    assert await _points(ann) == [7, -7, 7, -7]


async def test_a_log_that_won_nothing_wins_nothing_when_it_is_moved(ann: Person) -> None:
    thing = await _make(ann, "exercise", points=0)
    await thing.do()
    await _send(ann, "PATCH", thing.path, {"points": 50})

    log = f"{thing.path}/logs/{thing.log_id}"
    await _send(ann, "PATCH", log, {"performed_on": "2026-03-22"})

    assert await _points(ann) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_worth_nothing_makes_no_entry_and_is_worth_nothing_later(
    ann: Person, kind: str
) -> None:
    thing = await _make(ann, kind, points=0)

    await thing.do()
    await _send(ann, "PATCH", thing.path, {"points": 100})
    await thing.undo()

    assert await _points(ann) == []


async def test_a_task_that_is_made_as_completed_is_awarded(ann: Person) -> None:
    body = {"title": "Water the plants", "points": 4, "is_completed": True}

    await _send(ann, "POST", "/v1/tasks", body)

    assert await _points(ann) == [4]


async def test_a_task_that_was_done_was_done_although_it_is_deleted(ann: Person) -> None:
    thing = await _make(ann, "task", points=4)
    await thing.do()

    await _send(ann, "DELETE", thing.path)

    assert await _points(ann) == [4]


@pytest.mark.parametrize("kind", ["habit", "routine", "exercise"])
async def test_what_is_retired_keeps_what_it_won(ann: Person, kind: str) -> None:
    thing = await _make(ann, kind, points=4)
    await thing.do()

    await _send(ann, "DELETE", thing.path)

    assert await _points(ann) == [4]


async def test_a_day_of_a_habit_counts_as_long_as_its_target_is_reached(ann: Person) -> None:
    fields = {"type": "numeric", "target_value": 20, "unit": "pages", "points": 2}
    thing = await _make(ann, "habit", **fields)

    for value in (19, 20, 25, 3, 21):
        await _send(ann, "PUT", f"{thing.path}/logs/{DAY}", {"value": value})

    assert await _points(ann) == [2, -2, 2]


async def test_each_day_of_a_habit_counts_for_itself(ann: Person) -> None:
    thing = await _make(ann, "habit", points=2)
    days = [f"2026-03-{day}" for day in (28, 29, 30)]
    for day in days:
        await _send(ann, "PUT", f"{thing.path}/logs/{day}", {"is_done": True})

    await _send(ann, "PUT", f"{thing.path}/logs/{days[1]}", {"is_done": False})

    by_day = [(await _scores(ann, **{"from": day, "to": day}))["total"] for day in days]
    assert by_day == [2, 0, 2]


@pytest.mark.parametrize("kind", KINDS)
async def test_each_of_two_things_that_are_done_on_one_day_counts(ann: Person, kind: str) -> None:
    for points in (2, 3):
        await (await _make(ann, kind, points=points)).do()

    assert await _points(ann) == [2, 3]


async def test_things_of_two_kinds_count_though_their_ids_are_the_same(
    ann: Person, hearth: Hearth
) -> None:
    exercise, routine = await _make(ann, "exercise"), await _make(ann, "routine")
    log = await _send(ann, "POST", f"{exercise.path}/logs", {"reps": 8, "performed_on": DAY})
    await _send(ann, "PUT", f"{routine.path}/completions/{DAY}")

    await by_hand(
        hearth,
        "insert into app.tasks (family_id, id, user_id, title, completed_at)"
        " values ($1, $2, $3, 'Of the same id', now())",
        *(ann.family_id, log["id"], ann.user_id),
    )
    id_ = routine.path.rpartition("/")[2]
    await by_hand(
        hearth,
        "insert into app.habits (family_id, id, user_id, name, type, times_per_week)"
        " values ($1, $2, $3, 'Of the same id', 'boolean', 1)",
        *(ann.family_id, id_, ann.user_id),
    )
    await _send(ann, "PUT", f"/v1/habits/{id_}/logs/{DAY}", {"is_done": True})

    assert await _points(ann) == [1, 1, 1, 1]


async def test_points_of_a_shared_task_go_to_who_did_it_and_are_taken_from_them(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "member")
    thing = await _make(ann, "task", points=6, visibility="family")

    await Thing(bob, "task", thing.path).do()
    done = (await _points(ann), await _points(bob))
    await thing.undo()
    undone = (await _points(ann), await _points(bob))
    await thing.do()

    assert done == ([], [6])
    assert undone == ([], [6, -6])
    assert (await _points(ann), await _points(bob)) == ([6], [6, -6])


@pytest.mark.parametrize(
    ("who", "points", "status"),
    [("bob", 6, 200), ("cyd", 6, 403), ("cyd", 0, 200), ("ann", 6, 200), ("dan", 6, 200)],
)
async def test_a_task_is_opened_again_by_who_did_it_its_owner_or_who_runs_the_family(
    ann: Person, bob: Person, new_person: NewPerson, join: Join, who: str, points: int, status: int
) -> None:
    people = {"ann": ann, "bob": bob, "cyd": await new_person(), "dan": await new_person()}
    for name, role in (("bob", "member"), ("cyd", "member"), ("dan", "admin")):
        await join(people[name], ann, role)
    thing = await _make(ann, "task", points=points, visibility="family")
    await Thing(bob, "task", thing.path).do()
    if who == "cyd":  # who has an entry that comes after all of this task's
        own = await _make(people[who], "task")
        for done in (True, False, True):
            await _send(people[who], "PATCH", own.path, {"is_completed": done})

    response = await people[who].client.patch(thing.path, json={"is_completed": False})

    assert response.status_code == status
    left = [points] if status == 403 else [points, -points]
    assert await _points(bob) == [each for each in left if each]


async def test_a_member_does_not_say_what_the_task_of_another_is_worth(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "member")
    thing = await _make(ann, "task", points=6, visibility="family")

    refused = await bob.client.patch(thing.path, json={"points": 1000, "title": "Mine"})
    done = await bob.client.patch(thing.path, json={"points": 6, "is_completed": True})

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert done.status_code == 200
    assert await _points(bob) == [6]


async def test_who_runs_the_family_says_what_the_task_of_another_is_worth(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "admin")
    thing = await _make(ann, "task", points=6, visibility="family")

    changed = await bob.client.patch(thing.path, json={"points": 7})

    assert (changed.status_code, changed.json()["points"]) == (200, 7)


async def test_nobody_wins_more_than_a_thousand_points_a_day(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "member")
    task = {"title": "Rich", "points": 600, "is_completed": True}
    long_ago = [f"{year}-01-01" for year in (1900, 1950, 2000)]

    await _send(
        ann,
        "POST",
        "/v1/batch",
        {"operations": [{"method": "POST", "path": "/v1/tasks", "body": task}] * 3},
    )
    habit = await _make(ann, "habit", points=1000)
    for day in long_ago:
        await _send(ann, "PUT", f"{habit.path}/logs/{day}", {"is_done": True})
    await _send(bob, "POST", "/v1/tasks", task)

    assert await _points(ann) == [600, 400]
    assert await _points(bob) == [600]


@pytest.mark.parametrize(("microseconds", "won"), [(-1, 600), (0, 1)])
async def test_the_day_of_a_thousand_points_is_the_familys(
    new_person: NewPerson, hearth: Hearth, microseconds: int, won: int
) -> None:
    ann = await new_person(time_zone="Pacific/Kiritimati")
    await by_hand(
        hearth,
        "insert into app.score_entries"
        " (family_id, user_id, kind, source_id, scored_on, sequence, points, created_at)"
        " select $1, $2, 'task', gen_random_uuid(), '2026-01-01', 1, 999,"
        " date_trunc('day', now(), 'Pacific/Kiritimati') + $3 * interval '1 microsecond'",
        *(ann.family_id, ann.user_id, microseconds),
    )

    body = {"title": "Rich", "points": 600, "is_completed": True}
    await _send(ann, "POST", "/v1/tasks", body)

    assert sorted(await _points(ann)) == sorted([999, won])


async def test_everybody_who_does_a_shared_routine_is_awarded(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "member")
    thing = await _make(ann, "routine", points=6, visibility="family")

    await thing.do()
    await Thing(bob, "routine", thing.path).do()
    await thing.undo()

    assert (await _points(ann), await _points(bob)) == ([6, -6], [6])


async def test_of_a_batch_that_fails_no_points_are_left(ann: Person) -> None:
    thing = await _make(ann, "task")
    operations = [
        {"method": "PATCH", "path": thing.path, "body": {"is_completed": True}},
        {"method": "GET", "path": f"/v1/tasks/{uuid4()}"},
    ]

    response = await ann.client.post("/v1/batch", json={"operations": operations})

    assert response.status_code == 404
    assert await _points(ann) == []


# Nothing twice, however many do it at once.


async def test_of_two_who_complete_a_task_at_once_one_is_awarded(
    ann: Person, bob: Person, join: Join, as_role: AsRole
) -> None:
    await join(bob, ann, "member")
    thing = await _make(ann, "task", points=6, visibility="family")
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute("update app.tasks set completed_at = now()")
    second = asyncio.create_task(Thing(bob, "task", thing.path).do())
    await wait_until_requests_block(first, 1)

    await first.execute("commit")

    await second
    assert (await _points(ann), await _points(bob)) == ([6], [])


async def test_of_two_who_undo_a_task_at_once_one_reverses(
    ann: Person, bob: Person, join: Join, as_role: AsRole
) -> None:
    await join(bob, ann, "admin")
    thing = await _make(ann, "task", points=6, visibility="family")
    await thing.do()
    first = await as_role("app_api", **as_role.of(bob))
    await first.execute("update app.tasks set completed_at = null")
    second = asyncio.create_task(thing.undo())
    await wait_until_requests_block(first, 1)

    await first.execute("commit")

    await second
    assert (await _points(ann), await _points(bob)) == ([6, -6], [])


@pytest.mark.parametrize(
    ("kind", "insert"),
    [
        (
            "habit",
            "insert into app.habit_logs"
            " (family_id, habit_id, logged_on, user_id, visibility, type, is_done)"
            " select family_id, id, $1, user_id, visibility, type, true from app.habits",
        ),
        (
            "routine",
            "insert into app.routine_completions"
            " (family_id, routine_id, user_id, completed_on, owner_id, visibility, version)"
            " select family_id, id, user_id, $1, user_id, visibility, version from app.routines",
        ),
    ],
)
async def test_a_day_that_is_logged_twice_at_once_is_awarded_once(
    ann: Person, as_role: AsRole, kind: str, insert: str
) -> None:
    thing = await _make(ann, kind, points=6)
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute(insert, date.fromisoformat(DAY))
    second = asyncio.create_task(thing.do())
    await wait_until_requests_block(first, 1)

    await first.execute("commit")

    await second
    assert await _points(ann) == [6]


@pytest.mark.parametrize(
    ("kind", "whose", "day", "broken"),
    [
        ("task", "admin", "2026-03-30", "score_entries_once_idx"),
        ("exercise", "admin", "2026-03-30", "score_entries_once_idx"),
        ("habit", "owner", "2026-03-29", "score_entries_daily_idx"),
        ("routine", "owner", "2026-03-29", "score_entries_daily_idx"),
    ],
)
async def test_the_same_award_cannot_be_written_twice_even_by_two_at_once(
    own_hearth: Hearth, kind: str, whose: str, day: str, broken: str
) -> None:
    root, first, second = [
        await asyncpg.connect(own_hearth.superuser_url, statement_cache_size=0) for _ in range(3)
    ]
    home = await make_household(root)
    insert = (
        "insert into app.score_entries"
        " (family_id, user_id, kind, source_id, scored_on, sequence, points)"
        f" values ($1, $2, '{kind}', $3, $4, 1, 5)"
    )
    award = (home.family_id, home.users["owner"], home.family_id, date(2026, 3, 29))
    again = (home.family_id, home.users[whose], home.family_id, date.fromisoformat(day))
    await first.execute("begin")
    await first.execute(insert, *award)
    later = asyncio.create_task(second.execute(insert, *again))
    await wait_until_blocked(root, second.get_server_pid())

    await first.execute("commit")

    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await later
    assert refused.value.constraint_name == broken
    for connection in (root, first, second):
        await connection.close()


# By hand.


async def test_what_is_done_at_a_psql_prompt_counts_and_moves_no_points_when_it_is_moved(
    ann: Person, hearth: Hearth
) -> None:
    await _make(ann, "task", points=5)
    update = "update app.tasks set completed_at = $2 where family_id = $1"
    at = datetime(2026, 3, 29, 12, tzinfo=UTC)

    for completed_at in (at, at + timedelta(days=3), None, at + timedelta(days=3)):
        await by_hand(hearth, update, ann.family_id, completed_at)

    entries = (await _scores(ann))["items"][::-1]
    assert [(entry["points"], entry["scored_on"]) for entry in entries] == [
        (5, "2026-03-29"),
        (-5, "2026-03-29"),
        (5, "2026-04-01"),
    ]


async def test_an_award_that_stands_is_not_written_again_though_its_end_was_not_seen(
    root: asyncpg.Connection, home: Household
) -> None:
    task = (home.family_id, row_id("shared task", "owner"))
    update = "update app.tasks set points = 8, completed_at = {} where family_id = $1 and id = $2"
    await root.execute(update.format("now()"), *task)
    await root.execute("set local session_replication_role = replica")  # as a restore may
    await root.execute(update.format("null"), *task)
    await root.execute("set local session_replication_role = origin")

    await root.execute(update.format("now()"), *task)

    entries = await root.fetch(ENTRIES, home.family_id)
    assert [tuple(entry) for entry in entries] == [(home.users["owner"], "task", 8)]


@pytest.mark.parametrize(
    "statement",
    [
        "update app.score_entries set points = 1000",
        "delete from app.score_entries",
        "truncate app.score_entries",
    ],
)
async def test_the_ledger_is_append_only_for_everybody(
    root: asyncpg.Connection, home: Household, statement: str
) -> None:
    responses = {}
    for role in (*RUNTIME, "none"):
        await act_as(root, role, **home.context("owner"))
        responses[role] = await attempt(root, statement)

    assert responses == {**dict.fromkeys(RUNTIME, "42501"), "none": "ZH003"}


async def test_nobody_writes_the_ledger_but_its_trigger(
    root: asyncpg.Connection, home: Household
) -> None:
    forged = (
        "insert into app.score_entries"
        " (family_id, user_id, kind, source_id, scored_on, sequence, points)"
        " values ($1, $2, 'task', $1, '2026-03-29', 1, 1000)"
    )

    responses = {}
    for role in (*RUNTIME, "app_owner"):
        await act_as(root, role, **home.context("owner"))
        responses[role] = await attempt(root, forged, home.family_id, home.users["owner"])

    refused = dict.fromkeys((*RUNTIME, "app_owner"), "42501")
    assert responses == refused | {"app_auth": "INSERT 0 1"}  # as whom the trigger runs


# What is purged.


@pytest.fixture
async def winners(root: asyncpg.Connection, home: Household) -> Household:
    """Return a household in which each has done one of everything anew, for 9 points."""
    for table in ("habits", "routines", "exercises"):
        await root.execute(
            f"update app.{table} set points = 9 where family_id = $1", home.family_id
        )
    for insert in (
        "insert into app.habit_logs"
        " (family_id, habit_id, logged_on, user_id, visibility, type, is_done)"
        " select family_id, id, '2026-03-30', user_id, visibility, type, true"
        " from app.habits where type = 'boolean' and family_id = $1",
        "insert into app.routine_completions"
        " (family_id, routine_id, user_id, completed_on, owner_id, visibility, version)"
        " select family_id, id, user_id, '2026-03-30', user_id, visibility, version"
        " from app.routines where visibility = 'private' and family_id = $1",
        "insert into app.exercise_logs (family_id, user_id, exercise_id, performed_on, reps)"
        " select family_id, user_id, id, '2026-03-30', 1 from app.exercises"
        " where user_id is not null and family_id = $1",
    ):
        await root.execute(insert, home.family_id)
    return home


ENTRIES = (
    "select user_id, kind, points from app.score_entries"
    " where family_id = $1 and points <> 5 order by created_at"
)


@pytest.mark.parametrize("table", ["habits", "routines", "exercises"])
async def test_what_goes_in_a_purge_keeps_what_it_won(
    root: asyncpg.Connection, winners: Household, table: str
) -> None:
    before = await root.fetch(ENTRIES, winners.family_id)

    await root.execute(f"delete from app.{table} where family_id = $1", winners.family_id)

    assert len(before) == 9
    assert await root.fetch(ENTRIES, winners.family_id) == before


async def test_points_go_with_their_member_and_only_theirs(
    root: asyncpg.Connection, winners: Household
) -> None:
    before = await root.fetch(ENTRIES, winners.family_id)

    await root.execute("delete from app.users where id = $1", winners.users["member"])

    left = [entry for entry in before if entry["user_id"] != winners.users["member"]]
    assert len(left) == 6
    assert await root.fetch(ENTRIES, winners.family_id) == left


async def test_a_task_outlives_who_completed_it_and_may_be_done_again(
    root: asyncpg.Connection, home: Household
) -> None:
    task = row_id("shared task", "owner")
    await root.execute("update app.tasks set points = 8 where id = $1", task)
    await act_as(root, "app_api", **home.context("member"))
    await root.execute("update app.tasks set completed_at = now() where id = $1", task)
    await act_as(root, "none")
    await root.execute("delete from app.users where id = $1", home.users["member"])

    await act_as(root, "app_api", **home.context("admin"))
    for completed_at in ("null", "now()"):
        await root.execute(
            f"update app.tasks set completed_at = {completed_at} where id = $1", task
        )

    entries = await root.fetch(ENTRIES, home.family_id)
    assert [tuple(entry) for entry in entries] == [(home.users["admin"], "task", 8)]


# The list.


async def test_the_pages_of_a_list_are_together_what_was_asked_for(
    ann: Person, bob: Person, join: Join, hearth: Hearth
) -> None:
    await join(bob, ann, "member")
    # Two a microsecond, some on the same day.
    await by_hand(
        hearth,
        "insert into app.score_entries"
        " (family_id, user_id, kind, source_id, scored_on, sequence, points, created_at)"
        " select $1, case when n % 3 = 0 then $2 else $3::uuid end, 'task', app.new_id(),"
        " date '2026-03-01' + n / 4, 1, n, now() + n / 2 * interval '1 microsecond'"
        " from generate_series(1, 60) as n",
        *(ann.family_id, ann.user_id, bob.user_id),
    )
    rows = await by_hand(
        hearth,
        "select id::text, user_id, scored_on::text, points from app.score_entries"
        " where family_id = $1 order by created_at desc, id desc",
        ann.family_id,
    )

    for asked, whose, first, last in (
        ({}, ann, "", "9"),
        ({"member_id": str(bob.user_id)}, bob, "", "9"),
        ({"from": "2026-03-05"}, ann, "2026-03-05", "9"),
        ({"to": "2026-03-05"}, ann, "", "2026-03-05"),
        ({"from": "2026-03-05", "to": "2026-03-07"}, ann, "2026-03-05", "2026-03-07"),
        ({"from": "2026-03-07", "to": "2026-03-05"}, ann, "2026-03-07", "2026-03-05"),
    ):
        expected = [
            row for row in rows if row[1] == whose.user_id and first <= row["scored_on"] <= last
        ]
        for limit in (1, 7, 100):
            seen: list[str] = []
            parameters: dict[str, Any] = {**asked, "limit": limit}
            while parameters.get("cursor", "") is not None:
                page = await _scores(ann, **parameters)
                seen += [entry["id"] for entry in page["items"]]
                parameters["cursor"] = page["next"]

                assert page["total"] == sum(row["points"] for row in expected)
            assert seen == [row["id"] for row in expected]


async def test_the_family_sees_everybodys_points_and_nobody_else_does(
    ann: Person, bob: Person, join: Join, new_person: NewPerson
) -> None:
    await join(bob, ann, "member")
    stranger = await new_person()
    await (await _make(bob, "task", points=6, visibility="private")).do()

    seen = {
        person.email: (await _scores(person, member_id=str(bob.user_id)))["total"]
        for person in (ann, bob, stranger)
    }

    assert seen == {ann.email: 6, bob.email: 6, stranger.email: 0}


@pytest.mark.parametrize(
    ("path", "parameter", "value"),
    [
        ("scores", "member_id", "somebody"),
        ("scores", "from", "2026-02-30"),
        ("scores", "to", "3000-01-01"),
        ("scores", "limit", "0"),
        ("leaderboard", "period", "year"),
        ("leaderboard", "period", ""),
        ("leaderboard", "day", "today"),
        ("leaderboard", "limit", "1"),
        ("tasks", "points", "1"),
    ],
)
async def test_what_makes_no_sense_is_pointed_at(
    ann: Person, path: str, parameter: str, value: str
) -> None:
    response = await ann.client.get(f"/v1/{path}", params={parameter: value})

    assert (response.status_code, response.json()["code"]) == (422, "validation-failed")
    assert [error["parameter"] for error in response.json()["errors"]] == [parameter]


@pytest.mark.parametrize("points", [-1, 1001, 0.5, "1", None])
async def test_a_task_is_worth_0_to_1000_points(ann: Person, points: object) -> None:
    made = await _make(ann, "task")

    responses = [
        await ann.client.post("/v1/tasks", json={"title": "Dust", "points": points}),
        await ann.client.patch(made.path, json={"points": points}),
    ]

    for response in responses:
        assert (response.status_code, response.json()["code"]) == (422, "validation-failed")
        assert [error["pointer"] for error in response.json()["errors"]] == ["/points"]


# The leaderboard.


async def _leaderboard(person: Person, **parameters: str) -> dict[str, Any]:
    response = await person.client.get("/v1/leaderboard", params=parameters)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_who_has_as_many_points_has_the_same_rank_and_who_has_none_is_there(
    new_person: NewPerson, join: Join
) -> None:
    people = [await new_person() for _ in range(5)]
    for person in people[1:]:
        await join(person, people[0], "member")
    for person, points in zip(people, (3, 8, 8, 0, 5), strict=True):
        await (await _make(person, "task", points=points)).do()
    await _send(people[0], "DELETE", f"/v1/members/{people[4].user_id}")

    for period in ("week", "month", "all"):
        board = await _leaderboard(people[0], period=period)

        ranks = [(item["rank"], item["user_id"], item["points"]) for item in board["items"]]
        tied = sorted((1, str(person.user_id), 8) for person in people[1:3])
        assert sorted(ranks[:2]) == tied
        assert ranks[2:] == [(3, str(people[0].user_id), 3), (4, str(people[3].user_id), 0)]


@pytest.mark.parametrize(
    "zone", ["Europe/Vienna", "America/St_Johns", "Pacific/Kiritimati", "Pacific/Pago_Pago"]
)
async def test_points_count_for_the_day_and_the_period_where_the_family_lives(
    new_person: NewPerson, hearth: Hearth, zone: str
) -> None:
    ann = await new_person(time_zone=zone)
    # Across the changes of the clocks in America, on the 8th, and in Europe, on the 29th.
    start, step = datetime(2026, 2, 27, tzinfo=UTC), timedelta(hours=5, minutes=30)
    done = [(start + n * step, n % 7 + 1) for n in range(190)]
    await by_hand(
        hearth,
        "insert into app.tasks (family_id, user_id, title, completed_at, points)"
        " select $1, $2, 'Task', at, points"
        " from unnest($3::timestamptz[], $4::integer[]) as done (at, points)",
        *(ann.family_id, ann.user_id, [at for at, _ in done], [points for _, points in done]),
    )
    local = [(at.astimezone(ZoneInfo(zone)).date(), points) for at, points in done]

    for number in range(1, 32):
        day = date(2026, 3, number)
        monday = day - timedelta(days=day.weekday())
        for period, first, last in (
            ("week", monday, monday + timedelta(days=6)),
            ("month", date(2026, 3, 1), date(2026, 3, 31)),
        ):
            board = await _leaderboard(ann, period=period, day=str(day))

            assert (board["first_on"], board["last_on"]) == (str(first), str(last))
            expected = sum(points for on, points in local if first <= on <= last)
            assert board["items"][0]["points"] == expected
    everything = await _leaderboard(ann, period="all")
    assert (everything["first_on"], everything["last_on"]) == (None, None)
    assert everything["items"][0]["points"] == sum(points for _, points in done)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_without_a_day_the_period_is_the_one_that_is_now_where_the_family_lives(
    new_person: NewPerson, zone: str
) -> None:
    ann = await new_person(time_zone=zone)
    before = datetime.now(ZoneInfo(zone)).date()

    week, month = [await _leaderboard(ann, period=period) for period in ("week", "month")]

    after = datetime.now(ZoneInfo(zone)).date()
    days = (before, after)  # which differ when it is midnight there
    assert week["first_on"] in {str(day - timedelta(days=day.weekday())) for day in days}
    assert month["first_on"] in {str(day.replace(day=1)) for day in days}
    assert (week["time_zone"], week["period"], month["period"]) == (zone, "week", "month")


async def test_points_stay_on_their_day_when_the_family_moves(
    new_person: NewPerson, hearth: Hearth
) -> None:
    ann = await new_person(time_zone="Pacific/Kiritimati")
    await _make(ann, "task", points=5)
    at = datetime(2026, 3, 29, 12, tzinfo=UTC)  # the 30th there, a Monday
    update = "update app.tasks set completed_at = $2 where family_id = $1"
    await by_hand(hearth, update, ann.family_id, at)

    await _send(ann, "PATCH", "/v1/family", {"time_zone": "Pacific/Pago_Pago"})
    await by_hand(hearth, update, ann.family_id, None)

    entries = (await _scores(ann))["items"]
    assert [(entry["points"], entry["scored_on"]) for entry in entries] == [
        (-5, "2026-03-30"),
        (5, "2026-03-30"),
    ]


async def test_the_trail_tells_of_points_as_of_everything(ann: Person) -> None:
    await (await _make(ann, "task", points=5)).do()

    records = (await ann.client.get("/v1/audit")).json()["items"]

    (record,) = [record for record in records if record["table_name"] == "score_entries"]
    assert record["actor_id"] == str(ann.user_id)
    assert record["after"]["points"] == 5
