"""Exercises, which the family shares, and logs of them, which are each member's own."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from tests.support.fixtures import (
    AsRole,
    Hearth,
    Join,
    NewPerson,
    Person,
    wait_until_requests_block,
)
from tests.support.rows import all_rows, by_hand

Json = dict[str, Any]


async def _write(person: Person, name: str = "Bench press", **fields: object) -> Json:
    response = await person.client.post("/v1/exercises", json={"name": name, **fields})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def _log(person: Person, exercise: Json, **fields: object) -> Json:
    response = await person.client.post(f"{_path(exercise)}/logs", json=fields)
    assert response.status_code == 201, response.text
    return dict(response.json())


def _path(exercise: Json) -> str:
    return f"/v1/exercises/{exercise['id']}"


async def _names(person: Person, **asked: str) -> list[str]:
    response = await person.client.get("/v1/exercises", params=asked)
    return [exercise["name"] for exercise in response.json()["items"]]


# The catalogue.


async def test_an_exercise_needs_no_more_than_a_name(ann: Person) -> None:
    exercise = await _write(ann, "Plank")

    given = {name: exercise[name] for name in exercise if name != "id" and name[-3:] != "_at"}
    assert given == {
        "user_id": str(ann.user_id),
        "name": "Plank",
        "description": None,
        "points": 1,
        "row_version": 1,
    }
    assert (await ann.client.get("/v1/exercises")).json() == {"items": [exercise], "next": None}
    assert (await ann.client.get(_path(exercise))).json() == exercise


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"name": "Squat"}, {"name"}),
        ({"name": "BENCH PRESS"}, {"name"}),
        ({"description": None}, {"description"}),
        ({"points": 0, "description": ""}, {"points", "description"}),
    ],
)
async def test_what_is_absent_stays_and_null_empties(
    change: Json, changed: set[str], ann: Person
) -> None:
    before = await _write(ann, description="Feet on the floor", points=5)

    after = (await ann.client.patch(_path(before), json=change)).json()

    assert {name for name in before if before[name] != after[name]} == changed | {
        "updated_at",
        "row_version",
    }
    assert {name: after[name] for name in change} == change


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", " \t"),
        ("name", "x" * 101),
        ("name", None),
        ("description", "x" * 1001),
        ("points", -1),
        ("points", 1001),
        ("points", "5"),
        ("points", 1.5),
        ("user_id", "019a9f3e-52b1-7c0a-8d2e-5f4b6a7c8d90"),
        ("is_active", False),
    ],
)
async def test_a_value_that_an_exercise_cannot_have_is_pointed_at(
    field: str, value: object, ann: Person, hearth: Hearth
) -> None:
    exercise = await _write(ann)
    before = await all_rows(hearth, about=ann.family_id)

    responses = [
        await ann.client.post("/v1/exercises", json={"name": "Plank", field: value}),
        await ann.client.patch(_path(exercise), json={field: value}),
    ]

    for response in responses:
        assert response.status_code == 422
        assert [error["pointer"] for error in response.json()["errors"]] == [f"/{field}"]
    assert await all_rows(hearth, about=ann.family_id) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Plank", "PLANK"),
        ("Plank", "plan\u212a"),
        ("Plank", "Pl\u200bank"),
        ("Side plank", "Side\u00a0 plank"),
        ("Relev\u00e9", "releve\u0301"),
        ("\u00dcbung", "u\u0308bung"),
    ],
)
async def test_a_name_is_one_exercises_however_it_is_written(
    one: str, other: str, ann: Person, bob: Person, join: Join
) -> None:
    await _write(bob, one)  # in another family
    await _write(ann, one)
    await join(bob, ann, "member")
    squat = await _write(bob, "Squat")

    responses = [
        await bob.client.post("/v1/exercises", json={"name": other}),
        await bob.client.patch(_path(squat), json={"name": other}),
    ]

    for response in responses:
        assert (response.status_code, response.json()["code"]) == (409, "conflict")
        assert response.json()["detail"] == "An exercise with this name already exists."
        assert [error["pointer"] for error in response.json()["errors"]] == ["/name"]
    assert await _names(ann) == ["Squat", one]


async def test_of_two_who_write_down_the_same_name_at_once_one_does(
    ann: Person, as_role: AsRole
) -> None:
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute(
        "insert into app.exercises (family_id, user_id, name) values ($1, $2, 'Plank')",
        *(ann.family_id, ann.user_id),
    )
    second = asyncio.create_task(ann.client.post("/v1/exercises", json={"name": "plank"}))
    await wait_until_requests_block(first, 1)

    await first.execute("commit")

    assert (await second).status_code == 409
    assert await _names(ann) == ["Plank"]


# Retired and restored.


async def test_a_retired_exercise_is_listed_apart_and_comes_back_as_it_was(ann: Person) -> None:
    exercise = await _write(ann, "Plank", description="Elbows below the shoulders", points=5)
    log = await _log(ann, exercise, duration_s=60)
    await _write(ann, "Squat")

    retired = await ann.client.delete(_path(exercise))
    names = [await _names(ann), await _names(ann, is_active="false")]
    restored = await ann.client.post(f"{_path(exercise)}/restore")

    assert (retired.status_code, restored.status_code) == (204, 200)
    assert names == [["Squat"], ["Plank"]]
    changed = {name for name in exercise if restored.json()[name] != exercise[name]}
    assert changed == {"updated_at", "row_version"}
    assert restored.headers["ETag"] == f'"{restored.json()["row_version"]}"'
    assert await _names(ann) == ["Squat", "Plank"]
    assert (await ann.client.get(f"{_path(exercise)}/logs")).json()["items"] == [log]


async def test_at_and_below_a_retired_exercise_there_is_nothing(
    ann: Person, hearth: Hearth
) -> None:
    exercise = await _write(ann)
    log = await _log(ann, exercise, reps=8)
    await ann.client.delete(_path(exercise))
    before = await all_rows(hearth, about=ann.family_id)

    responses = {
        (method, below): await ann.client.request(method, _path(exercise) + below, json=body)
        for method, below, body in (
            ("GET", "", None),
            ("PATCH", "", {"name": "Squat"}),
            ("DELETE", "", None),
            ("GET", "/logs", None),
            ("POST", "/logs", {"reps": 8}),
            ("GET", f"/logs/{log['id']}", None),
            ("PATCH", f"/logs/{log['id']}", {"reps": 9}),
            ("DELETE", f"/logs/{log['id']}", None),
            ("GET", "/records", None),
            ("GET", "/volume", None),
        )
    }

    codes = {asked: response.status_code for asked, response in responses.items()}
    assert codes == dict.fromkeys(responses, 404)
    assert await all_rows(hearth, about=ann.family_id) == before


async def test_what_is_not_retired_is_not_restored(ann: Person) -> None:
    exercise = await _write(ann)

    response = await ann.client.post(f"{_path(exercise)}/restore")

    assert response.status_code == 404


async def test_a_retired_exercise_leaves_its_name_to_another_until_that_is_retired(
    ann: Person,
) -> None:
    first = await _write(ann, "Plank")
    await ann.client.delete(_path(first))
    second = await _write(ann, "plank")

    too_early = await ann.client.post(f"{_path(first)}/restore")
    await ann.client.delete(_path(second))
    restored = await ann.client.post(f"{_path(first)}/restore")

    assert (too_early.status_code, restored.status_code) == (409, 200)
    assert too_early.json()["detail"] == "An exercise with this name already exists."
    assert await _names(ann) == ["Plank"]


async def test_of_two_who_retire_an_exercise_at_once_the_second_finds_none(
    ann: Person, as_role: AsRole
) -> None:
    exercise = await _write(ann)
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute("update app.exercises set deleted_at = now()")
    second = asyncio.create_task(ann.client.delete(_path(exercise)))
    await wait_until_requests_block(first, 1)

    await first.execute("commit")

    assert (await second).status_code == 404
    assert await _names(ann, is_active="false") == ["Bench press"]


async def test_who_has_seen_another_version_does_not_retire_it(ann: Person) -> None:
    exercise = await _write(ann)
    await ann.client.patch(_path(exercise), json={"points": 2})

    response = await ann.client.delete(_path(exercise), headers={"If-Match": '"1"'})

    assert (response.status_code, response.headers["ETag"]) == (412, '"2"')
    assert await _names(ann) == ["Bench press"]


WHO_MAY_DO_WHAT = """
            see  change  retire  restore
