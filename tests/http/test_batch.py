"""Batches: several operations in one transaction, all of them or none."""

import json
from typing import Any

import pytest

from app.resources import ENDPOINTS
from tests.support.fixtures import Hearth, Join, NewPerson, Person
from tests.support.rows import all_rows, by_hand

pytestmark = pytest.mark.newest


async def _batch(person: Person, *operations: dict[str, Any], **headers: str) -> Any:
    response = await person.client.post(
        "/v1/batch", json={"operations": operations}, headers=headers
    )
    return response.status_code, response.json()


def _do(method: str, path: str, **rest: object) -> dict[str, Any]:
    return {"method": method, "path": path, **rest}


async def test_each_operation_is_answered_as_its_endpoint_would(ann: Person) -> None:
    made = await ann.client.post("/v1/tasks", json={"title": "Flour"})
    path = f"/v1/tasks/{made.json()['id']}"

    status, response = await _batch(
        ann,
        _do("POST", "/v1/tasks", body={"title": "Eggs"}),
        _do("PATCH", path, body={"is_completed": True}, if_match='"1"'),
        _do("GET", "/v1/tasks?is_completed=true"),
        _do("DELETE", path),
        _do("GET", "/v1/family"),
    )

    assert status == 200
    eggs, done, listed, deleted, family = response["results"]
    assert eggs["status"] == 201
    assert eggs["etag"] == '"1"'
    assert (await ann.client.get(f"/v1/tasks/{eggs['body']['id']}")).json() == eggs["body"]
    assert (done["status"], done["etag"], done["body"]["is_completed"]) == (200, '"2"', True)
    assert [task["id"] for task in listed["body"]["items"]] == [made.json()["id"]]
    assert deleted == {"status": 204, "etag": None, "body": None}
    assert family["body"] == (await ann.client.get("/v1/family")).json()


async def test_of_a_batch_that_fails_nothing_is_left_not_even_in_the_trail(
    ann: Person, hearth: Hearth
) -> None:
    made = (await ann.client.post("/v1/tasks", json={"title": "Flour"})).json()
    path = f"/v1/tasks/{made['id']}"
    before = await all_rows(hearth)

    ends = [
        (_do("GET", f"/v1/tasks/{ann.user_id}"), 404, "not-found"),
        (_do("PATCH", path, body={"title": "Mop"}, if_match='"9"'), 412, "precondition-failed"),
        (_do("PATCH", path, body={"title": "Mop"}, if_match="9"), 400, "malformed"),
        (_do("DELETE", f"/v1/members/{ann.user_id}"), 409, "last-owner"),
        (
            _do("POST", "/v1/tasks", body={"title": "a", "due_on": "2999-12-32"}),
            422,
            "validation-failed",
        ),
    ]
    responses = [
        await _batch(
            ann,
            _do("POST", "/v1/tasks", body={"title": "Eggs"}),
            _do("PATCH", path, body={"is_completed": True}),
            end,
        )
        for end, _, _ in ends
    ]

    assert [(status, response["code"]) for status, response in responses] == [
        (status, code) for _, status, code in ends
    ]
    assert all(
        response["errors"][0]["pointer"].startswith("/operations/2") for _, response in responses
    )
    assert await all_rows(hearth) == before


@pytest.mark.parametrize(
    ("operation", "pointer"),
    [
        (_do("POST", "/v1/tasks", body={"title": ""}), "/operations/1/body/title"),
        (_do("POST", "/v1/tasks"), "/operations/1/body"),
        (_do("GET", "/v1/tasks", body={}), "/operations/1/body"),
        (_do("GET", "/v1/tasks?limit=0"), "/operations/1/path"),
        (_do("GET", "/v1/tasks", if_match="*"), "/operations/1/if_match"),
        (_do("TRACE", "/v1/tasks"), "/operations/1/method"),
        (_do("GET", "https://example.com/v1/tasks"), "/operations/1/path"),
        (_do("GET", "/v1/tasks", colour="red"), "/operations/1/colour"),
    ],
)
async def test_what_is_wrong_is_pointed_at(
    ann: Person, operation: dict[str, Any], pointer: str
) -> None:
    status, response = await _batch(ann, _do("GET", "/v1/me"), operation)

    assert (status, response["code"]) == (422, "validation-failed")
    assert [error["pointer"] for error in response["errors"]] == [pointer]


@pytest.mark.parametrize(
    "operation",
    [
        _do("GET", "/v1/nothing"),
        _do("PATCH", "/v1/tasks"),
        _do("PUT", "/v1/tasks"),
        _do("POST", "/v1/batch", body={"operations": []}),
        _do("POST", "/v1/auth/signout"),
    ],
)
async def test_what_a_batch_cannot_run_is_not_found(ann: Person, operation: dict[str, Any]) -> None:
    status, response = await _batch(ann, _do("GET", "/v1/me"), operation)

    assert (status, response["code"]) == (404, "not-found")
    assert [error["pointer"] for error in response["errors"]] == ["/operations/1/path"]


async def test_what_is_taken_is_pointed_at(ann: Person) -> None:
    squat = _do("POST", "/v1/exercises", body={"name": "Squat"})

    status, response = await _batch(ann, squat, squat)

    assert (status, response["code"]) == (409, "conflict")
    assert [error["pointer"] for error in response["errors"]] == ["/operations/1/body/name"]


async def test_a_broken_constraint_leads_to_its_operation(ann: Person, bob: Person) -> None:
    status, response = await _batch(
        ann,
        _do("GET", "/v1/me"),
        _do("PATCH", f"/v1/members/{ann.user_id}", body={"role": "member"}),
    )

    assert (status, response["code"]) == (409, "last-owner")
    assert [error["pointer"] for error in response["errors"]] == ["/operations/1"]


