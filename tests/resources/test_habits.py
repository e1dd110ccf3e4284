"""Habits: what is done again and again, the days it was done, and what these come to."""

import asyncio
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest

from tests.support.calls import QUERIES
from tests.support.fixtures import (
    AsRole,
    Hearth,
    Join,
    NewPerson,
    Person,
    wait_until_requests_block,
)
from tests.support.households import Household, act_as, attempt
from tests.support.rows import by_hand
from tests.support.tally import tally

DAYS: Mapping[str, Any] = {"weekdays": [1, 2, 3, 4, 5, 6, 7]}
PAGES: Mapping[str, Any] = {"type": "numeric", "target_value": 20, "unit": "pages"}
SUNDAY = "2026-03-29"


async def _make(person: Person, **fields: object) -> dict[str, Any]:
    schedule = {} if "times_per_week" in fields else DAYS
    body = {"name": "Stretch", "type": "boolean", **schedule, **fields}
    response = await person.client.post("/v1/habits", json=body)
    assert response.status_code == 201, response.text
    return dict(response.json())


def _path(habit: Mapping[str, Any], rest: str = "") -> str:
    return f"/v1/habits/{habit['id']}{rest}"


async def _log(
    person: Person, habit: Mapping[str, Any], day: object, **fields: object
) -> dict[str, Any]:
    body = fields or {"is_done": True}
    response = await person.client.put(_path(habit, f"/logs/{day}"), json=body)
    assert response.status_code in {200, 201}, response.text
    return dict(response.json())


def _said(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


# Habits.


async def test_a_habit_needs_a_name_a_type_and_a_schedule(ann: Person) -> None:
    habit = await _make(ann, name="Stretch", type="boolean", times_per_week=3)

    given = {name: habit[name] for name in habit if not name.endswith("_at") and name != "id"}
    assert given == {
        "user_id": str(ann.user_id),
        "name": "Stretch",
        "description": None,
        "type": "boolean",
        "target_value": None,
        "unit": None,
        "weekdays": None,
        "times_per_week": 3,
        "points": 1,
        "visibility": "private",
        "row_version": 1,
    }
    assert (await ann.client.get("/v1/habits")).json() == {"items": [habit], "next": None}
    assert (await ann.client.get(_path(habit))).json() == habit


async def test_weekdays_are_a_set(ann: Person) -> None:
    habit = await _make(ann, weekdays=[5, 1, 5, 3])
    changed = await ann.client.patch(_path(habit), json={"weekdays": [7, 6, 7]})

    assert habit["weekdays"] == [1, 3, 5]
    assert changed.json()["weekdays"] == [6, 7]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"type": "boolean", "target_value": 1}, "/target_value"),
        ({"type": "boolean", "unit": "pages"}, "/unit"),
        ({"type": "numeric", "unit": "pages"}, "/target_value"),
        ({"type": "numeric", "target_value": 1}, "/unit"),
        ({"type": "duration"}, "/target_value"),
        ({"type": "duration", "target_value": 1, "unit": "h"}, "/unit"),
        ({"type": "boolean", "weekdays": None}, "/times_per_week"),
        ({"type": "boolean", "times_per_week": 3}, "/times_per_week"),
        ({"type": "boolean", "weekdays": [0]}, "/weekdays/0"),
        ({"type": "boolean", "weekdays": [1, 8]}, "/weekdays/1"),
    ],
)
async def test_target_and_unit_go_with_the_type_and_one_schedule_with_a_habit(
    ann: Person, fields: dict[str, object], pointer: str
) -> None:
    response = await ann.client.post("/v1/habits", json={"name": "Read", **DAYS, **fields})

    assert _said(response) == (422, "validation-failed")
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("habit", "change", "fields", "says"),
    [
        ({}, {"target_value": 1}, {"target_value"}, "A yes-or-no habit has no target"),
        ({}, {"unit": "pages"}, {"unit"}, "A numeric habit needs a unit"),
        ({"type": "duration", "target_value": 5}, {"unit": "h"}, {"unit"}, "A numeric habit"),
        ({}, {"times_per_week": 3}, {"weekdays", "times_per_week"}, "The schedule"),
        ({}, {"weekdays": None}, {"weekdays", "times_per_week"}, "The schedule"),
    ],
)
async def test_a_change_against_the_type_or_the_schedule_is_refused_in_words(
    ann: Person, habit: dict[str, object], change: dict[str, object], fields: set[str], says: str
) -> None:
    made = await _make(ann, **habit)

    response = await ann.client.patch(_path(made), json=change)

    assert _said(response) == (422, "validation-failed")
    assert {error["pointer"].removeprefix("/") for error in response.json()["errors"]} == fields
    assert all(error["detail"].startswith(says) for error in response.json()["errors"])
    assert (await ann.client.get(_path(made))).json() == made


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"name": "Read aloud"}, {"name"}),
        ({"description": None}, {"description"}),
        ({"target_value": 12.5, "unit": "chapters"}, {"target_value", "unit"}),
        ({"weekdays": [6, 7]}, {"weekdays"}),
        ({"weekdays": None, "times_per_week": 3}, {"weekdays", "times_per_week"}),
        ({"points": 0}, {"points"}),
        ({"visibility": "family"}, {"visibility"}),
    ],
)
async def test_what_is_absent_stays_and_null_empties(
    change: dict[str, object], changed: set[str], ann: Person
) -> None:
    before = await _make(ann, description="Anything but the news", **PAGES)

    after = (await ann.client.patch(_path(before), json=change)).json()

    assert {name for name in before if before[name] != after[name]} == changed | {
        "updated_at",
        "row_version",
    }
    assert {name: after[name] for name in change} == change


