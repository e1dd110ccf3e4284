"""Today: everything that is due for somebody, in one request."""

from datetime import date, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.fixtures import Hearth, Join, NewPerson, Person
from tests.support.rows import by_hand


async def _today(person: Person) -> dict[str, Any]:
    response = await person.client.get("/v1/today")
    assert response.status_code == 200, response.text
    return dict(response.json())


async def _send(person: Person, method: str, path: str, body: object = None) -> Any:
    response = await person.client.request(method, path, json=body)
    assert response.is_success, response.text
    return response.json() if response.content else None


async def _habit(person: Person, name: str, **fields: object) -> dict[str, Any]:
    body = {"name": name, "type": "boolean", **fields}
    return dict(await _send(person, "POST", "/v1/habits", body))


async def _log(hearth: Hearth, habit: dict[str, Any], *days: date, is_done: bool = True) -> None:
    """Log days of a habit, as long ago as may be."""
    await by_hand(
        hearth,
        "insert into app.habit_logs"
        " (family_id, habit_id, logged_on, user_id, visibility, type, is_done)"
        " select family_id, id, day, user_id, visibility, type, $3"
        " from app.habits, unnest($2::date[]) as day where id = $1",
        *(habit["id"], list(days), is_done),
    )


async def test_nothing_is_due_for_somebody_new(ann: Person) -> None:
    today = await _today(ann)

    assert {name: today[name] for name in ("habits", "tasks", "routines")} == {
        "habits": [],
        "tasks": [],
        "routines": [],
    }


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kolkata"])
async def test_today_is_the_day_where_the_family_lives(new_person: NewPerson, zone: str) -> None:
    ann = await new_person(time_zone=zone)
    before = datetime.now(ZoneInfo(zone)).date()

    today = await _today(ann)

    assert today["time_zone"] == zone
    assert date.fromisoformat(today["day"]) in {before, datetime.now(ZoneInfo(zone)).date()}


# Habits.


async def test_a_habit_is_due_on_its_weekdays(ann: Person) -> None:
    weekday = date.fromisoformat((await _today(ann))["day"]).isoweekday()
    habits = [await _habit(ann, f"{day}", weekdays=[day]) for day in range(1, 8)]
    every_day = await _habit(ann, "every day", weekdays=[1, 2, 3, 4, 5, 6, 7])

    due = (await _today(ann))["habits"]

    assert due == [
        {"habit": habit, "log": None, "done_this_week": 0}
        for habit in (habits[weekday - 1], every_day)
    ]


async def test_a_habit_is_due_until_the_week_has_had_its_days_and_seen_when_logged_today(
    ann: Person, hearth: Hearth
) -> None:
    day = date.fromisoformat((await _today(ann))["day"])
    monday = day - timedelta(days=day.weekday())
    others = [monday + timedelta(days=n) for n in range(7) if monday + timedelta(days=n) != day]
    last_week = [monday - timedelta(days=n) for n in range(1, 4)]
    cases = {
        # Days that were done this week but today, days on which it was not, today: due or not.
        "nothing": ([], [], None, True),
        "once": (others[:1], [], None, True),
        "once, and not": (others[:1], others[1:3], None, True),
        "twice": (others[:2], [], None, False),
        "twice, and today": (others[:2], [], True, True),
        "twice, and not today": (others[:2], [], False, True),
        "only today": ([], [], True, True),
        "last week": (last_week, [], None, True),
    }
    for name, (done, missed, done_today, _) in cases.items():
        habit = await _habit(ann, name, times_per_week=2)
        await _log(hearth, habit, *done)
        await _log(hearth, habit, *missed, is_done=False)
        if done_today is not None:
            await _log(hearth, habit, day, is_done=done_today)

    due = (await _today(ann))["habits"]

    assert [habit["habit"]["name"] for habit in due] == [
        name for name, case in cases.items() if case[-1]
    ]
    for habit in due:
        name, log = habit["habit"]["name"], habit["log"]
        done, _, done_today, _ = cases[name]
        this_week = [one for one in done if one >= monday]
        assert habit["done_this_week"] == len(this_week) + (done_today is True)
        assert (log and log["is_done"]) == done_today
        assert log is None or log["logged_on"] == str(day)


