"""Routines: their steps in versions, who may change them, and the days on which they were done."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

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
from tests.support.households import Household, act_as, attempt, row_id
from tests.support.rows import all_rows, by_hand

DAY = "2026-03-29"


def _steps(*titles: str) -> list[dict[str, Any]]:
    return [{"title": title, "minutes": 5} for title in titles]


def _titles(shown: dict[str, Any]) -> list[str]:
    return [step["title"] for step in shown["steps"]]


async def _make(person: Person, *titles: str, **fields: object) -> dict[str, Any]:
    body = {"name": "After dinner", "steps": _steps(*titles), **fields}
    response = await person.client.post("/v1/routines", json=body)
    assert response.status_code == 201, response.text
    return dict(response.json())


async def _save(person: Person, path: str, *titles: str) -> dict[str, Any]:
    response = await person.client.put(f"{path}/steps", json={"steps": _steps(*titles)})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def _get(person: Person, path: str, **parameters: object) -> Any:
    response = await person.client.get(path, params={k: str(v) for k, v in parameters.items()})
    assert response.status_code == 200, response.text
    return response.json()


def _path(routine: dict[str, Any]) -> str:
    return f"/v1/routines/{routine['id']}"


# Routines.


async def test_a_routine_needs_no_more_than_a_name(ann: Person) -> None:
    response = await ann.client.post("/v1/routines", json={"name": "After dinner"})

    routine = response.json()
    given = {name: routine[name] for name in routine if not name.endswith("_at") and name != "id"}
    assert given == {
        "user_id": str(ann.user_id),
        "name": "After dinner",
        "description": None,
        "visibility": "private",
        "points": 1,
        "version": 1,
        "steps": [],
        "row_version": 1,
    }
    assert await _get(ann, _path(routine)) == routine
    del routine["steps"]  # a list leaves them out
    assert await _get(ann, "/v1/routines") == {"items": [routine], "next": None}


async def test_steps_are_shown_in_the_order_in_which_they_were_given(ann: Person) -> None:
    titles = [f"Step {number}" for number in range(100)]

    routine = await _make(ann, *titles)

    assert _titles(routine) == titles
    assert _titles(await _get(ann, _path(routine))) == titles
    assert _titles(await _get(ann, f"{_path(routine)}/steps")) == titles


async def test_a_change_leaves_what_is_absent_and_the_steps_as_they_are(ann: Person) -> None:
    before = await _make(ann, "Wash up", description="Whoever did not cook")

    response = await ann.client.patch(_path(before), json={"description": None, "points": 9})

    after = response.json()
    assert after == before | {
        "description": None,
        "points": 9,
        "updated_at": after["updated_at"],
        "row_version": 2,
    }


async def test_the_pages_of_a_list_are_together_what_the_policy_shows(
    ann: Person, bob: Person, join: Join, hearth: Hearth, as_role: AsRole
) -> None:
    await join(bob, ann, "member")
    # Ann's and bob's, shared and private, active and retired; five a microsecond.
    await by_hand(
        hearth,
        "with made as (insert into app.routines"
        " (family_id, user_id, name, visibility, deleted_at, created_at)"
        " select $1, case when n % 2 = 0 then $2 else $3::uuid end, 'Routine',"
        " (array['private', 'family']::app.visibility[])[n / 2 % 2 + 1],"
        " case when n % 3 = 0 then now() end, now() + n / 5 * interval '1 microsecond'"
        " from generate_series(1, 60) as n returning *)"
        " insert into app.routine_versions"
        " (family_id, routine_id, version, user_id, routine_visibility, saved_visibility)"
        " select family_id, id, version, user_id, visibility, visibility from made",
        *(ann.family_id, ann.user_id, bob.user_id),
    )
    connection = await as_role("app_api", **as_role.of(ann))

    for is_active, limit in ((True, 4), (True, 100), (False, 4), (False, 100)):
        shown = await connection.fetch(
            "select id::text from app.routines where is_active = $1"
            " order by created_at desc, id desc",
            is_active,
        )
        seen: list[str] = []
        parameters: dict[str, Any] = {"limit": limit, "is_active": str(is_active).lower()}
        while parameters.get("cursor", "") is not None:
            page = await _get(ann, "/v1/routines", **parameters)
            seen += [routine["id"] for routine in page["items"]]
            parameters["cursor"] = page["next"]

        assert len(seen) > 3
        assert seen == [id_ for (id_,) in shown]


# Versions.


async def test_saving_steps_makes_the_next_version_and_leaves_the_last_as_it_was(
    ann: Person,
) -> None:
    path = _path(await _make(ann, "Wash up"))

    saved = await _save(ann, path, "Clear the table", "Wash up")

    assert (saved["version"], _titles(saved)) == (2, ["Clear the table", "Wash up"])
    assert saved["author_id"] == str(ann.user_id)
    assert saved["restored_version"] is None
    assert await _get(ann, f"{path}/steps") == saved
    assert await _get(ann, f"{path}/versions/2") == saved
    assert _titles(await _get(ann, f"{path}/versions/1")) == ["Wash up"]
    routine = await _get(ann, path)
    assert (routine["version"], routine["steps"]) == (2, saved["steps"])


async def test_the_same_steps_once_more_are_a_version_of_their_own(ann: Person) -> None:
    path = _path(await _make(ann, "Wash up"))

    versions = [(await _save(ann, path, "Wash up"))["version"] for _ in range(2)]

    assert versions == [2, 3]


async def test_versions_are_listed_from_the_newest_to_the_oldest_page_by_page(ann: Person) -> None:
    path = f"{_path(await _make(ann))}"
    for _ in range(4):
        await _save(ann, path)

    pages: list[list[int]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await _get(ann, f"{path}/versions", limit=2, **cursor)
        pages.append([version["version"] for version in page["items"]])
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert pages == [[5, 4], [3, 2], [1]]


@pytest.mark.parametrize("cursor", ["", "0", "-1", "1.5", "one", "9" * 10, f"1_{UUID(int=1)}"])
async def test_a_cursor_of_versions_is_one_of_them(cursor: str, ann: Person) -> None:
    path = _path(await _make(ann))

    response = await ann.client.get(f"{path}/versions", params={"cursor": cursor})

    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (422, "cursor")


async def test_an_old_version_comes_back_as_the_newest(ann: Person) -> None:
    path = _path(await _make(ann, "Wash up", "Dry up"))
    await _save(ann, path, "Load the machine")

    response = await ann.client.post(f"{path}/versions/1/restore")

    restored = response.json()
    assert (response.status_code, restored["version"], restored["restored_version"]) == (200, 3, 1)
    assert _titles(restored) == ["Wash up", "Dry up"]
    assert await _get(ann, f"{path}/steps") == restored
    assert _titles(await _get(ann, f"{path}/versions/2")) == ["Load the machine"]


@pytest.mark.parametrize("version", ["3", "999999999"])
async def test_a_version_that_is_not_there_is_neither_shown_nor_restored(
    version: str, ann: Person, hearth: Hearth
) -> None:
    path = f"{_path(await _make(ann))}/versions/{version}"
    before = await all_rows(hearth)

    responses = [await ann.client.get(path), await ann.client.post(f"{path}/restore")]

    assert [response.status_code for response in responses] == [404, 404]
    assert await all_rows(hearth) == before


@pytest.mark.parametrize("version", ["0", "-1", "01", "one", "1e3", "1" * 10, "٣"])
async def test_what_is_no_version_is_pointed_at(version: str, ann: Person) -> None:
    response = await ann.client.get(f"{_path(await _make(ann))}/versions/{version}")

    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"parameter": "version", "detail": "must be a whole number from 1"}
    ]


async def test_two_who_save_at_once_make_two_versions(
    ann: Person, bob: Person, join: Join, as_role: AsRole
) -> None:
    await join(bob, ann, "admin")
    routine = await _make(ann, visibility="family")
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute("update app.routines set points = 2")  # holds the row
    saves = [
        asyncio.create_task(_save(person, _path(routine), title))
        for person, title in ((ann, "Ann's"), (bob, "Bob's"))
    ]
    await wait_until_requests_block(first, 2)

    await first.execute("rollback")

    saved = [await save for save in saves]
    assert sorted(version["version"] for version in saved) == [2, 3]
    for version in saved:
        assert await _get(ann, f"{_path(routine)}/versions/{version['version']}") == version


async def test_of_two_who_save_what_they_have_seen_the_second_is_told(
    ann: Person, as_role: AsRole
) -> None:
    path = _path(await _make(ann))
    seen = await ann.client.get(f"{path}/steps")
    headers = {"If-Match": seen.headers["ETag"]}
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute("update app.routines set points = 2")
    saves = [
        asyncio.create_task(
            ann.client.put(f"{path}/steps", json={"steps": _steps(title)}, headers=headers)
        )
        for title in ("one", "two")
    ]
    await wait_until_requests_block(first, 2)

    await first.execute("rollback")

    responses = sorted([await save for save in saves], key=lambda response: response.status_code)
    assert [response.status_code for response in responses] == [200, 412]
    assert [response.headers["ETag"] for response in responses] == ['"2"', '"2"']
    listed = (await _get(ann, f"{path}/versions"))["items"]
    assert [version["version"] for version in listed] == [2, 1]


async def test_a_new_name_is_no_new_version_of_the_steps(ann: Person) -> None:
    path = _path(await _make(ann))
    seen = await ann.client.get(f"{path}/steps")
    await ann.client.patch(path, json={"name": "After supper"})

    response = await ann.client.put(
        f"{path}/steps", json={"steps": []}, headers={"If-Match": seen.headers["ETag"]}
    )

    assert (response.status_code, response.json()["version"]) == (200, 2)


ELSEWHERE = "019a9f44-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"title": " "}, "/steps/3/title"),
        ({"title": "a" * 201}, "/steps/3/title"),
        ({"title": "a\0"}, "/steps/3/title"),
        ({"title": None}, "/steps/3/title"),
        ({"minutes": 0}, "/steps/3/minutes"),
        ({"minutes": 1441}, "/steps/3/minutes"),
        ({"minutes": "5"}, "/steps/3/minutes"),
        ({"minutes": 2.5}, "/steps/3/minutes"),
        ({"colour": "red"}, "/steps/3/colour"),
        ({"habit_id": "mine"}, "/steps/3/habit_id"),
        ({"habit_id": ELSEWHERE}, "/steps/3/habit_id"),
        ({"exercise_id": ELSEWHERE}, "/steps/3/exercise_id"),
        ({"habit_id": ELSEWHERE, "exercise_id": ELSEWHERE}, "/steps/3/exercise_id"),
    ],
)
async def test_of_steps_of_which_one_is_wrong_nothing_is_saved(
    change: dict[str, object], pointer: str, ann: Person, hearth: Hearth
) -> None:
    path = _path(await _make(ann))
    steps = _steps("one", "two", "three", "four", "five")
    steps[3] |= change
    before = await all_rows(hearth)

    save = {"method": "PUT", "path": f"{path}/steps", "body": {"steps": steps}}
    responses = [
        await ann.client.put(f"{path}/steps", json={"steps": steps}),
        await ann.client.post("/v1/routines", json={"name": "Another", "steps": steps}),
        await ann.client.post("/v1/batch", json={"operations": [save]}),
    ]

    is_unseen = change in ({"habit_id": ELSEWHERE}, {"exercise_id": ELSEWHERE})
    assert {response.status_code for response in responses} == {409 if is_unseen else 422}
    pointers = [[error["pointer"] for error in response.json()["errors"]] for response in responses]
    assert pointers == [[pointer], [pointer], [f"/operations/0/body{pointer}"]]
    assert await all_rows(hearth) == before


async def test_a_routine_has_a_hundred_steps_and_no_more(ann: Person) -> None:
    path = _path(await _make(ann))

    responses = [
        await ann.client.put(f"{path}/steps", json={"steps": _steps("Breathe") * count})
        for count in (100, 101)
    ]

    assert [response.status_code for response in responses] == [200, 422]
    assert responses[1].json()["errors"][0]["pointer"] == "/steps"


# What a step is about.


async def _habit(person: Person, **fields: object) -> str:
    body = {"name": "Floss", "type": "boolean", "weekdays": [1], **fields}
    response = await person.client.post("/v1/habits", json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def _exercise(person: Person) -> str:
    response = await person.client.post("/v1/exercises", json={"name": "Plank"})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def test_a_step_may_name_a_habit_or_an_exercise(ann: Person) -> None:
    about: list[dict[str, str | None]] = [
        {"habit_id": await _habit(ann), "exercise_id": None},
        {"habit_id": None, "exercise_id": await _exercise(ann)},
    ]
    steps = [step | names for step, names in zip(_steps("Floss", "Plank"), about, strict=True)]

    routine = await _make(ann, steps=steps)
    saved = await ann.client.put(f"{_path(routine)}/steps", json={"steps": steps[::-1]})

    assert routine["steps"] == steps
    assert saved.json()["steps"] == steps[::-1]


async def test_nobody_learns_from_a_step_which_habits_others_have(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "owner")
    shared, private = await _habit(ann, visibility="family"), await _habit(ann)
    retired = await _habit(bob)
    await bob.client.delete(f"/v1/habits/{retired}")

    async def said(habit_id: str) -> tuple[int, Any]:
        steps = [{**_steps("Floss")[0], "habit_id": habit_id}]
        response = await bob.client.post("/v1/routines", json={"name": "Mine", "steps": steps})
        return response.status_code, response.json().get("errors")

    refused = (409, [{"pointer": "/steps/0/habit_id", "detail": "is no habit that you see"}])
    assert (await said(shared))[0] == 201
    assert [await said(id_) for id_ in (private, retired, str(uuid4()))] == [refused] * 3


async def test_what_a_routine_names_may_stay_whoever_saves_it(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "admin")
    steps = [{**_steps("Floss")[0], "habit_id": await _habit(ann), "exercise_id": None}]
    path = _path(await _make(ann, steps=steps, visibility="family"))

    saved = await bob.client.put(f"{path}/steps", json={"steps": steps * 2})
    restored = await bob.client.post(f"{path}/versions/1/restore")
    elsewhere = await bob.client.post("/v1/routines", json={"name": "Mine", "steps": steps})

    assert saved.json()["steps"] == steps * 2
    assert restored.json()["steps"] == steps
    assert elsewhere.status_code == 409


@pytest.mark.parametrize("kind", ["habit", "exercise"])
async def test_what_is_retired_stays_where_it_was_named_and_comes_nowhere_else(
    kind: str, ann: Person
) -> None:
    id_ = await (_habit if kind == "habit" else _exercise)(ann)
    steps = [{**_steps("Floss")[0], "habit_id": None, "exercise_id": None, f"{kind}_id": id_}]
    path = _path(await _make(ann, steps=steps))
    await ann.client.delete(f"/v1/{kind}s/{id_}")

    saved = await ann.client.put(f"{path}/steps", json={"steps": steps * 2})
    elsewhere = await ann.client.post("/v1/routines", json={"name": "Other", "steps": steps})

    assert saved.json()["steps"] == steps * 2
    assert elsewhere.json()["errors"] == [
        {"pointer": f"/steps/0/{kind}_id", "detail": f"is no {kind} that you see"}
    ]


async def test_a_step_outlives_what_it_names(ann: Person, hearth: Hearth) -> None:
    habit_id, exercise_id = await _habit(ann), await _exercise(ann)
    steps = _steps("Floss", "Plank")
    steps[0]["habit_id"], steps[1]["exercise_id"] = habit_id, exercise_id
    path = _path(await _make(ann, steps=steps))

    await by_hand(hearth, "delete from app.habits where id = $1", habit_id)
    await by_hand(hearth, "delete from app.exercises where id = $1", exercise_id)

    left = (await _get(ann, f"{path}/versions/1"))["steps"]
    assert left == [step | {"habit_id": None, "exercise_id": None} for step in steps]


# Who may do what.

WHO_MAY_DO_WHAT = """
                        see  change  save  roll back  hide  retire  restore  mark
    private themself    200     200   200        200   200     204      200   201
    private member      404     404   404        404   404     404      404   404
    private admin       404     404   404        404   404     404      404   404
    private owner       404     404   404        404   404     404      404   404
    family  themself    200     200   200        200   200     204      200   201
    family  member      200     403   403        403   403     403      403   201
    family  admin       200     200   200        200   403     204      200   201
    family  owner       200     200   200        200   403     204      200   201
