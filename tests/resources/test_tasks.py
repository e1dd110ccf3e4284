"""Tasks: private or shared, open or done, due or not."""

import asyncio
from typing import Any

import pytest

from tests.support.fixtures import (
    AsRole,
    Hearth,
    Join,
    NewPerson,
    Person,
    wait_until_requests_block,
)
from tests.support.rows import by_hand


async def _make(person: Person, **fields: object) -> dict[str, Any]:
    response = await person.client.post("/v1/tasks", json={"title": "Water the plants", **fields})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def _change(person: Person, task: dict[str, Any], **fields: object) -> dict[str, Any]:
    response = await person.client.patch(f"/v1/tasks/{task['id']}", json=fields)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_a_task_needs_no_more_than_a_title(ann: Person) -> None:
    task = await _make(ann, title="Water the plants")

    given = {name: task[name] for name in task if not name.endswith("_at") and name != "id"}
    assert given == {
        "user_id": str(ann.user_id),
        "title": "Water the plants",
        "description": None,
        "due_on": None,
        "visibility": "private",
        "points": 1,
        "is_completed": False,
        "row_version": 1,
    }
    assert task["completed_at"] is None
    assert (await ann.client.get("/v1/tasks")).json() == {"items": [task], "next": None}
    assert (await ann.client.get(f"/v1/tasks/{task['id']}")).json() == task


@pytest.mark.parametrize(
    ("asked", "condition"),
    [
        ({}, "true"),
        ({"is_completed": "false"}, "not is_completed"),
        ({"due_from": "2030-01-20"}, "due_on >= '2030-01-20'"),
        (
            {"due_to": "2030-01-20", "is_completed": "true"},
            "due_on <= '2030-01-20' and is_completed",
        ),
        (
            {"due_from": "2030-01-10", "due_to": "2030-01-30"},
            "due_on between '2030-01-10' and '2030-01-30'",
        ),
    ],
)
async def test_the_pages_of_a_list_are_together_what_the_policy_shows(
    ann: Person,
    bob: Person,
    join: Join,
    hearth: Hearth,
    as_role: AsRole,
    asked: dict[str, str],
    condition: str,
) -> None:
    await join(bob, ann, "member")
    # Ann's and bob's, shared and private, due and not, done and not; five a microsecond.
    await by_hand(
        hearth,
        "insert into app.tasks"
        " (family_id, user_id, title, visibility, due_on, completed_at, created_at)"
        " select $1, case when n % 2 = 0 then $2 else $3::uuid end, 'Task',"
        " (array['private', 'family']::app.visibility[])[n / 2 % 2 + 1],"
        " case when n % 3 > 0 then date '2030-01-01' + n end,"
        " case when n % 5 > 1 then now() end, now() + n / 5 * interval '1 microsecond'"
        " from generate_series(1, 60) as n",
        *(ann.family_id, ann.user_id, bob.user_id),
    )
    connection = await as_role("app_api", **as_role.of(ann))
    shown = await connection.fetch(
        f"select id::text from app.tasks where {condition} order by created_at desc, id desc"
    )

    for limit in (1, 4, 100):
        seen: list[str] = []
        parameters: dict[str, Any] = {**asked, "limit": limit}
        while parameters.get("cursor", "") is not None:
            page = (await ann.client.get("/v1/tasks", params=parameters)).json()
            seen += [task["id"] for task in page["items"]]
            parameters["cursor"] = page["next"]

        assert len(seen) > 3
        assert seen == [id_ for (id_,) in shown]


async def test_tasks_are_listed_from_the_newest_to_the_oldest(ann: Person) -> None:
    made = [await _make(ann, title=title) for title in ("one", "two", "three")]

    listed = (await ann.client.get("/v1/tasks")).json()["items"]

    assert listed == made[::-1]


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"title": "Feed the cat"}, {"title"}),
        ({"description": None}, {"description"}),
        ({"due_on": None}, {"due_on"}),
        ({"due_on": "2031-01-01", "description": ""}, {"due_on", "description"}),
        ({"visibility": "family"}, {"visibility"}),
        ({"points": 0}, {"points"}),
        ({"is_completed": True}, {"is_completed", "completed_at"}),
        ({"is_completed": False}, set()),
    ],
)
async def test_what_is_absent_stays_and_null_empties(
    change: dict[str, object], changed: set[str], ann: Person
) -> None:
    before = await _make(ann, description="Not the cactus", due_on="2030-02-28")

    after = await _change(ann, before, **change)

    assert {name for name in before if before[name] != after[name]} == changed | {
        "updated_at",
        "row_version",
    }
    assert {name: after[name] for name in change} == change