@pytest.mark.parametrize("zone", ["Pacific/Pago_Pago", "Pacific/Kiritimati"])
async def test_what_is_logged_ahead_does_not_count_for_today(
    new_person: NewPerson, hearth: Hearth, zone: str
) -> None:
    ann = await new_person(time_zone=zone)
    habit = await _habit(ann, "once a week", times_per_week=1)
    day = date.fromisoformat((await _today(ann))["day"])

    await _log(hearth, habit, day + timedelta(days=1))

    # Of a week that ends today, tomorrow is none of its days anyway.
    assert (await _today(ann))["habits"] == [{"habit": habit, "log": None, "done_this_week": 0}]


async def test_habits_of_others_are_not_due_for_the_reader(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "member")
    await _habit(ann, "shared", visibility="family", times_per_week=7)

    assert len((await _today(ann))["habits"]) == 1
    assert (await _today(bob))["habits"] == []


# Tasks.


async def test_tasks_are_those_due_and_those_completed_today_of_one_and_of_the_family(
    new_person: NewPerson, join: Join, hearth: Hearth
) -> None:
    zone = ZoneInfo("America/St_Johns")
    ann, bob = await new_person(time_zone=zone.key), await new_person()
    await join(bob, ann, "member")
    day = date.fromisoformat((await _today(ann))["day"])
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    due_days = (None, *(day + timedelta(days=n) for n in (-400, -1, 0, 1)))
    # Around both ends of the day, whose length depends on the clocks.
    next_midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=zone)
    moment = timedelta(microseconds=1)
    done_times = (
        *(None, midnight - timedelta(hours=2), midnight - moment, midnight),
        *(next_midnight - moment, next_midnight),
    )
    tasks = list(product((ann, bob), ("private", "family"), due_days, done_times))
    await by_hand(
        hearth,
        "insert into app.tasks"
        " (family_id, user_id, title, visibility, due_on, completed_at, updated_at)"
        " select $1, user_id, n, visibility::app.visibility, due_on, completed_at, 'infinity'"
        " from unnest($2::uuid[], $3::text[], $4::date[], $5::timestamptz[]) with ordinality"
        " as tasks (user_id, visibility, due_on, completed_at, n)",
        ann.family_id,
        [owner.user_id for owner, *_ in tasks],
        [visibility for _, visibility, *_ in tasks],
        [due_on for _, _, due_on, _ in tasks],
        [done_at for *_, done_at in tasks],
    )

    shown = (await _today(ann))["tasks"]

    def is_shown(owner: Person, visibility: str, due_on: date | None, at: datetime | None) -> bool:
        if owner is bob and visibility == "private":
            return False
        if at is None:
            return due_on is not None and due_on <= day
        return at.astimezone(zone).date() == day

    expected = {str(n) for n, task in enumerate(tasks, start=1) if is_shown(*task)}
    assert {task["title"] for task in shown} == expected
    assert len(shown) == len(expected) > 20
    order = [(task["completed_at"] or "", task["due_on"] or "") for task in shown]
    still_open = [due_on for done_at, due_on in order if not done_at]
    assert still_open == sorted(still_open)
    done = [done_at for done_at, _ in order if done_at]
    assert done == sorted(done)
    assert [done_at == "" for done_at, _ in order] == [True] * len(still_open) + [False] * len(done)


@pytest.mark.parametrize("count", [100, 101, 250])
async def test_what_is_long_overdue_comes_first_and_an_end_is_told(
    ann: Person, hearth: Hearth, count: int
) -> None:
    await by_hand(
        hearth,
        "insert into app.tasks (family_id, user_id, title, visibility, due_on)"
        " select $1, $2, n, (array['private', 'family']::app.visibility[])[n % 2 + 1],"
        " date '2020-01-01' + n from generate_series(1, $3) as n",
        *(ann.family_id, ann.user_id, count),
    )

    today = await _today(ann)

    assert [task["title"] for task in today["tasks"]] == [str(n) for n in range(1, 101)]
    assert today["has_more"] == {"habits": False, "tasks": count > 100, "routines": False}