"""


async def test_who_may_do_what_to_a_routine_depends_on_its_visibility(
    new_person: NewPerson, join: Join
) -> None:
    people = {"owner": await new_person()}
    for name, role in (("themself", "member"), ("member", "member"), ("admin", "admin")):
        people[name] = await new_person()
        await join(people[name], people["owner"], role)
    table = WHO_MAY_DO_WHAT.strip("\n").splitlines()
    seen = table[:1]
    requests: dict[str, tuple[str, str, object]] = {
        "see": ("GET", "", None),
        "change": ("PATCH", "", {"points": 7}),
        "save": ("PUT", "/steps", {"steps": []}),
        "roll back": ("POST", "/versions/1/restore", None),
        "hide": ("PATCH", "", {"visibility": "private"}),
        "retire": ("DELETE", "", None),
        "restore": ("POST", "/restore", None),
        "mark": ("PUT", f"/completions/{DAY}", None),
    }

    for line in table[1:]:
        client = people[line[12:24].strip()].client
        statuses = []
        for action, (method, below, body) in requests.items():
            path = _path(await _make(people["themself"], visibility=line[4:12].strip()))
            if action == "restore":
                await people["themself"].client.delete(path)
            response = await client.request(method, path + below, json=body)
            statuses.append(response.status_code)
        seen.append(line[:24] + "{:3}{:8}{:6}{:11}{:6}{:8}{:9}{:6}".format(*statuses))

    assert seen == table


async def test_what_was_saved_while_a_routine_was_private_stays_its_owners(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "admin")
    path = _path(await _make(ann, "Call the lawyer", "Wash up"))
    await _save(ann, path, "Wash up", "Dry up")
    await ann.client.put(f"{path}/completions/{DAY}")
    hidden = await bob.client.get(f"{path}/versions/1")

    shared = (await ann.client.patch(path, json={"visibility": "family"})).json()

    assert hidden.status_code == 404
    assert (shared["version"], shared["row_version"]) == (3, 3)
    assert _titles(shared) == _titles(await _get(bob, path)) == ["Wash up", "Dry up"]
    (seen,) = (await _get(bob, f"{path}/versions"))["items"]
    assert (seen["version"], seen["visibility"], seen["restored_version"]) == (3, "family", 2)
    assert _titles(await _get(bob, f"{path}/steps")) == ["Wash up", "Dry up"]
    for number in (1, 2):
        assert (await bob.client.get(f"{path}/versions/{number}")).status_code == 404
        assert (await bob.client.post(f"{path}/versions/{number}/restore")).status_code == 404
    own = (await _get(ann, f"{path}/versions"))["items"]
    assert [(version["version"], version["visibility"]) for version in own] == [
        (3, "family"),
        (2, "private"),
        (1, "private"),
    ]
    assert _titles(await _get(ann, f"{path}/versions/1")) == ["Call the lawyer", "Wash up"]
    (done,) = (await _get(bob, f"{path}/completions"))["items"]
    assert (done["user_id"], done["version"]) == (str(ann.user_id), 2)


async def test_what_was_private_stays_private_in_the_trail_when_it_is_shared_and_purged(
    ann: Person, bob: Person, join: Join, hearth: Hearth
) -> None:
    await join(bob, ann, "admin")
    routine = await _make(ann, "Call the lawyer")
    path = _path(routine)
    await ann.client.patch(path, json={"visibility": "family"})
    await _save(ann, path, "Wash up")

    await ann.client.delete(path)
    await by_hand(
        hearth,
        "with gone as (delete from app.routines where id = $1) select",
        routine["id"],
    )

    trail = (await bob.client.get("/v1/audit", params={"limit": 100})).json()["items"]
    steps = [r for r in trail if r["table_name"] == "routine_steps"]
    versions = [r for r in trail if r["table_name"] == "routine_versions"]
    titles = [(r["action_type"], (r["before"] or r["after"])["title"]) for r in steps]
    assert sorted(titles) == [
        ("delete", "Call the lawyer"),  # as it was shared
        ("delete", "Wash up"),
        ("insert", "Call the lawyer"),
        ("insert", "Wash up"),
    ]
    assert {(r["before"] or r["after"])["version"] for r in (*steps, *versions)} == {2, 3}


async def test_a_routine_that_was_shared_and_is_not_any_more_is_its_owners_alone(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "member")
    path = _path(await _make(ann, "Wash up", visibility="family"))
    await ann.client.patch(path, json={"visibility": "private"})
    await _save(ann, path, "Call the lawyer")
    while_private = await bob.client.get(f"{path}/versions/1")
    own = (await _get(ann, f"{path}/versions"))["items"]
    await _save(ann, path, "Dry up")

    again = await ann.client.patch(path, json={"visibility": "family"})
    once_more = await ann.client.patch(path, json={"visibility": "family", "points": 2})

    assert while_private.status_code == 404
    assert {version["visibility"] for version in own} == {"private"}
    assert (again.json()["version"], once_more.json()["version"]) == (4, 4)
    assert _titles(once_more.json()) == ["Dry up"]
    seen = (await _get(bob, f"{path}/versions"))["items"]
    assert [version["version"] for version in seen] == [4, 1]


async def test_of_two_who_share_at_once_one_makes_a_version(
    ann: Person, bob: Person, as_role: AsRole, join: Join
) -> None:
    await join(bob, ann, "member")
    routine = await _make(ann, "Wash up")
    path = _path(routine)
    holder = await as_role("app_api", **as_role.of(ann))
    await holder.execute("select from app.routines where id = $1 for update", routine["id"])
    sharing = [
        asyncio.create_task(ann.client.patch(path, json={"visibility": "family"})) for _ in range(2)
    ]
    await wait_until_requests_block(holder, 2)

    await holder.execute("commit")
    responses = await asyncio.gather(*sharing)

    assert [(r.status_code, r.json()["version"]) for r in responses] == [(200, 2)] * 2
    assert [_titles(await _get(bob, path))] == [["Wash up"]]
    assert [v["version"] for v in (await _get(ann, f"{path}/versions"))["items"]] == [2, 1]


async def test_a_version_outlives_its_author(root: asyncpg.Connection, home: Household) -> None:
    shared = row_id("shared routine", "member")
    await act_as(root, "app_api", **home.context("admin"))
    await root.execute(
        "with r as (update app.routines set version = 2 where id = $1 returning *)"
        " insert into app.routine_versions"
        " (family_id, routine_id, version, user_id, routine_visibility, saved_visibility,"
        " author_id)"
        " select family_id, id, version, user_id, visibility, visibility, $2 from r",
        *(shared, home.users["admin"]),
    )
    await act_as(root, "none")

    await root.execute("delete from app.users where id = $1", home.users["admin"])

    authors = await root.fetch(
        "select author_id from app.routine_versions"
        " where (family_id, routine_id) = ($1, $2) order by version",
        *(home.family_id, shared),
    )
    assert [author_id for (author_id,) in authors] == [home.users["member"], None]


# Retired, and restored.


async def test_a_retired_routine_leaves_the_list_and_nothing_is_below_it(
    ann: Person, hearth: Hearth
) -> None:
    routine = await _make(ann, "Wash up")
    path = _path(routine)
    await ann.client.put(f"{path}/completions/{DAY}")
    await ann.client.delete(path)
    before = await all_rows(hearth)

    responses = [
        await ann.client.request(method, path + below, json=body)
        for method, below, body in (
            ("GET", "", None),
            ("PATCH", "", {"points": 7}),
            ("DELETE", "", None),
            ("GET", "/steps", None),
            ("PUT", "/steps", {"steps": []}),
            ("GET", "/versions", None),
            ("GET", "/versions/1", None),
            ("POST", "/versions/1/restore", None),
            ("GET", "/completions", None),
            ("GET", f"/completions/{DAY}", None),
            ("PUT", f"/completions/{DAY}", None),
            ("DELETE", f"/completions/{DAY}", None),
        )
    ]

    assert {response.status_code for response in responses} == {404}
    assert await all_rows(hearth) == before
    assert await _get(ann, "/v1/routines") == {"items": [], "next": None}
    (retired,) = (await _get(ann, "/v1/routines", is_active="false"))["items"]
    assert retired["id"] == routine["id"]


async def test_a_restored_routine_is_as_it_was(ann: Person) -> None:
    path = _path(await _make(ann, "Wash up"))
    await _save(ann, path, "Dry up")
    await ann.client.put(f"{path}/completions/{DAY}")
    shown = ("", "/versions", "/versions/1", f"/completions/{DAY}")
    before = [await _get(ann, path + below) for below in shown]
    await ann.client.delete(path)

    responses = [await ann.client.post(f"{path}/restore") for _ in range(2)]

    assert [response.status_code for response in responses] == [200, 404]
    after = [await _get(ann, path + below) for below in shown]
    changed = {name for name in before[0] if before[0][name] != after[0][name]}
    assert (responses[0].json(), after[1:]) == (after[0], before[1:])
    assert changed == {"updated_at", "row_version"}


# Done for a day.


async def test_a_day_is_marked_once_however_often_it_is_said(ann: Person) -> None:
    path = _path(await _make(ann))
    day = f"{path}/completions/{DAY}"

    marked = [await ann.client.put(day) for _ in range(2)]

    assert [response.status_code for response in marked] == [201, 200]
    completion = marked[1].json()
    assert (completion["completed_on"], completion["user_id"]) == (DAY, str(ann.user_id))
    assert completion["created_at"] == marked[0].json()["created_at"]
    assert (await _get(ann, f"{path}/completions"))["items"] == [completion]
    assert await _get(ann, day) == completion


async def test_a_day_is_marked_in_the_version_of_the_time(ann: Person) -> None:
    path = _path(await _make(ann, "Wash up"))
    days = [f"{path}/completions/2026-03-{day}" for day in (28, 29)]
    for day in days:
        await ann.client.put(day)
    await _save(ann, path, "Dry up")

    again = await ann.client.put(days[1])

    assert again.json()["version"] == 2
    assert (await _get(ann, days[0]))["version"] == 1


async def test_two_who_mark_the_same_day_at_once_have_marked_it_once(
    ann: Person, as_role: AsRole
) -> None:
    path = _path(await _make(ann))
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute(
        "insert into app.routine_completions"
        " (family_id, routine_id, user_id, completed_on, owner_id, visibility, version)"
        f" select family_id, id, user_id, '{DAY}', user_id, visibility, version from app.routines"
    )
    marks = [asyncio.create_task(ann.client.put(f"{path}/completions/{DAY}")) for _ in range(2)]
    await wait_until_requests_block(first, 2)

    await first.execute("rollback")

    assert sorted([(await mark).status_code for mark in marks]) == [200, 201]
    assert len((await _get(ann, f"{path}/completions"))["items"]) == 1


async def test_a_completion_that_goes_meanwhile_is_not_made_again_for_who_wants_to_change_it(
    ann: Person, as_role: AsRole
) -> None:
    day = f"{_path(await _make(ann))}/completions/{DAY}"
    await ann.client.put(day)
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute("delete from app.routine_completions")
    change = asyncio.create_task(ann.client.put(day, headers={"If-Match": '"1"'}))
    await wait_until_requests_block(first, 1)

    await first.execute("commit")

    assert (await change).status_code == 404


async def test_no_routine_is_done_before_its_day(ann: Person) -> None:
    path = f"{_path(await _make(ann))}/completions"
    today = datetime.now(UTC).date()

    responses = [
        await ann.client.put(f"{path}/{today + timedelta(days=ahead)}")
        for ahead in (0, 1, 3)  # and not 2, which may have come meanwhile
    ]

    assert [response.status_code for response in responses] == [201, 201, 422]
    assert responses[2].json()["detail"].startswith("The day must not be after tomorrow")
    assert len((await _get(ann, path))["items"]) == 2


async def test_each_takes_back_their_own(ann: Person, bob: Person, join: Join) -> None:
    await join(bob, ann, "owner")
    path = _path(await _make(ann, visibility="family"))
    day = f"{path}/completions/{DAY}"
    await ann.client.put(day)

    responses = [await bob.client.delete(day)]
    await bob.client.put(day)
    responses += [await bob.client.delete(day), await bob.client.delete(day)]

    assert [response.status_code for response in responses] == [404, 204, 404]
    assert (await bob.client.get(day)).status_code == 404
    (left,) = (await _get(bob, f"{path}/completions"))["items"]
    assert left["user_id"] == str(ann.user_id)


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, [1, 1, 2, 2, 3, 3, 4, 4]),
        ({"from": "2026-03-02"}, [2, 2, 3, 3, 4, 4]),
        ({"to": "2026-03-02"}, [1, 1, 2, 2]),
        ({"from": "2026-03-02", "to": "2026-03-03"}, [2, 2, 3, 3]),
        ({"from": "2026-03-03", "to": "2026-03-02"}, []),
    ],
)
async def test_completions_are_everybodys_from_the_newest_day_page_by_page(
    parameters: dict[str, str], found: list[int], ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "member")
    path = f"{_path(await _make(ann, visibility='family'))}/completions"
    for person in (ann, bob):
        for day in (3, 1, 4, 2):
            await person.client.put(f"{path}/2026-03-0{day}")

    seen: list[dict[str, Any]] = []
    asked: dict[str, Any] = {**parameters, "limit": "3"}
    while asked.get("cursor", "") is not None:
        page = await _get(bob, path, **asked)
        seen += page["items"]
        asked["cursor"] = page["next"]

    keys = [(completion["completed_on"], completion["user_id"]) for completion in seen]
    assert keys == sorted(set(keys), reverse=True)
    assert sorted(int(day[-2:]) for day, _ in keys) == found


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("from", "soon"),
        ("to", "2030-02-30"),
        ("first", "2030-02-01"),
        ("cursor", "2030-02-01"),
        ("cursor", f"-1_{UUID(int=1)}"),
        ("cursor", f"1000000_{UUID(int=1)}"),
        ("limit", "101"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_pointed_at(
    parameter: str, value: str, ann: Person
) -> None:
    path = f"{_path(await _make(ann))}/completions"

    response = await ann.client.get(path, params={parameter: value})

    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (422, parameter)


@pytest.mark.parametrize("day", ["soon", "2030-02-30", "0000-00-00", "9999-99-99", "infinity"])
async def test_what_is_no_day_is_pointed_at(day: str, ann: Person) -> None:
    response = await ann.client.put(f"{_path(await _make(ann))}/completions/{day}")

    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (422, "date")


# What grants and policies do not see.


@pytest.mark.parametrize(
    "statement",
    [
        "update app.routine_versions set restored_version = null",
        "update app.routine_versions set saved_visibility = 'family'",
        "delete from app.routine_versions",
        "truncate app.routine_versions cascade",
        "update app.routine_steps set title = 'Never said'",
        "update app.routine_steps set habit_id = null",
        "delete from app.routine_steps",
        "truncate app.routine_steps",
        "truncate app.routines cascade",
    ],
)
async def test_versions_and_steps_do_not_change_even_for_a_superuser(
    root: asyncpg.Connection, home: Household, statement: str
) -> None:
    assert await attempt(root, statement) == "ZH003"


async def test_nobody_adds_a_step_to_a_version_that_is_made(ann: Person, as_role: AsRole) -> None:
    await _make(ann, "Wash up")
    connection = await as_role("app_api", **as_role.of(ann))

    with pytest.raises(asyncpg.PostgresError) as refused:
        await connection.execute(
            "insert into app.routine_steps"
            " (family_id, routine_id, version, position, user_id, visibility, title, minutes)"
            " select family_id, id, version, 2, user_id, visibility, 'Dry up', 5 from app.routines"
        )

    assert refused.value.sqlstate == "ZH003"


async def test_a_routine_is_never_without_its_newest_version(
    root: asyncpg.Connection, home: Household
) -> None:
    await act_as(root, "app_api", **home.context("member"))

    responses = [
        await attempt(root, "update app.routines set version = 2 where visibility = 'private'"),
        await attempt(
            root,
            "insert into app.routines (family_id, user_id, name) values ($1, $2, 'Bare')",
            *(home.family_id, home.users["member"]),
        ),
    ]

    assert responses == ["23503", "23503"]


async def test_keys_hold_versions_and_steps_together_where_no_trigger_does(
    root: asyncpg.Connection, home: Household
) -> None:
    for table in ("routine_versions", "routine_steps"):
        await root.execute(f"alter table app.{table} disable trigger user")

    newest_gone, step_of_none = [
        await attempt(root, f"{change} where family_id = $1", home.family_id)
        for change in (
            "delete from app.routine_versions",
            "update app.routine_steps set version = 99",
        )
    ]

    assert newest_gone in ("23001", "23503")  # the former from PostgreSQL 18 on
    assert step_of_none == "23503"


async def test_who_may_not_change_a_routine_cannot_write_its_versions_either(
    root: asyncpg.Connection, home: Household
) -> None:
    shared = row_id("shared routine", "owner")
    version = (
        "insert into app.routine_versions"
        " (family_id, routine_id, version, user_id, routine_visibility, saved_visibility,"
        " author_id)"
        " select family_id, id, 2, {}, visibility, visibility, {} from app.routines"
        f" where id = '{shared}'"
    )
    member, owner = (f"'{home.users[role]}'" for role in ("member", "owner"))
    await act_as(root, "app_api", **home.context("member"))

    responses = [
        await attempt(root, version.format(*names))
        for names in (
            (owner, member),  # of somebody else's routine
            (owner, owner),  # in somebody else's name
            (member, member),  # of a routine that is not theirs, as if it were
        )
    ]

    assert responses == ["42501", "42501", "23503"]


@pytest.mark.parametrize(
    ("visibility", "response"), [("family", "INSERT 0 1"), ("private", "42501")]
)
async def test_who_runs_the_family_writes_versions_of_what_it_shares_and_of_nothing_else(
    root: asyncpg.Connection, home: Household, visibility: str, response: str
) -> None:
    routine = row_id("shared routine" if visibility == "family" else "private routine", "member")
    await act_as(root, "app_api", **home.context("admin"))

    done = await attempt(
        root,
        "insert into app.routine_versions"
        " (family_id, routine_id, version, user_id, routine_visibility, saved_visibility,"
        " author_id)"
        " values ($1, $2, 2, $3, $4::text::app.visibility, $4::text::app.visibility, $5)",
        *(home.family_id, routine, home.users["member"], visibility, home.users["admin"]),
    )

    assert done == response


async def test_nobody_learns_how_many_steps_a_private_version_has(
    ann: Person, bob: Person, join: Join, as_role: AsRole
) -> None:
    await join(bob, ann, "admin")
    routine = await _make(ann, "Call the lawyer", "Wash up")
    await ann.client.patch(_path(routine), json={"visibility": "family"})
    said = []

    for version, position in ((1, 1), (1, 3), (9, 1)):
        connection = await as_role("app_api", **as_role.of(bob))
        with pytest.raises(asyncpg.PostgresError) as refused:
            await connection.execute(
                "insert into app.routine_steps"
                " (family_id, routine_id, version, position, user_id, visibility, title, minutes)"
                " values ($1, $2, $3, $4, $5, 'family', 'Dry up', 5)",
                *(ann.family_id, routine["id"], version, position, ann.user_id),
            )
        said.append((refused.value.sqlstate, str(refused.value)))

    assert set(said) == {("42501", "there is no such version that you see")}


@pytest.mark.parametrize("saved", ["private", "family"])
async def test_a_version_says_truly_whether_it_was_saved_in_private(
    root: asyncpg.Connection, home: Household, saved: str
) -> None:
    routine = row_id("private routine" if saved == "family" else "shared routine", "member")
    await act_as(root, "app_api", **home.context("member"))

    done = await attempt(
        root,
        "insert into app.routine_versions"
        " (family_id, routine_id, version, user_id, routine_visibility, saved_visibility,"
        " author_id)"
        " select family_id, id, 2, user_id, visibility, $3::text::app.visibility, user_id"
        " from app.routines where (family_id, id) = ($1, $2)",
        *(home.family_id, routine, saved),
    )

    assert done == "42501"


async def test_nobody_marks_what_they_do_not_see_at_a_prompt_either(
    root: asyncpg.Connection, home: Household
) -> None:
    private = row_id("private routine", "owner")
    mark = (
        "insert into app.routine_completions"
        " (family_id, routine_id, user_id, completed_on, owner_id, visibility, version)"
        f" values ('{home.family_id}', '{private}', '{{}}', '{DAY}', '{{}}', '{{}}', 1)"
    )
    member, owner = (home.users[role] for role in ("member", "owner"))
    await act_as(root, "app_api", **home.context("member"))

    responses = [
        await attempt(root, mark.format(*names))
        for names in (
            (member, owner, "private"),
            (member, owner, "family"),  # as if it were shared
            (member, member, "private"),  # as if it were theirs
            (owner, owner, "private"),  # in somebody else's name
        )
    ]

    assert responses == ["42501", "23503", "23503", "42501"]


async def test_a_purged_routine_takes_its_history_along(
    root: asyncpg.Connection, home: Household
) -> None:
    count = "select count(*) from app.{} where family_id = $1 and routine_id = $2"
    shared = row_id("shared routine", "owner")
    tables = ("routine_versions", "routine_steps", "routine_completions")
    values = (home.family_id, shared)
    before = [await root.fetchval(count.format(table), *values) for table in tables]

    await root.execute("delete from app.routines where (family_id, id) = ($1, $2)", *values)

    assert before == [1, 1, 3]
    assert [await root.fetchval(count.format(table), *values) for table in tables] == [0, 0, 0]