async def test_the_type_does_not_change(ann: Person) -> None:
    habit = await _make(ann)

    response = await ann.client.patch(_path(habit), json={"type": "duration"})

    assert [error["pointer"] for error in response.json()["errors"]] == ["/type"]


async def test_a_retired_habit_is_gone_with_all_below_it_until_it_is_restored(
    ann: Person,
) -> None:
    habit = await _make(ann)
    kept = await _make(ann)
    log = await _log(ann, habit, SUNDAY)
    below = [
        *(("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/logs"), ("GET", "/stats")),
        *((method, f"/logs/{SUNDAY}") for method in ("GET", "PUT", "DELETE")),
    ]
    bodies = {"PATCH": {"name": "Bend"}, "PUT": {"is_done": False}}

    retired = await ann.client.delete(_path(habit))
    gone = [
        await ann.client.request(method, _path(habit, rest), json=bodies.get(method))
        for method, rest in below
    ]
    lists = [
        (await ann.client.get("/v1/habits", params=parameters)).json()["items"]
        for parameters in ({}, {"is_active": "true"}, {"is_active": "false"})
    ]
    restored = await ann.client.post(_path(habit, "/restore"))
    again = await ann.client.post(_path(habit, "/restore"))

    assert retired.status_code == 204
    assert {_said(response) for response in gone} == {(404, "not-found")}
    assert [[item["id"] for item in items] for items in lists] == [
        *([kept["id"]], [kept["id"]], [habit["id"]])
    ]
    assert restored.status_code == 200
    assert restored.json() == (await ann.client.get(_path(habit))).json()
    assert _said(again) == (404, "not-found")
    assert (await ann.client.get(_path(habit, f"/logs/{SUNDAY}"))).json() == log


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago"])
@pytest.mark.parametrize(
    ("changes", "stretches"),
    [
        ("deleted_at = null", ()),
        ("deleted_at = now()", ()),
        ("deleted_at = now(); deleted_at = deleted_at", ()),
        ("deleted_at = now(); deleted_at = null", ((0, 0),)),
        ("deleted_at = now() - interval '2 days'; deleted_at = null", ((2, 0),)),
        # Days add up.
        (
            "deleted_at = now() - interval '3 days'; deleted_at = null;"
            " deleted_at = now(); deleted_at = null",
            ((3, 0),),
        ),
        # Whatever was said of the moment, it is one of the habit's life.
        ("deleted_at = '-infinity'; deleted_at = null", ((5, 0),)),
        ("deleted_at = 'infinity'; deleted_at = null", ((0, 0),)),
    ],
)
async def test_a_restored_habit_keeps_on_which_days_of_the_family_it_was_retired(
    root: asyncpg.Connection,
    home: Household,
    zone: str,
    changes: str,
    stretches: tuple[tuple[int, int], ...],
) -> None:
    await root.execute("update app.families set time_zone = $2 where id = $1", home.family_id, zone)
    today = (await root.fetchval("select now()")).astimezone(ZoneInfo(zone)).date()

    habit_id = await root.fetchval(
        "insert into app.habits (family_id, user_id, name, type, times_per_week, created_at)"
        " values ($1, $2, 'Read', 'boolean', 3, now() - interval '5 days') returning id",
        *(home.family_id, home.users["member"]),
    )
    await act_as(root, "app_api", **home.context("member"))

    for change in changes.split("; "):
        retired_days = await root.fetchval(
            f"update app.habits set {change} where id = $1 returning retired_days::text", habit_id
        )

    ranges = [
        f"[{today - timedelta(days=since)},{today - timedelta(days=until - 1)})"
        for since, until in stretches
    ]
    assert retired_days == f"{{{','.join(ranges)}}}"