writer      200     200     204      200
member      200     403     403      403
admin       200     200     204      200
owner       200     200     204      200
"""


async def test_who_may_do_what_to_an_exercise_depends_on_who_wrote_it(
    new_person: NewPerson, join: Join
) -> None:
    people = {"owner": await new_person()}
    for name, role in (("writer", "member"), ("member", "member"), ("admin", "admin")):
        people[name] = await new_person()
        await join(people[name], people["owner"], role)
    table = WHO_MAY_DO_WHAT.strip("\n").splitlines()
    seen = table[:1]

    for line in table[1:]:
        name, writer = line.split()[0], people["writer"]
        client, statuses = people[name].client, []
        for action in table[0].split():
            exercise = await _write(writer, f"{action} by {name}")
            path = _path(exercise)
            if action == "see":
                response = await client.get(path)
            elif action == "change":
                response = await client.patch(path, json={"points": 2})
            elif action == "retire":
                response = await client.delete(path)
            else:
                await writer.client.delete(path)
                response = await client.post(f"{path}/restore")
            statuses.append(response.status_code)
            is_retired = (action, response.status_code) in {("retire", 204), ("restore", 403)}
            assert (await writer.client.get(path)).status_code == (404 if is_retired else 200)
        seen.append("{:8}{:7}{:8}{:8}{:9}".format(name, *statuses))

    assert seen == table


async def test_the_exercise_of_somebody_who_is_gone_is_looked_after_by_who_runs_the_family(
    ann: Person, bob: Person, join: Join, hearth: Hearth
) -> None:
    await join(bob, ann, "member")
    exercise = await _write(ann)
    await by_hand(
        hearth, "update app.exercises set user_id = null where family_id = $1", ann.family_id
    )

    seen = await bob.client.get(_path(exercise))
    refused = await bob.client.patch(_path(exercise), json={"points": 2})
    changed = await ann.client.patch(_path(exercise), json={"points": 2})

    assert seen.json()["user_id"] is None
    assert (refused.status_code, changed.status_code) == (403, 200)


# Logs.


async def test_a_log_says_what_was_done(ann: Person) -> None:
    exercise = await _write(ann)

    log = await _log(ann, exercise, performed_on="2025-11-20", sets=3, reps=8, weight_kg=62.5)

    given = {name: log[name] for name in log if name != "id" and name[-3:] != "_at"}
    assert given == {
        "exercise_id": exercise["id"],
        "user_id": str(ann.user_id),
        "performed_on": "2025-11-20",
        "sets": 3,
        "reps": 8,
        "weight_kg": 62.5,
        "duration_s": None,
        "distance_m": None,
        "volume_kg": 1500,
        "note": None,
        "row_version": 1,
    }
    logs = f"{_path(exercise)}/logs"
    assert (await ann.client.get(logs)).json() == {"items": [log], "next": None}
    assert (await ann.client.get(f"{logs}/{log['id']}")).json() == log


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_unless_it_is_said_the_day_is_today_where_the_family_lives(
    ann: Person, zone: str
) -> None:
    # 25 hours apart: at any time it is another day in one of them than in UTC.
    await ann.client.patch("/v1/family", json={"time_zone": zone})
    exercise = await _write(ann)
    before = datetime.now(ZoneInfo(zone)).date()

    log = await _log(ann, exercise, reps=8)

    assert before <= date.fromisoformat(log["performed_on"]) <= datetime.now(ZoneInfo(zone)).date()


async def test_nobody_logs_what_lies_ahead(ann: Person) -> None:
    exercise = await _write(ann)
    tomorrow, later = (datetime.now(UTC).date() + timedelta(days=days) for days in (1, 3))
    log = await _log(ann, exercise, reps=8, performed_on=str(tomorrow))  # it is, in Kiribati
    path = f"{_path(exercise)}/logs"

    responses = [
        await ann.client.post(path, json={"reps": 8, "performed_on": str(later)}),
        await ann.client.patch(f"{path}/{log['id']}", json={"performed_on": str(later)}),
    ]

    for response in responses:
        assert (response.status_code, response.json()["code"]) == (422, "validation-failed")
        says = "The day must not be after tomorrow."
        assert response.json()["detail"] == says
    assert (await ann.client.get(path)).json()["items"] == [log]


@pytest.mark.parametrize("number", ["62.5", "0.01", "1999.99", "2000", "28.349523125"])
async def test_a_weight_and_a_distance_come_back_as_they_were_given(
    ann: Person, number: str
) -> None:
    exercise = await _write(ann)
    said = f'{{"weight_kg": {number}, "distance_m": {number}}}'

    made = await ann.client.post(
        f"{_path(exercise)}/logs",
        content=said,
        headers={"Content-Type": "application/json"},
    )

    path = f"{_path(exercise)}/logs/{made.json()['id']}"
    patched = await ann.client.patch(
        path, content=said, headers={"Content-Type": "application/json"}
    )
    for response in (made, patched, await ann.client.get(path)):
        shown = json.loads(response.text, parse_float=Decimal)
        assert [str(shown["weight_kg"]), str(shown["distance_m"])] == [number, number]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("performed_on", ["1899-12-31", "2025-02-30", "yesterday", 20251120]),
        ("sets", [0, 101, "3", 1.5, True]),
        ("reps", [0, 10_001, -1]),
        ("weight_kg", [0, 0.009, 2000.01, -1, "62.5", True, [], 10**400]),
        ("duration_s", [0, 86_401, 0.5]),
        ("distance_m", [0, 2_000_001, "400"]),
        ("note", ["x" * 1001, "a\0b"]),
        ("volume_kg", [1500]),
        ("exercise_id", ["019a9f3e-52b1-7c0a-8d2e-5f4b6a7c8d90"]),
    ],
)
async def test_a_value_that_a_log_cannot_have_is_pointed_at(
    field: str, values: Sequence[object], ann: Person, hearth: Hearth
) -> None:
    exercise = await _write(ann)
    log = await _log(ann, exercise, reps=8)
    path = f"{_path(exercise)}/logs"
    before = await all_rows(hearth, about=ann.family_id)

    responses = [
        response
        for value in values
        for response in (
            await ann.client.post(path, json={"reps": 8, field: value}),
            await ann.client.patch(f"{path}/{log['id']}", json={field: value}),
        )
    ]

    for response in responses:
        assert response.status_code == 422, response.request.content
        assert [error["pointer"] for error in response.json()["errors"]] == [f"/{field}"]
    assert await all_rows(hearth, about=ann.family_id) == before


async def test_a_whole_number_may_be_written_with_a_point(ann: Person) -> None:
    exercise = await _write(ann, points=5.0)

    log = await _log(ann, exercise, sets=3.0, reps=1e1, duration_s=60.0)

    numbers = [exercise["points"], log["sets"], log["reps"], log["duration_s"]]
    assert [repr(number) for number in numbers] == ["5", "3", "10", "60"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1e-400"])
async def test_what_is_no_number_is_no_weight(ann: Person, number: str) -> None:
    exercise = await _write(ann)

    response = await ann.client.post(
        f"{_path(exercise)}/logs",
        content=f'{{"reps": 8, "weight_kg": {number}}}',
        headers={"Content-Type": "application/json"},
    )

    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == ["/weight_kg"]


@pytest.mark.parametrize("body", [{}, {"sets": 3}, {"weight_kg": 100}, {"note": "Lazy"}])
async def test_sets_and_a_weight_alone_are_no_exercise(
    ann: Person, hearth: Hearth, body: Json
) -> None:
    exercise = await _write(ann)
    log = await _log(ann, exercise, reps=8)
    path = f"{_path(exercise)}/logs"
    before = await all_rows(hearth, about=ann.family_id)

    responses = [
        await ann.client.post(path, json=body),
        await ann.client.patch(f"{path}/{log['id']}", json={**body, "reps": None}),
    ]

    for response in responses:
        assert (response.status_code, response.json()["code"]) == (422, "validation-failed")
        assert response.json()["detail"] == "A log needs reps, a duration or a distance."
    assert await all_rows(hearth, about=ann.family_id) == before


@pytest.mark.parametrize(
    ("change", "volume"),
    [
        ({"sets": None}, 500),
        ({"sets": 4, "reps": 5}, 1250),
        ({"weight_kg": None, "note": None}, None),
        ({"reps": None, "duration_s": 60, "distance_m": 400.5}, None),
        ({"performed_on": "2025-11-19"}, 1500),
    ],
)
async def test_the_volume_of_a_log_follows_its_measures(
    ann: Person, change: Json, volume: int | None
) -> None:
    exercise = await _write(ann)
    before = await _log(ann, exercise, sets=3, reps=8, weight_kg=62.5, note="Hard")

    path = f"{_path(exercise)}/logs/{before['id']}"
    after = (await ann.client.patch(path, json=change)).json()

    changed = {name for name in before if before[name] != after[name]} - {"volume_kg"}
    assert changed == {*change, "updated_at", "row_version"}
    assert {name: after[name] for name in change} == change
    assert after["volume_kg"] == volume


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [4, 3, 2, 1]),
        ({"from": "2025-01-02"}, [4, 3, 2]),
        ({"to": "2025-01-03"}, [3, 2, 1]),
        ({"from": "2025-01-02", "to": "2025-01-03"}, [3, 2]),
        ({"from": "2025-01-03", "to": "2025-01-02"}, []),
        ({"from": "2025-01-02", "limit": "2"}, [4, 3]),
    ],
)
async def test_logs_are_listed_from_the_last_day_to_the_first_or_those_of_some_days(
    ann: Person, asked: Mapping[str, str], found: list[int]
) -> None:
    exercise, other = await _write(ann), await _write(ann, "Squat")
    for day in (2, 4, 1, 3):
        await _log(ann, exercise, reps=day, performed_on=f"2025-01-0{day}")
        await _log(ann, other, reps=9, performed_on=f"2025-01-0{day}")

    listed = (await ann.client.get(f"{_path(exercise)}/logs", params=asked)).json()

    assert [log["reps"] for log in listed["items"]] == found
    assert (listed["next"] is not None) == ("limit" in asked)


async def test_the_pages_of_some_days_are_together_the_logs_of_these_days(
    ann: Person, hearth: Hearth
) -> None:
    exercise = await _write(ann)
    # Three a day, before 1970 and after, made in another order.
    await by_hand(
        hearth,
        "insert into app.exercise_logs (family_id, user_id, exercise_id, performed_on, reps)"
        " select $1, $2, $3, date '1969-12-01' + n * 7 % 60, n from generate_series(1, 180) as n",
        *(ann.family_id, ann.user_id, exercise["id"]),
    )
    asked = {"from": "1969-12-11", "to": "1970-01-09", "limit": "100"}
    whole = (await ann.client.get(f"{_path(exercise)}/logs", params=asked)).json()["items"]

    seen: list[Json] = []
    asked["limit"] = "7"
    while asked.get("cursor", "") is not None:
        page = (await ann.client.get(f"{_path(exercise)}/logs", params=asked)).json()
        seen += page["items"]
        asked["cursor"] = page["next"]

    assert seen == whole
    days = [log["performed_on"] for log in whole]
    assert (len(days), days[0], days[-1]) == (90, "1970-01-09", "1969-12-11")
    assert days == sorted(days, reverse=True)


async def test_a_log_is_found_only_below_its_exercise(ann: Person) -> None:
    exercise, other = await _write(ann), await _write(ann, "Squat")
    log = await _log(ann, exercise, reps=8)
    path = f"{_path(other)}/logs/{log['id']}"

    responses = [
        await ann.client.get(path),
        await ann.client.patch(path, json={"reps": 9}),
        await ann.client.delete(path),
    ]

    assert [response.status_code for response in responses] == [404] * 3
    assert (await ann.client.get(f"{_path(exercise)}/logs")).json()["items"] == [log]


async def test_a_deleted_log_is_gone(ann: Person) -> None:
    exercise = await _write(ann)
    log = await _log(ann, exercise, reps=8)

    response = await ann.client.delete(f"{_path(exercise)}/logs/{log['id']}")

    assert response.status_code == 204
    assert (await ann.client.get(f"{_path(exercise)}/logs")).json()["items"] == []


async def test_not_even_the_owner_of_the_family_sees_what_others_did(
    ann: Person, bob: Person, join: Join, hearth: Hearth
) -> None:
    await join(bob, ann, "member")
    exercise = await _write(ann)
    log = await _log(bob, exercise, reps=8, weight_kg=62.5)
    path = f"{_path(exercise)}/logs/{log['id']}"
    before = await all_rows(hearth, about=ann.family_id)

    hidden = [
        await ann.client.get(path),
        await ann.client.patch(path, json={"reps": 9}),
        await ann.client.delete(path),
    ]
    logs, records, volume, trail = [
        (await ann.client.get(asked)).json()
        for asked in (
            f"{_path(exercise)}/logs",
            f"{_path(exercise)}/records",
            f"{_path(exercise)}/volume",
            "/v1/audit",
        )
    ]

    assert [response.status_code for response in hidden] == [404] * 3
    assert logs["items"] == []
    assert set(records.values()) == {None}
    assert {week["logs"] for week in volume["items"]} == {0}
    assert "exercise_logs" not in {record["table_name"] for record in trail["items"]}
    assert await all_rows(hearth, about=ann.family_id) == before


async def test_a_log_points_to_no_exercise_of_another_family(
    ann: Person, bob: Person, as_role: AsRole
) -> None:
    exercise = await _write(bob)
    connection = await as_role("app_api", **as_role.of(ann))

    with pytest.raises(asyncpg.ForeignKeyViolationError) as refused:
        await connection.execute(
            "insert into app.exercise_logs (family_id, user_id, exercise_id, performed_on, reps)"
            " values ($1, $2, $3, '2025-11-20', 8)",
            *(ann.family_id, ann.user_id, exercise["id"]),
        )

    assert refused.value.constraint_name == "exercise_logs_family_id_exercise_id_fkey"


# Records and volume, computed again by other means.

FIRST = date(2024, 11, 25)  # a Monday; there is a new year, and a short one of ISO's, in between


def _some_logs(seed: int, count: int) -> list[Json]:
    """Return logs of 40 weeks, with gaps, ties and every combination of measures."""
    dice = random.Random(seed)  # noqa: S311 - the same every time, on purpose

    def sometimes(value: Callable[[], object]) -> object:
        return value() if dice.random() < 0.6 else None

    logs: list[Json] = []
    while len(logs) < count:
        week = dice.choice([week for week in range(40) if week % 7 != 3])
        log = {
            "performed_on": str(FIRST + timedelta(days=week * 7 + dice.randrange(7))),
            "sets": sometimes(lambda: dice.randint(1, 6)),
            "reps": sometimes(lambda: dice.randint(1, 14)),
            "weight_kg": sometimes(lambda: dice.randint(1, 400) * 0.25),
            "duration_s": sometimes(lambda: dice.randint(1, 600)),
            "distance_m": sometimes(lambda: round(dice.uniform(0.01, 5000), 2)),
        }
        if log["reps"] or log["duration_s"] or log["distance_m"]:
            logs.append(log)
    return logs


async def _log_all(person: Person, exercise: Json, logs: Sequence[Json]) -> list[Json]:
    made = []
    for start in range(0, len(logs), 100):
        operations = [
            {"method": "POST", "path": f"{_path(exercise)}/logs", "body": body}
            for body in logs[start : start + 100]
        ]
        response = await person.client.post("/v1/batch", json={"operations": operations})
        assert response.status_code == 200, response.text
        made += [
            result["body"] for result in json.loads(response.text, parse_float=Decimal)["results"]
        ]
    return made


def _exact(value: object) -> Decimal:
    return Decimal(str(value))


def _volume(log: Json) -> Decimal | None:
    if log["reps"] is None or log["weight_kg"] is None:
        return None
    return _exact(log["weight_kg"]) * int(log["reps"]) * int(log["sets"] or 1)


def _one_rep_max(log: Json) -> Decimal | None:
    if not (log["reps"] and log["weight_kg"] and log["reps"] <= 10):
        return None
    share = Decimal("1.0278") - Decimal("0.0278") * int(log["reps"])
    return (_exact(log["weight_kg"]) / share).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _records(logs: Sequence[Json]) -> Json:
    """Return the best of each measure; of equal ones the earliest day's, then the first made."""
    measures: dict[str, Callable[[Json], Any]] = {
        name: itemgetter(name) for name in ("weight_kg", "reps", "duration_s", "distance_m")
    }
    measures |= {"volume_kg": _volume, "one_rep_max_kg": _one_rep_max}
    records: Json = dict.fromkeys(measures)
    for name, measure in measures.items():
        best = None
        for log in sorted(logs, key=lambda log: log["performed_on"]):
            value = measure(log)
            if value is not None and (best is None or value > best):
                best = value
                records[name] = {
                    "value": _exact(value),
                    "performed_on": log["performed_on"],
                    "log_id": log["id"],
                }
    return records


