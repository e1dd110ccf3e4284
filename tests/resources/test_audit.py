"""The audit trail over HTTP: who reads what of it."""

from typing import Any
from uuid import uuid4

import pytest

from tests.support.fixtures import AsRole, Hearth, Join, Person
from tests.support.rows import by_hand


async def _trail(person: Person) -> list[dict[str, Any]]:
    response = await person.client.get("/v1/audit", params={"limit": 100})
    assert response.status_code == 200, response.text
    return list(response.json()["items"])


async def test_a_write_is_recorded_with_who_did_what_in_which_request(ann: Person) -> None:
    task = (await ann.client.post("/v1/tasks", json={"title": "Dust"})).json()
    request_id = str(uuid4())
    await ann.client.patch(
        f"/v1/tasks/{task['id']}", json={"title": "Mop"}, headers={"X-Request-Id": request_id}
    )

    record = (await _trail(ann))[0]

    assert {name: record[name] for name in record if name not in ("id", "occurred_at")} == {
        "action_type": "update",
        "table_name": "tasks",
        "row_key": {"id": task["id"]},
        "before": {"title": "Dust"},
        "after": {"title": "Mop"},
        "actor_id": str(ann.user_id),
        "actor_role": "owner",
        "metadata": {
            "application": "hearth",
            "login": "app_api",
            "database_role": "app_api",
            "request_id": request_id,
        },
    }


async def test_the_trail_runs_from_the_newest_to_the_beginning(ann: Person) -> None:
    task = (await ann.client.post("/v1/tasks", json={"title": "Dust"})).json()
    await ann.client.delete(f"/v1/tasks/{task['id']}")

    trail = [(record["action_type"], record["table_name"]) for record in await _trail(ann)]

    assert trail == [
        ("delete", "tasks"),
        ("insert", "tasks"),
        ("insert", "family_memberships"),
        ("insert", "families"),
    ]


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("admin", 200), ("member", 403)])
async def test_owners_and_admins_read_it(
    role: str, status: int, ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, role)

    response = await bob.client.get("/v1/audit")

    assert response.status_code == status
    assert response.json().get("code") == (None if status == 200 else "forbidden")


async def test_what_is_private_is_its_owners_alone_here_too(
    ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "admin")
    for title, visibility in (("secret", "private"), ("shared", "family")):
        body = {"title": title, "visibility": visibility}
        await bob.client.post("/v1/tasks", json=body)
    task = (await bob.client.get("/v1/tasks")).json()["items"][0]
    await bob.client.patch(f"/v1/tasks/{task['id']}", json={"visibility": "private"})
    await bob.client.post("/v1/conversations", json={"title": "secret"})

    async def seen(person: Person) -> list[tuple[str, str]]:
        return [
            (record["action_type"], record["table_name"])
            for record in await _trail(person)
            if record["table_name"] in ("tasks", "conversations")
        ]

    assert await seen(bob) == [
        ("insert", "conversations"),
        ("update", "tasks"),
        ("insert", "tasks"),
        ("insert", "tasks"),
    ]
    assert await seen(ann) == [("insert", "tasks")]


async def test_its_pages_are_together_what_the_policy_shows(
    ann: Person, bob: Person, join: Join, hearth: Hearth, as_role: AsRole
) -> None:
    await join(bob, ann, "admin")
    # Shared, ann's and bob's in turn; five at a time fall on one microsecond.
    await by_hand(
        hearth,
        "insert into app.audit_log"
        " (family_id, action_type, table_name, row_key, after, private_to, occurred_at)"
        " select $1, 'insert', 'tasks', jsonb_build_object('n', n), '{}', "
        " (array[null, $2, $3]::uuid[])[n % 3 + 1], now() + n / 5 * interval '1 microsecond'"
        " from generate_series(1, 60) as n",
        *(ann.family_id, ann.user_id, bob.user_id),
    )
    connection = await as_role("app_api", **as_role.of(ann))
    shown = await connection.fetch(
        "select id::text from app.audit_log order by occurred_at desc, id desc"
    )

    for limit in (1, 2, 3, 7, 100):
        seen: list[str] = []
        parameters: dict[str, Any] = {"limit": limit}
        while parameters.get("cursor", "") is not None:
            page = (await ann.client.get("/v1/audit", params=parameters)).json()
            seen += [record["id"] for record in page["items"]]
            parameters["cursor"] = page["next"]

        assert seen == [id_ for (id_,) in shown]
    private = [record["row_key"].get("n") for record in await _trail(ann)]
    assert {n % 3 for n in private if n} == {0, 1}