async def test_retired_days_before_others_stay_and_are_the_databases_to_write(
    root: asyncpg.Connection, home: Household
) -> None:
    await act_as(root, "none")
    mine = "user_id = app.current_user_id() and deleted_at is null"
    await root.execute("update app.habits set retired_days = '{[2020-01-01,2020-01-03]}'")
    await act_as(root, "app_api", **home.context("member"))

    refused = await attempt(root, f"update app.habits set retired_days = '{{}}' where {mine}")
    habit_id = await root.fetchval(
        f"update app.habits set deleted_at = now() where {mine} returning id"
    )
    days = await root.fetchval(
        "update app.habits set deleted_at = null where id = $1 returning retired_days::text",
        habit_id,
    )
    await act_as(root, "none")
    told = await root.fetchrow(
        "select before ->> 'retired_days', after ->> 'retired_days' from app.audit_log"
        " where row_key ->> 'id' = $1::text order by occurred_at desc limit 1",
        str(habit_id),
    )

    assert refused == "42501"
    assert days.startswith("{[2020-01-01,2020-01-04),[")
    assert told is not None
    assert tuple(told) == ("{[2020-01-01,2020-01-04)}", days)


WHO_MAY_DO_WHAT = """
                        see  change  log  unlog  retire  restore  stats
    private themself    200     200  201    204     204      200    200
    private member      404     404  404    404     404      404    404
    private admin       404     404  404    404     404      404    404
    private owner       404     404  404    404     404      404    404
    family  themself    200     200  201    204     204      200    200
    family  member      200     403  403    403     403      403    200
    family  admin       200     403  403    403     204      200    200
    family  owner       200     403  403    403     204      200    200
"""


async def test_who_may_do_what_to_a_habit_depends_on_its_visibility(
    new_person: NewPerson, join: Join
) -> None:
    people = {"owner": await new_person()}
    for name, role in (("themself", "member"), ("member", "member"), ("admin", "admin")):
        people[name] = await new_person()
        await join(people[name], people["owner"], role)
    table = WHO_MAY_DO_WHAT.strip("\n").splitlines()
    seen = table[:1]

    for line in table[1:]:
        client = people[line[12:24].strip()].client
        habit = await _make(people["themself"], visibility=line[4:12].strip())
        retired = await _make(people["themself"], visibility=line[4:12].strip())
        await _log(people["themself"], habit, SUNDAY)
        await people["themself"].client.delete(_path(retired))
        responses = [
            await client.get(_path(habit)),
            await client.patch(_path(habit), json={"name": "Bend"}),
            await client.put(_path(habit, "/logs/2026-03-28"), json={"is_done": True}),
            await client.delete(_path(habit, f"/logs/{SUNDAY}")),
            await client.delete(_path(habit)),
            await client.post(_path(retired, "/restore")),
        ]
        await people["themself"].client.post(_path(habit, "/restore"))
        responses.append(await client.get(_path(habit, "/stats")))
        statuses = [response.status_code for response in responses]
        seen.append(line[:24] + "{:3}{:8}{:5}{:7}{:8}{:9}{:7}".format(*statuses))

    assert seen == table


async def test_who_runs_the_family_changes_nothing_else_of_a_habit_by_sql_either(
    ann: Person, bob: Person, join: Join, as_role: AsRole
) -> None:
    await join(bob, ann, "member")
    await _make(bob, visibility="family")
    connection = await as_role("app_api", **as_role.of(ann))

    assert await connection.execute("update app.habits set deleted_at = now()") == "UPDATE 1"
    with pytest.raises(asyncpg.PostgresError) as refused:
        await connection.execute("update app.habits set deleted_at = null, points = 1000")

    assert refused.value.sqlstate == "ZH003"


async def test_the_family_lists_what_is_shared_and_each_what_is_their_own(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "member")
    shared = await _make(ann, visibility="family")
    await _make(ann)
    own = await _make(bob)

    listed = (await bob.client.get("/v1/habits")).json()["items"]

    assert listed == [own, shared]


# Logs.


async def test_a_day_is_logged_once_and_then_changed(ann: Person) -> None:
    habit = await _make(ann)
    path = _path(habit, f"/logs/{SUNDAY}")

    made = await ann.client.put(path, json={"is_done": True, "note": "At last"})
    changed = await ann.client.put(path, json={"is_done": False})
    shown = await ann.client.get(path)

    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    given = {name: made.json()[name] for name in made.json() if not name.endswith("_at")}
    assert given == {
        "habit_id": habit["id"],
        "logged_on": SUNDAY,
        "value": None,
        "target_value": None,
        "is_done": True,
        "note": "At last",
        "row_version": 1,
    }
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (changed.json()["is_done"], changed.json()["note"]) == (False, None)
    assert shown.json() == changed.json()


async def test_whether_a_target_was_reached_is_decided_when_the_day_is_written(
    ann: Person,
) -> None:
    habit = await _make(ann, **PAGES)
    days = {
        "2026-03-01": await _log(ann, habit, "2026-03-01", value=19.999),
        "2026-03-02": await _log(ann, habit, "2026-03-02", value=20),
    }
    await ann.client.patch(_path(habit), json={"target_value": 5})

    later = await _log(ann, habit, "2026-03-03", value=5)
    shown = [(await ann.client.get(_path(habit, f"/logs/{day}"))).json() for day in days]

    assert shown == list(days.values())
    assert [(log["target_value"], log["is_done"]) for log in (*shown, later)] == [
        *((20, False), (20, True), (5, True))
    ]