def _weeks(logs: Sequence[Json], first: date, last: date) -> list[Json]:
    """Return the ISO weeks from that of one day to that of another, day by day."""
    weeks: dict[tuple[int, int], Json] = {}
    day = first - timedelta(days=first.weekday())
    while day <= last:
        year, number, _ = day.isocalendar()
        name = f"{year}-W{number:02}"
        zero = {"logs": 0, "volume_kg": 0, "duration_s": 0, "distance_m": 0}
        weeks.setdefault((year, number), {"week": name, "starts_on": str(day), **zero})
        day += timedelta(days=1)
    for log in logs:
        year, number, _ = date.fromisoformat(log["performed_on"]).isocalendar()
        if (year, number) in weeks:
            its = weeks[year, number]
            its["logs"] += 1
            its["volume_kg"] += _volume(log) or 0
            for name in ("duration_s", "distance_m"):
                its[name] += _exact(log[name] or 0) * int(log["sets"] or 1)
    return list(weeks.values())


@pytest.fixture
async def trained(ann: Person) -> tuple[Json, list[Json]]:
    """Return an exercise of ann's, and 300 logs of it."""
    exercise = await _write(ann)
    other = await _write(ann, "Squat")
    await _log_all(ann, other, _some_logs(2, 20))
    return exercise, await _log_all(ann, exercise, _some_logs(1, 300))