MANY = {
    "habits": "insert into app.habits (family_id, user_id, name, type, weekdays) select $1, $2, n,"
    " 'boolean', '{1,2,3,4,5,6,7}' from generate_series(1, $3) as n",
    "tasks": "insert into app.tasks (family_id, user_id, title, completed_at)"
    " select $1, $2, n, now() from generate_series(1, $3) as n",
}


@pytest.mark.parametrize("part", ["habits", "tasks", "routines"])
async def test_each_part_says_whether_there_is_more(ann: Person, hearth: Hearth, part: str) -> None:
    nothing = {"habits": False, "tasks": False, "routines": False}
    for count, has_more in ((100, False), (1, True)):
        if part == "routines":
            asked = [
                {
                    "method": "POST",
                    "path": "/v1/routines",
                    "body": {"name": str(n), "visibility": ("family", "private")[n % 2]},
                }
                for n in range(count)
            ]
            await _send(ann, "POST", "/v1/batch", {"operations": asked})
        else:
            await by_hand(hearth, MANY[part], ann.family_id, ann.user_id, count)

        today = await _today(ann)

        assert len(today[part]) == 100
        assert today["has_more"] == {**nothing, part: has_more}


# Routines.


async def test_routines_say_whether_they_were_done_today_and_by_whom(
    ann: Person, bob: Person, join: Join, hearth: Hearth
) -> None:
    await join(bob, ann, "member")
    day = date.fromisoformat((await _today(ann))["day"])
    yesterday = day - timedelta(days=1)
    names = (
        *("own, open", "own, done yesterday", "own, done"),
        *("shared, open", "shared, done tomorrow", "shared, done by bob", "shared, done by both"),
    )
    routines = {}
    for name in names:
        visibility = "family" if name.startswith("shared") else "private"
        body = {"name": name, "visibility": visibility}
        routines[name] = (await _send(ann, "POST", "/v1/routines", body))["id"]
    await _send(bob, "POST", "/v1/routines", {"name": "bob's"})
    for name, person, on in (
        ("own, done yesterday", ann, yesterday),
        ("own, done", ann, yesterday),
        ("own, done", ann, day),
        ("shared, done tomorrow", bob, day + timedelta(days=1)),
        ("shared, done tomorrow", bob, yesterday),
        ("shared, done by bob", bob, day),
        ("shared, done by both", bob, day),
        ("shared, done by both", ann, day),
    ):
        await _send(person, "PUT", f"/v1/routines/{routines[name]}/completions/{on}")

    shown = (await _today(ann))["routines"]

    a, b = str(ann.user_id), str(bob.user_id)
    told = [(one["routine"]["name"], one["is_done"], one["done_by"]) for one in shown]
    assert told == [
        ("shared, done by both", True, [b, a]),
        ("shared, done by bob", False, [b]),
        ("shared, done tomorrow", False, []),
        ("shared, open", False, []),
        ("own, done", True, [a]),
        ("own, done yesterday", False, []),
        ("own, open", False, []),
    ]
    listed = (await ann.client.get("/v1/routines")).json()["items"]
    assert [one["routine"] for one in shown] == listed


@pytest.mark.parametrize("kind", ["habits", "routines"])
async def test_what_is_retired_is_not_due(ann: Person, kind: str) -> None:
    body = {"name": "Read", "type": "boolean", "times_per_week": 7}
    made = await _send(ann, "POST", f"/v1/{kind}", body if kind == "habits" else {"name": "Read"})
    before = (await _today(ann))[kind]

    await _send(ann, "DELETE", f"/v1/{kind}/{made['id']}")

    assert len(before) == 1
    assert (await _today(ann))[kind] == []