async def test_who_runs_the_family_changes_no_column_of_anothers_habit(
    ann: Person, bob: Person, join: Join, hearth: Hearth, as_role: AsRole
) -> None:
    await join(bob, ann, "owner")
    await _make(bob, **PAGES, visibility="family")
    columns = {
        column
        for (column,) in await by_hand(
            hearth,
            "select attname from pg_attribute where attrelid = 'app.habits'::regclass"
            " and has_column_privilege('app_api', attrelid, attname, 'update')",
        )
    }
    connection = await as_role("app_api")
    await connection.execute("rollback")

    told = {}
    async with connection.transaction():
        await act_as(connection, "app_api", **as_role.of(ann))
        for column in columns:
            told[column] = await attempt(connection, f"update app.habits set {column} = {column}")

    assert told.pop("deleted_at") == "UPDATE 1"
    assert len(told) > 5
    assert set(told.values()) == {"ZH003"}


async def test_a_log_keeps_the_target_of_its_day_when_it_is_put_again(
    ann: Person, hearth: Hearth
) -> None:
    habit = await _make(ann, **PAGES)
    ((today,),) = await by_hand(hearth, "select (now() at time zone 'UTC')::date")
    yesterday, tomorrow = (today + timedelta(days=days) for days in (-1, 1))
    for day in (yesterday, tomorrow):
        await _log(ann, habit, str(day), value=20)
    await ann.client.patch(_path(habit), json={"target_value": 30})

    put = [
        (await ann.client.put(_path(habit, f"/logs/{day}"), json={"value": value})).json()
        for day, value in ((yesterday, 20), (yesterday, 19), (tomorrow, 20))
    ]

    assert [(log["target_value"], log["is_done"]) for log in put] == [
        *((20, True), (20, False), (30, False))
    ]


@pytest.mark.parametrize(
    ("habit", "body", "says"),
    [
        ({}, {"value": 3}, "A yes-or-no habit is logged without a value"),
        (PAGES, {"is_done": True}, "The log of this habit"),
        ({"type": "duration", "target_value": 5}, {"is_done": False}, "The log of this habit"),
    ],
)
async def test_what_is_logged_goes_with_the_type(
    ann: Person, habit: dict[str, object], body: dict[str, object], says: str
) -> None:
    made = await _make(ann, **habit)

    response = await ann.client.put(_path(made, f"/logs/{SUNDAY}"), json=body)

    assert _said(response) == (422, "validation-failed")
    (error,) = response.json()["errors"]
    assert error["pointer"] == "/value"
    assert error["detail"].startswith(says)
    assert (await ann.client.get(_path(made, "/logs"))).json()["items"] == []


@pytest.mark.parametrize("body", [{}, {"note": "?"}, {"is_done": True, "value": 3}])
async def test_either_is_done_or_a_value_is_logged(ann: Person, body: dict[str, object]) -> None:
    habit = await _make(ann)

    response = await ann.client.put(_path(habit, f"/logs/{SUNDAY}"), json=body)

    assert _said(response) == (422, "validation-failed")
    assert [error["pointer"] for error in response.json()["errors"]] == ["/value"]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago"])
async def test_tomorrow_may_be_logged_and_the_day_after_not_by_the_familys_clock(
    new_person: NewPerson, hearth: Hearth, zone: str
) -> None:
    ann = await new_person(time_zone=zone)
    habit = await _make(ann)
    ((today,),) = await by_hand(hearth, "select (now() at time zone $1)::date", zone)

    responses = [
        await ann.client.put(
            _path(habit, f"/logs/{today + timedelta(days=ahead)}"), json={"is_done": True}
        )
        for ahead in (0, 1, 3)  # and not 2, which may have come meanwhile
    ]

    assert [response.status_code for response in responses] == [201, 201, 422]
    assert responses[2].json()["detail"].startswith("The date must not be after tomorrow")
    assert "errors" not in responses[2].json()  # the date stands in no body


BAD_DAYS = (
    *("2026-02-30", "0000-00-00", "9999-99-99", "1899-12-31", "3000-01-01", "2026-3-1", "infinity"),
    *(
        "today",
        "20260301",
        "2026-03-01T00:00:00Z",
        "2026-03-01%0A",
        "%00",
        "-1",
        "\u0662\u0660\u0662\u0666-03-01",
    ),
)


@pytest.mark.parametrize("day", BAD_DAYS)
async def test_what_is_no_day_is_named(ann: Person, anybody: httpx.AsyncClient, day: str) -> None:
    path = _path(await _make(ann), f"/logs/{day}")
    asked: list[tuple[str, object]] = [("GET", None), ("PUT", {"is_done": True}), ("DELETE", None)]

    responses = [await ann.client.request(method, path, json=body) for method, body in asked]
    stranger = await anybody.get(path)
    other = await ann.client.patch(path, json={})

    assert [_said(response) for response in responses] == [(422, "validation-failed")] * 3
    assert {response.json()["errors"][0]["parameter"] for response in responses} == {"date"}
    assert _said(stranger) == (401, "unauthenticated")
    assert _said(other) == (405, "method-not-allowed")