async def _numbers(person: Person, path: str, **asked: str) -> Json:
    response = await person.client.get(path, params=asked)
    assert response.status_code == 200, response.text
    return dict(json.loads(response.text, parse_float=Decimal))


async def test_records_are_the_best_of_all_logs(
    ann: Person, trained: tuple[Json, list[Json]]
) -> None:
    exercise, logs = trained

    records = await _numbers(ann, f"{_path(exercise)}/records")

    assert records == _records(logs)
    assert all(log["volume_kg"] == _volume(log) for log in logs)
    assert None not in records.values()


async def test_the_volume_of_weeks_is_that_of_their_logs(
    ann: Person, trained: tuple[Json, list[Json]]
) -> None:
    exercise, logs = trained
    periods = [
        (FIRST, FIRST + timedelta(weeks=40)),
        (date(2024, 12, 31), date(2025, 1, 1)),
        (date(2025, 1, 5), date(2025, 1, 6)),  # a Sunday and a Monday
        (date(2020, 12, 28), date(2021, 1, 4)),  # a week 53
        (date(2025, 1, 6), date(2025, 1, 5)),  # its end comes first
    ]

    shown = [
        await _numbers(ann, f"{_path(exercise)}/volume", **{"from": str(first), "to": str(last)})
        for first, last in periods
    ]

    expected = [_weeks(logs, first, last) for first, last in periods]
    assert [page["items"] for page in shown] == expected
    assert {week["logs"] == 0 for week in expected[0]} == {True, False}
    assert [week["week"] for week in expected[3]] == ["2020-W53", "2021-W01"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ({"from": "2025-01-01"}, date(2025, 1, 1), date(2025, 3, 19)),
        ({"to": "2025-03-19"}, date(2025, 1, 1), date(2025, 3, 19)),
    ],
)
async def test_one_end_of_the_weeks_is_enough(
    ann: Person,
    trained: tuple[Json, list[Json]],
    asked: Mapping[str, str],
    first: date,
    last: date,
) -> None:
    exercise, logs = trained

    shown = await _numbers(ann, f"{_path(exercise)}/volume", **asked)

    assert shown["items"] == _weeks(logs, first, last)
    assert len(shown["items"]) == 12