async def test_what_an_operation_ends_is_over_for_those_after_it(
    ann: Person, new_person: NewPerson, join: Join, hearth: Hearth
) -> None:
    bob = await new_person()
    await join(bob, ann, "owner")
    before = await all_rows(hearth)

    responses = [
        await _batch(ann, operation, _do("GET", "/v1/tasks"))
        for operation in (
            _do("PATCH", f"/v1/members/{ann.user_id}", body={"role": "member"}),
            _do("DELETE", f"/v1/members/{ann.user_id}"),
            _do("DELETE", "/v1/family"),
            _do("DELETE", "/v1/me"),
        )
    ]

    assert [(status, response["code"]) for status, response in responses] == [
        (401, "outdated-token")
    ] * 4
    assert {response["errors"][0]["pointer"] for _, response in responses} == {"/operations/1"}
    assert await all_rows(hearth) == before


async def test_a_batch_is_done_once_under_its_key(ann: Person) -> None:
    operation = _do("POST", "/v1/tasks", body={"title": "Flour"})

    first = await _batch(ann, operation, **{"Idempotency-Key": "saturday"})
    again = await _batch(ann, operation, **{"Idempotency-Key": "saturday"})

    assert first == again
    assert len((await ann.client.get("/v1/tasks")).json()["items"]) == 1


async def test_what_a_batch_only_read_is_not_kept_and_is_read_again(
    ann: Person, hearth: Hearth
) -> None:
    task = (await ann.client.post("/v1/tasks", json={"title": "Flour"})).json()
    operations = [
        _do("GET", f"/v1/tasks/{task['id']}"),
        _do("POST", "/v1/tasks", body={"title": 'Eggs, "fresh" [6]'}),
        _do("GET", "/v1/tasks"),
        _do("GET", "/v1/me"),
    ]
    key = {"Idempotency-Key": "sunday"}

    status, first = await _batch(ann, *operations, **key)
    await ann.client.delete(f"/v1/tasks/{task['id']}")
    again = await _batch(ann, *operations, **key)

    assert [status, again[0]] == [200, 200]
    before, after = first["results"], again[1]["results"]
    assert [result["status"] for result in before] == [200, 201, 200, 200]
    assert after[0] == {"status": 404, "etag": None, "body": None}
    assert [after[1], after[3]] == [before[1], before[3]]
    assert after[2]["body"]["items"] == [before[1]["body"]]
    (kept,) = await by_hand(
        hearth, "select body from app.idempotency_keys where user_id = $1", ann.user_id
    )
    assert json.loads(kept["body"]) == {"results": [None, before[1], None, None]}


async def test_what_is_read_again_has_a_size_together(ann: Person) -> None:
    talk = (await ann.client.post("/v1/conversations", json={"title": "Long"})).json()
    path = f"/v1/conversations/{talk['id']}/messages"
    operations = [*[_do("GET", path)] * 98, _do("POST", "/v1/tasks", body={"title": "Flour"})]
    first, _ = await _batch(ann, *operations, **{"Idempotency-Key": "monday"})
    for _ in range(10):
        await ann.client.post(path, json={"role": "user", "content": "🏡" * 5000})

    status, response = await _batch(ann, *operations, **{"Idempotency-Key": "monday"})

    assert (first, status) == (200, 200)
    statuses = [result["status"] for result in response["results"]]
    assert statuses == [200] * 19 + [413] * 79 + [201]


async def test_a_hundred_operations_are_one_transaction_in_the_trail(ann: Person) -> None:
    operations = [_do("POST", "/v1/tasks", body={"title": f"Egg {n}"}) for n in range(100)]

    status, response = await _batch(ann, *operations)

    assert (status, len(response["results"])) == (200, 100)
    trail = (await ann.client.get("/v1/audit?limit=100")).json()["items"]
    requests = {
        record["metadata"]["request_id"] for record in trail if record["table_name"] == "tasks"
    }
    assert len(requests) == 1


def test_every_endpoint_of_one_query_may_be_part_of_a_batch_unless_it_tells_a_secret() -> None:
    assert {row.path for row in ENDPOINTS if not row.is_for_batches} == {
        *("/v1/auth/signup", "/v1/auth/signin", "/v1/auth/refresh", "/v1/auth/signout"),
        *("/v1/auth/password", "/v1/families/{family_id:uuid}/token", "/v1/batch"),
        "/v1/invitations",
    }


async def test_a_secret_is_told_in_no_batch_which_might_be_kept(ann: Person) -> None:
    invite = _do("POST", "/v1/invitations", body={"email": "grandma@example.com"})

    status, response = await _batch(ann, invite)

    assert (status, response["errors"]) == (
        404,
        [
            {
                "pointer": "/operations/0/path",
                "detail": "POST /v1/invitations is not an operation that a batch can run",
            }
        ],
    )


async def test_what_is_wrong_with_the_whole_points_at_no_operation(
    ann: Person, new_person: NewPerson, join: Join
) -> None:
    bob = await new_person()
    await join(bob, ann, "member")
    await ann.client.delete(f"/v1/members/{bob.user_id}")

    status, response = await _batch(bob, _do("GET", "/v1/tasks"))

    assert (status, response["code"]) == (401, "outdated-token")
    assert "errors" not in response


async def test_the_answers_of_a_batch_have_a_size_together(ann: Person) -> None:
    talk = (await ann.client.post("/v1/conversations", json={"title": "Long"})).json()
    path = f"/v1/conversations/{talk['id']}/messages"
    for _ in range(10):
        await ann.client.post(path, json={"role": "user", "content": "🏡" * 5000})

    status, response = await _batch(ann, *[_do("GET", path) for _ in range(100)])

    assert (status, response["code"]) == (413, "content-too-large")