async def test_a_batch_logs_days_and_names_what_is_none(ann: Person) -> None:
    habit = await _make(ann)

    def put(day: str, **rest: object) -> dict[str, object]:
        path = _path(habit, f"/logs/{day}")
        return {"method": "PUT", "path": path, "body": {"is_done": True}, **rest}

    def batch(*operations: dict[str, object]) -> dict[str, object]:
        return {"operations": operations}

    done = await ann.client.post("/v1/batch", json=batch(put(SUNDAY), put(SUNDAY)))
    bad = await ann.client.post("/v1/batch", json=batch(put(SUNDAY), put("2026-02-30")))
    stale = await ann.client.post("/v1/batch", json=batch(put(SUNDAY, if_match='"1"')))
    missing = await ann.client.post("/v1/batch", json=batch(put("2026-03-01", if_match="*")))
    number = await ann.client.post("/v1/batch", json=batch(put(SUNDAY, body={"value": 3})))

    assert [(result["status"], result["etag"]) for result in done.json()["results"]] == [
        *((201, '"1"'), (200, '"2"'))
    ]
    assert _said(bad) == (422, "validation-failed")
    assert bad.json()["errors"] == [
        {
            "pointer": "/operations/1/path",
            "detail": "date must be a day from 1900-01-01 to 2999-12-31",
        }
    ]
    assert [_said(stale), _said(missing)] == [(412, "precondition-failed"), (404, "not-found")]
    assert number.json()["errors"][0]["pointer"] == "/operations/0/body/value"


@pytest.mark.parametrize("tag", ['"1"', "*"])
async def test_with_if_match_nothing_is_made(ann: Person, tag: str) -> None:
    habit = await _make(ann)

    response = await ann.client.put(
        _path(habit, f"/logs/{SUNDAY}"), json={"is_done": True}, headers={"If-Match": tag}
    )

    assert _said(response) == (404, "not-found")
    assert (await ann.client.get(_path(habit, "/logs"))).json()["items"] == []


@pytest.mark.parametrize("name", ["Idempotency-Key", "If-None-Match"])
async def test_a_put_takes_no_header_that_it_would_not_heed(ann: Person, name: str) -> None:
    habit = await _make(ann)

    response = await ann.client.put(
        _path(habit, f"/logs/{SUNDAY}"), json={"is_done": True}, headers={name: "*"}
    )

    assert _said(response) == (400, "malformed")


async def test_logs_are_listed_from_one_day_to_another_last_first(ann: Person) -> None:
    habit = await _make(ann)
    made = [await _log(ann, habit, f"2026-03-0{day}") for day in range(1, 8)][::-1]
    asked: list[tuple[dict[str, str], list[dict[str, Any]]]] = [
        ({}, made),
        ({"from": "2026-03-05"}, made[:3]),
        ({"to": "2026-03-02"}, made[5:]),
        ({"from": "2026-03-03", "to": "2026-03-04"}, made[3:5]),
        ({"from": "2026-03-04", "to": "2026-03-03"}, []),
    ]

    for parameters, expected in asked:
        seen: list[dict[str, Any]] = []
        cursor: dict[str, str] | None = {}
        while cursor is not None:
            params = {**parameters, **cursor, "limit": "2"}
            page = (await ann.client.get(_path(habit, "/logs"), params=params)).json()
            seen += page["items"]
            cursor = {"cursor": page["next"]} if page["next"] else None

        assert seen == expected


async def test_a_log_that_is_taken_back_is_gone(ann: Person) -> None:
    habit = await _make(ann)
    await _log(ann, habit, SUNDAY)
    path = _path(habit, f"/logs/{SUNDAY}")

    responses = [await ann.client.delete(path), await ann.client.delete(path)]

    assert [response.status_code for response in responses] == [204, 404]
    assert (await ann.client.get(_path(habit, "/logs"))).json()["items"] == []


async def test_logs_are_as_visible_as_their_habit(ann: Person, bob: Person, join: Join) -> None:
    await join(bob, ann, "member")
    habit = await _make(ann)
    await _log(ann, habit, SUNDAY)
    paths = [_path(habit, "/logs"), _path(habit, f"/logs/{SUNDAY}"), _path(habit, "/stats")]
    seen = []

    for visibility in ("private", "family", "private"):
        await ann.client.patch(_path(habit), json={"visibility": visibility})
        seen.append([(await bob.client.get(path)).status_code for path in paths])

    assert seen == [[404] * 3, [200] * 3, [404] * 3]


# At the same time.