async def test_a_task_done_twice_was_done_the_first_time(ann: Person) -> None:
    task = await _make(ann, is_completed=True)

    again = await _change(ann, task, is_completed=True)
    opened = await _change(ann, task, is_completed=False)

    assert task["completed_at"] is not None
    assert again["completed_at"] == task["completed_at"]
    assert opened["completed_at"] is None


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, "done, later; done; open, soon; open"),
        ({"is_completed": "false"}, "open, soon; open"),
        ({"is_completed": "true"}, "done, later; done"),
        ({"due_from": "2030-01-01"}, "done, later; open, soon"),
        ({"due_from": "2030-01-02"}, "done, later"),
        ({"due_to": "2030-01-02"}, "open, soon"),
        ({"due_from": "2030-01-01", "due_to": "2030-01-09"}, "done, later; open, soon"),
        ({"due_to": "2030-01-09", "is_completed": "true"}, "done, later"),
        ({"due_from": "2030-01-09", "due_to": "2030-01-01"}, ""),
    ],
)
async def test_lists_are_filtered_by_state_and_due_date(
    parameters: dict[str, str], found: str, ann: Person
) -> None:
    await _make(ann, title="open")
    await _make(ann, title="open, soon", due_on="2030-01-01")
    await _make(ann, title="done", is_completed=True)
    await _make(ann, title="done, later", is_completed=True, due_on="2030-01-09")

    listed = (await ann.client.get("/v1/tasks", params=parameters)).json()["items"]

    assert "; ".join(task["title"] for task in listed) == found


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("is_completed", "perhaps"),
        ("is_completed", ""),
        ("due_from", "2030-02-30"),
        ("due_from", "soon"),
        ("due_from", "1700006400"),
        ("due_from", "2030-01-01T00:00:00Z"),
        ("due_to", "1899-12-31"),
        ("due_to", "3000-01-01"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_pointed_at(
    parameter: str, value: str, ann: Person
) -> None:
    response = await ann.client.get("/v1/tasks", params={parameter: value})

    assert (response.status_code, response.json()["code"]) == (422, "validation-failed")
    assert [error["parameter"] for error in response.json()["errors"]] == [parameter]


async def test_two_changes_at_once_both_count(ann: Person, as_role: AsRole) -> None:
    task = await _make(ann)
    first = await as_role("app_api", **as_role.of(ann))
    await first.execute("update app.tasks set title = 'Feed the cat'")
    second = asyncio.create_task(_change(ann, task, description="Half a tin"))
    await wait_until_requests_block(first, 1)

    await first.execute("commit")

    after = await second
    assert (after["title"], after["description"]) == ("Feed the cat", "Half a tin")
    assert after["row_version"] == 3


WHO_MAY_DO_WHAT = """
                        see  change  hide  delete
    private themself    200     200   200     204
    private member      404     404   404     404
    private admin       404     404   404     404
    private owner       404     404   404     404
    family  themself    200     200   200     204
    family  member      200     200   403     403
    family  admin       200     200   403     204
    family  owner       200     200   403     204
"""


async def test_who_may_do_what_to_a_task_depends_on_its_visibility(
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
        statuses = []
        for action in table[0].split():
            task = await _make(people["themself"], visibility=line[4:12].strip())
            path = f"/v1/tasks/{task['id']}"
            if action == "see":
                response = await client.get(path)
            elif action == "delete":
                response = await client.delete(path)
            else:
                changes = {"change": {"title": "Dust"}, "hide": {"visibility": "private"}}
                response = await client.patch(path, json=changes[action])
            statuses.append(response.status_code)
            left = await people["themself"].client.get(path)
            refused = response.status_code >= 400 or action == "see"
            assert (left.status_code == 200 and left.json() == task) == refused
        seen.append(line[:24] + "{:3}{:8}{:6}{:8}".format(*statuses))

    assert seen == table


async def test_the_family_lists_what_is_shared_and_each_what_is_their_own(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "member")
    shared = await _make(ann, title="shared", visibility="family")
    await _make(ann, title="private")
    own = await _make(bob, title="own")

    listed = (await bob.client.get("/v1/tasks")).json()["items"]

    assert listed == [own, shared]