async def test_of_a_period_of_more_than_ten_years_the_last_ten_count(ann: Person) -> None:
    exercise = await _write(ann)

    shown = await _numbers(
        ann, f"{_path(exercise)}/volume", **{"from": "1900-01-01", "to": "2999-12-31"}
    )

    assert shown["items"] == _weeks([], date(2999, 12, 31) - timedelta(3660), date(2999, 12, 31))


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_the_last_twelve_weeks_end_with_that_of_today_where_the_family_lives(
    ann: Person, zone: str
) -> None:
    await ann.client.patch("/v1/family", json={"time_zone": zone})
    exercise = await _write(ann)
    log = await _log(ann, exercise, reps=8)

    shown = await _numbers(ann, f"{_path(exercise)}/volume")

    day = date.fromisoformat(log["performed_on"])
    assert shown["items"] == _weeks([log], day - timedelta(weeks=11), day)


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({"from": "2025-02-30"}, "from"),
        ({"to": "soon"}, "to"),
        ({"limit": "1"}, "limit"),
    ],
)
async def test_a_period_that_makes_no_sense_is_pointed_at(
    ann: Person, asked: Mapping[str, str], parameter: str
) -> None:
    exercise = await _write(ann)

    response = await ann.client.get(f"{_path(exercise)}/volume", params=asked)

    assert (response.status_code, response.json()["code"]) == (422, "validation-failed")
    assert [error["parameter"] for error in response.json()["errors"]] == [parameter]