async def test_two_who_log_the_same_day_at_once_leave_one_row(
    ann: Person, as_role: AsRole, hearth: Hearth
) -> None:
    habit = await _make(ann)
    path = _path(habit, f"/logs/{SUNDAY}")
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute(
        "insert into app.habit_logs"
        " (family_id, habit_id, logged_on, user_id, visibility, type, is_done)"
        " select family_id, id, $1, user_id, visibility, type, true from app.habits",
        date.fromisoformat(SUNDAY),
    )
    writers = [
        asyncio.create_task(ann.client.put(path, json={"is_done": is_done}))
        for is_done in (True, False)
    ]
    await wait_until_requests_block(first, 2)

    await first.execute("rollback")

    responses = [await writer for writer in writers]
    assert sorted(response.status_code for response in responses) == [200, 201]
    assert (await ann.client.get(path)).json()["row_version"] == 2


async def test_who_logs_a_habit_that_is_being_shared_waits_and_shares_the_log(
    ann: Person, bob: Person, join: Join, as_role: AsRole
) -> None:
    await join(bob, ann, "member")
    habit = await _make(ann)
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute("update app.habits set visibility = 'family'")
    logging = asyncio.create_task(_log(ann, habit, SUNDAY))
    await wait_until_requests_block(first, 1)

    await first.execute("commit")

    log = await logging
    assert (await bob.client.get(_path(habit, f"/logs/{SUNDAY}"))).json() == log


async def test_a_log_that_goes_meanwhile_is_not_made_again_for_who_wants_to_change_it(
    ann: Person, as_role: AsRole
) -> None:
    habit = await _make(ann)
    await _log(ann, habit, SUNDAY)
    path = _path(habit, f"/logs/{SUNDAY}")
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute("delete from app.habit_logs")
    change = asyncio.create_task(
        ann.client.put(path, json={"is_done": False}, headers={"If-Match": '"1"'})
    )
    await wait_until_requests_block(first, 1)

    await first.execute("commit")

    assert _said(await change) == (404, "not-found")


# Statistics.


async def test_what_two_weeks_come_to(ann: Person) -> None:
    habit = await _make(ann, **PAGES, weekdays=[1, 2, 3, 4, 5])
    # Two weeks of which a Wednesday was missed, a Friday too short, and a Sunday a present.
    for day, value in (
        (2, 20),
        (3, 30),
        (5, 20),
        (6, 5),
        (8, 40),
        *((n, 20) for n in range(9, 14)),
    ):
        await _log(ann, habit, f"2026-03-{day:02}", value=value)

    response = await ann.client.get(
        _path(habit, "/stats"), params={"from": "2026-03-01", "to": "2026-03-13"}
    )

    assert response.json() == {
        "first_on": "2026-03-01",
        "last_on": "2026-03-13",
        "current_streak": 0,
        "longest_streak": 5,
        "due": 10,
        "done": 8,
        "completion_rate": 0.8,
        "sum": 215,
        "mean": 21.5,
    }


async def _retire(hearth: Hearth, habit: Mapping[str, Any], moment: str) -> None:
    """Have a habit, made in 2020, retired since a moment; no trigger sees it."""
    connection = await asyncpg.connect(hearth.superuser_url)
    await connection.execute("set session_replication_role = replica")
    await connection.execute(
        "update app.habits set created_at = '2020-01-01', deleted_at = $2::text::timestamptz"
        " where id = $1",
        *(UUID(habit["id"]), moment),
    )
    await connection.close()


async def _stats_of(
    person: Person, habit: Mapping[str, Any], first: object, last: object
) -> dict[str, Any]:
    params = {"from": str(first), "to": str(last)}
    response = await person.client.get(_path(habit, "/stats"), params=params)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_weeks_that_a_period_cuts_are_whole(ann: Person) -> None:
    habit = await _make(ann, times_per_week=3)
    monday = date(2026, 3, 2)
    for day in range(0, 56, 7):
        for n in range(3):
            await _log(ann, habit, monday + timedelta(days=day + n))

    told = [
        await _stats_of(ann, habit, last - timedelta(days=29), last)
        for last in _days(date(2026, 4, 13), date(2026, 4, 19))
    ]

    assert [stats["completion_rate"] for stats in told] == [1.0] * 7
    # Thirty days have four Sundays, or five.
    assert [(stats["due"], stats["done"]) for stats in told] == [
        *((15, 15), *[(12, 12)] * 5, (15, 15))
    ]


