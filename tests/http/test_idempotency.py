"""Idempotency keys: a request that is sent twice is done once."""

import asyncio
import json
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.support.fixtures import (
    PASSWORD,
    Hearth,
    Join,
    NewPerson,
    Person,
    wait_until_requests_block,
)
from tests.support.rows import all_rows, by_hand, tables_of

KEY = {"Idempotency-Key": "saturday"}


async def _titles(person: Person) -> list[str]:
    return [item["title"] for item in (await person.client.get("/v1/tasks")).json()["items"]]


async def test_the_same_request_is_answered_alike_and_done_once(
    ann: Person, hearth: Hearth
) -> None:
    first = await ann.client.post("/v1/tasks", json={"title": "Flour"}, headers=KEY)
    between = await all_rows(hearth)
    again = await ann.client.post("/v1/tasks", json={"title": "Flour"}, headers=KEY)

    assert (
        (again.status_code, again.content)
        == (first.status_code, first.content)
        == (
            201,
            first.content,
        )
    )
    for header in ("ETag", "Location"):
        assert again.headers[header] == first.headers[header]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await all_rows(hearth) == between
    assert await _titles(ann) == ["Flour"]


@pytest.mark.parametrize("other", ["body", "path"])
async def test_another_request_under_the_key_is_refused(ann: Person, other: str) -> None:
    await ann.client.post("/v1/tasks", json={"title": "Flour"}, headers=KEY)

    if other == "body":
        response = await ann.client.post("/v1/tasks", json={"title": "Eggs"}, headers=KEY)
    else:
        response = await ann.client.post("/v1/conversations", json={"title": "Flour"}, headers=KEY)

    assert (response.status_code, response.json()["code"]) == (409, "idempotency-key-reused")
    assert await _titles(ann) == ["Flour"]


async def test_a_key_is_its_users_and_its_familys(
    ann: Person, new_person: NewPerson, join: Join
) -> None:
    bob = await new_person()
    home = bob.family_id
    await ann.client.post("/v1/tasks", json={"title": "Flour"}, headers=KEY)

    alone = await bob.client.post("/v1/tasks", json={"title": "Flour"}, headers=KEY)
    await join(bob, ann, "member")
    guest = await bob.client.post("/v1/tasks", json={"title": "Eggs"}, headers=KEY)

    assert home != bob.family_id
    assert [alone.status_code, guest.status_code] == [201, 201]


async def test_what_failed_may_be_tried_again_under_its_key(ann: Person) -> None:
    failed = await ann.client.post("/v1/tasks", json={"title": " "}, headers=KEY)
    done = await ann.client.post("/v1/tasks", json={"title": "Flour"}, headers=KEY)

    assert [failed.status_code, done.status_code] == [422, 201]


async def test_duplicates_at_the_same_time_wait_and_are_answered_alike(
    ann: Person, hearth: Hearth
) -> None:
    holder = await asyncpg.connect(hearth.superuser_url)
    await holder.execute("begin; lock table app.tasks in exclusive mode")
    sent = [
        asyncio.create_task(ann.client.post("/v1/tasks", json={"title": "Flour"}, headers=KEY))
        for _ in range(4)
    ]
    await wait_until_requests_block(holder, 4)
    await holder.close()
    responses = [await request for request in sent]

    assert [response.status_code for response in responses] == [201] * 4
    assert len({response.content for response in responses}) == 1
    assert sorted("Idempotency-Replayed" in response.headers for response in responses) == [
        *(False, True, True, True)
    ]
    assert await _titles(ann) == ["Flour"]


async def test_who_was_removed_since_is_not_answered_again(
    ann: Person, new_person: NewPerson, join: Join
) -> None:
    bob = await new_person()
    await join(bob, ann, "member")
    await bob.client.post("/v1/tasks", json={"title": "Flour"}, headers=KEY)
    await ann.client.delete(f"/v1/members/{bob.user_id}")

    response = await bob.client.post("/v1/tasks", json={"title": "Flour"}, headers=KEY)

    assert response.json()["code"] == "outdated-token"


async def test_a_family_is_made_once(ann: Person) -> None:
    responses = [
        await ann.client.post("/v1/families", json={"name": "Cabin"}, headers=KEY) for _ in range(2)
    ]

    assert responses[0].json() == responses[1].json()
    assert len((await ann.client.get("/v1/families")).json()["items"]) == 2


async def test_who_stands_in_no_family_has_no_keys(ann: Person) -> None:
    await ann.client.delete("/v1/family")
    signed_in = await ann.client.post(
        "/v1/auth/signin", json={"email": ann.email, "password": PASSWORD}
    )
    ann.take(signed_in.json())

    response = await ann.client.post("/v1/families", json={"name": "Anew"}, headers=KEY)

    assert response.json()["code"] == "no-family"
    assert (await ann.client.get("/v1/families")).json()["items"] == []