async def test_the_calendar_has_weeks_at_both_its_ends(ann: Person) -> None:
    exercise = await _write(ann)

    ends = [
        await _numbers(ann, f"{_path(exercise)}/volume", **asked)
        for asked in ({"to": "1900-01-01"}, {"from": "2999-12-31"})
    ]

    assert [len(page["items"]) for page in ends] == [12, 12]
    assert ends[0]["items"][-1]["starts_on"] == "1900-01-01"
    assert ends[1]["items"][0]["week"] == "3000-W01"


async def test_who_has_done_nothing_has_no_records(ann: Person) -> None:
    exercise = await _write(ann)

    records = await _numbers(ann, f"{_path(exercise)}/records")

    assert records == _records([])


@pytest.mark.parametrize(
    ("reps", "expected"), [(1, "100.00"), (5, "112.51"), (10, "133.37"), (11, None)]
)
async def test_a_one_rep_max_is_estimated_from_up_to_ten_repetitions(
    ann: Person, reps: int, expected: str | None
) -> None:
    exercise = await _write(ann)
    await _log(ann, exercise, sets=5, reps=reps, weight_kg=100)

    record = (await _numbers(ann, f"{_path(exercise)}/records"))["one_rep_max_kg"]

    assert (record and str(record["value"])) == expected


async def test_of_equal_bests_the_first_is_the_record(ann: Person) -> None:
    exercise = await _write(ann)
    days = ("2025-01-02", "2025-01-01", "2025-01-01", "2025-01-03")
    logs = [await _log(ann, exercise, reps=8, performed_on=day) for day in days]

    record = (await _numbers(ann, f"{_path(exercise)}/records"))["reps"]

    assert record == {"value": 8, "performed_on": "2025-01-01", "log_id": logs[1]["id"]}