@pytest.mark.parametrize(
    ("schedule", "streak"), [({"times_per_week": 3}, 2), ({"weekdays": [1, 2, 3]}, 6)]
)
async def test_weeks_in_which_a_habit_was_retired_are_not_missed(
    ann: Person, hearth: Hearth, schedule: dict[str, object], streak: int
) -> None:
    habit = await _make(ann, **schedule)
    ((today,),) = await by_hand(hearth, "select (now() at time zone 'UTC')::date")
    monday = today - timedelta(days=today.weekday() + 21)
    for day in (-14, -13, -12, -7, -6, -5):
        await _log(ann, habit, monday + timedelta(days=day))
    await _retire(hearth, habit, f"{monday} 12:00+00")

    restored = await ann.client.post(_path(habit, "/restore"))
    stats = await _stats_of(ann, habit, monday - timedelta(days=14), today)

    assert restored.status_code == 200
    assert (stats["current_streak"], stats["longest_streak"]) == (streak, streak)
    assert (stats["due"], stats["done"], stats["completion_rate"]) == (6, 6, 1)


async def test_a_first_week_begun_on_a_saturday_is_in_neither_rate_nor_streak(ann: Person) -> None:
    habit = await _make(ann, times_per_week=3)
    for day in (7, 8, 9, 10, 11, 16, 17, 18):  # Saturday the 7th of March, and two weeks
        await _log(ann, habit, f"2026-03-{day:02}")

    stats = await _stats_of(ann, habit, "2026-03-01", "2026-03-22")
    begun_on_monday = await _make(ann, times_per_week=3)
    await _log(ann, begun_on_monday, "2026-03-02")
    missed = await _stats_of(ann, begun_on_monday, "2026-03-01", "2026-03-08")

    assert (stats["due"], stats["done"], stats["longest_streak"]) == (6, 6, 2)
    assert (missed["due"], missed["done"], missed["longest_streak"]) == (3, 1, 0)


async def test_the_default_is_the_last_thirty_days_of_the_family(
    new_person: NewPerson, hearth: Hearth
) -> None:
    ann = await new_person(time_zone="Pacific/Kiritimati")
    habit = await _make(ann)
    query = "select (now() at time zone 'Pacific/Kiritimati')::date"

    ((before,),) = await by_hand(hearth, query)
    stats = (await ann.client.get(_path(habit, "/stats"))).json()
    ((after,),) = await by_hand(hearth, query)

    last = date.fromisoformat(stats["last_on"])
    assert before <= last <= after
    assert date.fromisoformat(stats["first_on"]) == last - timedelta(days=29)


async def test_a_period_in_which_nothing_was_comes_to_nothing(ann: Person) -> None:
    habit = await _make(ann)

    tomorrow, today = (str(date.today() + timedelta(days=n)) for n in (1, 0))  # noqa: DTZ011
    for asked in (
        {"from": "2999-12-31"},
        {"to": "1900-01-01"},
        {"from": "1900-01-01"},
        {"from": "1900-01-01", "to": "2999-12-31"},
        {"from": tomorrow, "to": today},
    ):
        stats = (await ann.client.get(_path(habit, "/stats"), params=asked)).json()

        assert (stats["due"], stats["done"], stats["completion_rate"]) == (0, 0, None)
        assert (stats["sum"], stats["mean"]) == (None, None)
        assert (stats["current_streak"], stats["longest_streak"]) == (0, 0)


@pytest.mark.parametrize(
    ("asked", "parameter"),
    [
        ({"from": "2026-02-30"}, "from"),
        ({"to": "infinity"}, "to"),
        ({"since": "2026-03-01"}, "since"),
    ],
)
async def test_a_period_that_is_none_is_pointed_at(
    ann: Person, asked: dict[str, str], parameter: str
) -> None:
    habit = await _make(ann)

    response = await ann.client.get(_path(habit, "/stats"), params=asked)

    assert _said(response) == (422, "validation-failed")
    assert [error["parameter"] for error in response.json()["errors"]] == [parameter]


# The same, day by day.


@dataclass(frozen=True)
class History:
    """A habit and its days, as a person would keep them on paper."""

    made_on: date
    weekdays: list[int] | None
    times_per_week: int | None
    done: Mapping[date, bool]
    values: Mapping[date, Fraction]
    retired: Sequence[tuple[date, date]]


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