async def test_answers_are_forgotten_after_a_day(ann: Person, hearth: Hearth) -> None:
    await ann.client.post("/v1/tasks", json={"title": "Flour"}, headers=KEY)
    await by_hand(hearth, "alter table app.idempotency_keys disable trigger _100_refuse_change")
    await by_hand(
        hearth,
        "update app.idempotency_keys set created_at = now() - interval '24 hours 1 second'"
        " where user_id = $1",
        ann.user_id,
    )
    await by_hand(hearth, "alter table app.idempotency_keys enable trigger _100_refuse_change")

    again = await ann.client.post("/v1/tasks", json={"title": "Flour"}, headers=KEY)

    assert again.status_code == 201
    assert await _titles(ann) == ["Flour", "Flour"]
    assert tables_of(await all_rows(hearth, about=ann.user_id))["idempotency_keys"] == 1


@pytest.mark.parametrize("key", ["", "a" * 256, "ü", "two words"])
async def test_a_key_that_is_none_is_refused(ann: Person, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode()}

    response = await ann.client.post("/v1/tasks", json={"title": "Flour"}, headers=headers)

    assert response.json()["code"] == "malformed"
    assert await _titles(ann) == []


async def test_no_key_is_taken_where_the_answer_holds_secrets(anybody: httpx.AsyncClient) -> None:
    body = {"email": f"{uuid4()}@example.com", "password": "correct horse", "full_name": "Ann"}

    response = await anybody.post(
        "/v1/auth/signup",
        content=json.dumps(body),
        headers={
            **KEY,
            "Content-Type": "application/json",
        },
    )

    assert response.json()["code"] == "malformed"


async def test_who_was_demoted_since_is_not_answered_as_before(
    ann: Person, new_person: NewPerson, join: Join
) -> None:
    bob = await new_person()
    await join(bob, ann, "admin")
    operation = {"method": "GET", "path": "/v1/audit"}
    create = {"method": "POST", "path": "/v1/tasks", "body": {"title": "Flour"}}
    batch = {"operations": [operation, create]}
    first = await bob.client.post("/v1/batch", json=batch, headers=KEY)
    await ann.client.patch(f"/v1/members/{bob.user_id}", json={"role": "member"})
    signed_in = await bob.client.post(
        "/v1/auth/signin", json={"email": bob.email, "password": PASSWORD}
    )
    bob.take(signed_in.json())
    bob.take((await bob.client.post(f"/v1/families/{ann.family_id}/token")).json())

    again = await bob.client.post("/v1/batch", json=batch, headers=KEY)

    assert first.status_code == 200
    assert (again.status_code, again.json()["code"]) == (409, "idempotency-key-reused")


async def test_a_key_that_is_a_day_old_is_free_however_many_are_older(
    ann: Person, hearth: Hearth
) -> None:
    await by_hand(
        hearth,
        "insert into app.idempotency_keys"
        " (family_id, user_id, idempotency_key, request_hash, status, created_at)"
        " select $1, $2, n::text, sha256('x'), 201, now() - interval '30 days'"
        " from generate_series(1, 30) as n",
        *(ann.family_id, ann.user_id),
    )

    response = await ann.client.post(
        "/v1/tasks", json={"title": "Flour"}, headers={"Idempotency-Key": "30"}
    )

    assert response.status_code == 201
    assert "Idempotency-Replayed" not in response.headers


async def test_what_one_member_keeps_has_an_end(
    ann: Person, new_person: NewPerson, join: Join, hearth: Hearth
) -> None:
    bob = await new_person()
    await join(bob, ann, "member")
    await by_hand(
        hearth,
        "insert into app.idempotency_keys"
        " (family_id, user_id, idempotency_key, request_hash, status, body)"
        " select $1, $2, n::text, sha256('x'), 201, repeat('x', 4194304)"
        " from generate_series(1, 8) as n",
        *(ann.family_id, ann.user_id),
    )
    large = {"name": "Spring", "steps": [{"title": "x" * 200, "minutes": 1}] * 100}
    path = "/v1/routines"

    await by_hand(  # whoever writes, it is each member's own that counts
        hearth,
        "insert into app.idempotency_keys"
        " (family_id, user_id, idempotency_key, request_hash, status, body)"
        " values ($1, $2, 'sunday', sha256('x'), 201, repeat('x', 8193))",
        *(ann.family_id, bob.user_id),
    )

    refused = await ann.client.post(path, json=large, headers=KEY)
    without_a_key = await ann.client.post(path, json=large)
    small = await ann.client.post("/v1/tasks", json={"title": "Flour"}, headers=KEY)
    others = await bob.client.post(path, json=large, headers=KEY)

    assert (refused.status_code, refused.json()["code"]) == (429, "rate-limit-exceeded")
    assert refused.headers["Retry-After"] == "3600"
    assert [r.status_code for r in (without_a_key, small, others)] == [201, 201, 201]