def _turns(history: History, first: date, last: date) -> Iterator[list[date]]:
    """Yield the days of each turn that has one from the first to the last."""
    if history.weekdays is None:
        monday = first - timedelta(days=first.weekday())
        for week in range((last - monday).days // 7 + 1):
            yield [monday + timedelta(days=7 * week + n) for n in range(7)]
        return
    for day in _days(first, last):
        if day.isoweekday() in history.weekdays:
            yield [day]


def _rounded(number: Fraction, digits: int) -> float:
    scale: int = 10**digits
    return floor(number * scale + Fraction(1, 2)) / scale


def _stats(history: History, today: date, first: date, last: date) -> dict[str, Any]:
    """Work out what the query should say, by going through the turns one by one."""
    logged = {day: is_done for day, is_done in history.done.items() if day <= today}
    began_on = min([history.made_on, *logged])
    retired = {day for stretch in history.retired for day in _days(*stretch)}
    asked = history.times_per_week or 1
    due = done = run = longest = 0
    for turn in _turns(history, began_on, today):
        did = min(asked, sum(logged.get(day, False) for day in turn))
        is_over, is_whole = turn[-1] < today, turn[0] >= began_on
        if did < asked and not (is_over and is_whole and retired.isdisjoint(turn)):
            continue
        run = run + 1 if did == asked else 0
        longest = max(longest, run)
        if first <= (turn[-1] if is_over else today) <= last:
            due += asked
            done += did
    values = [
        history.values[day] for day in logged if first <= day <= last and day in history.values
    ]
    return {
        "first_on": first.isoformat(),
        "last_on": last.isoformat(),
        "current_streak": run,
        "longest_streak": longest,
        "due": due,
        "done": done,
        "completion_rate": _rounded(Fraction(done, due), 4) if due else None,
        "sum": float(sum(values)) if values else None,
        "mean": _rounded(sum(values, Fraction(0)) / len(values), 3) if values else None,
    }


ZONES = ("Europe/Vienna", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago")


def _history(dice: random.Random, now: datetime, zone: str) -> tuple[History, datetime]:
    """Make up the life of a habit, of at most fourteen months; and when it was made."""
    today = now.astimezone(ZoneInfo(zone)).date()
    made_at = now - timedelta(days=dice.randint(0, 400), seconds=dice.randint(0, 86400))
    is_by_weekdays = dice.random() < 0.5
    likely = dice.choice([0.3, 0.8, 0.97])
    first = today - timedelta(days=dice.randint(0, dice.choice([20, 420])))
    is_numeric = dice.random() < 0.5
    done: dict[date, bool] = {}
    values: dict[date, Fraction] = {}
    is_new = dice.random() < 0.05
    retired = []
    for _ in range(dice.choice([0, 1, 3])):
        since = today - timedelta(days=dice.randint(0, 400))
        until = since + timedelta(days=dice.choice([0, 1, 6, 21, 90]))
        retired.append((since, min(until, today)))
    for day in () if is_new else _days(first, today + timedelta(days=1)):
        is_retired = any(since <= day <= until for since, until in retired)
        if dice.random() < (0.1 if is_retired else 0.9):
            done[day] = dice.random() < likely
            if is_numeric:
                values[day] = Fraction(dice.randint(10_000, 30_000) if done[day] else 9_999, 1000)
    return (
        History(
            made_on=made_at.astimezone(ZoneInfo(zone)).date(),
            weekdays=sorted(dice.sample(range(1, 8), dice.randint(1, 7)))
            if is_by_weekdays
            else None,
            times_per_week=None if is_by_weekdays else dice.randint(1, 7),
            done=done,
            values=values,
            retired=retired,
        ),
        made_at,
    )


@pytest.mark.parametrize("zone", ZONES)
async def test_statistics_are_what_one_counts_day_by_day(
    root: asyncpg.Connection, home: Household, zone: str
) -> None:
    dice = random.Random(zone)  # noqa: S311 - the same every time, on purpose
    now: datetime = await root.fetchval("select now()")
    today = now.astimezone(ZoneInfo(zone)).date()
    await root.execute("update app.families set time_zone = $2 where id = $1", home.family_id, zone)
    compared, query = 0, QUERIES["get_habit_stats"]

    for _ in range(40):
        history, made_at = _history(dice, now, zone)
        values = history.values
        await act_as(root, "none")
        habit_id = await root.fetchval(
            "insert into app.habits (family_id, user_id, name, type, target_value, unit, weekdays,"
            " times_per_week, created_at, retired_days) values ($1, $2, 'Read', $3, $4, $5, $6, $7,"
            " $8, $9::text::datemultirange) returning id",
            *(home.family_id, home.users["member"]),
            *(("numeric", 10, "pages") if values else ("boolean", None, None)),
            *(history.weekdays, history.times_per_week, made_at),
            f"{{{', '.join(f'[{since}, {until}]' for since, until in history.retired)}}}",
        )
        await root.executemany(
            "insert into app.habit_logs (family_id, habit_id, user_id, visibility, type, logged_on,"
            " is_done, value) values ($1, $2, $3, 'private', $4, $5, $6, $7::float8)",
            [
                (
                    *(home.family_id, habit_id, home.users["member"]),
                    *("numeric" if values else "boolean", day, is_done),
                    float(values[day]) if values else None,
                )
                for day, is_done in history.done.items()
            ],
        )
        await act_as(root, "app_api", **home.context("member"))
        for _ in range(5):
            last = today + timedelta(days=dice.randint(-300, 20))
            first = last - timedelta(days=dice.choice([0, 1, 6, 29, 364, 3652]))
            facts = {
                "family_id": home.family_id,
                "habit_id": habit_id,
                "from_day": first,
                "to_day": last,
            }

            text = await root.fetchval(query.text, *(facts[name] for name in query.parameters))

            expected = _stats(history, today, first, last)
            assert json.loads(text) == expected, history
            compared += len(expected)
    tally(f"statistics of habits, {zone}", f"{compared:,} numbers, as counted day by day")
