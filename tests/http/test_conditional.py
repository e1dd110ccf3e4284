"""Conditional requests: nobody overwrites what they have not seen, over HTTP or by psql."""

import asyncio
from collections.abc import Mapping

import asyncpg
import httpx
import pytest

from app.http.endpoint import Endpoint
from app.resources import ENDPOINTS
from tests.support.examples import BODIES, furnish, path_to
from tests.support.fixtures import Hearth, Join, NewPerson, Person, wait_until_requests_block
from tests.support.rows import by_hand

pytestmark = pytest.mark.newest

# One thing at one URL: what is shown there can be changed or deleted there, and has versions.
SHOWN = {row.path: row for row in ENDPOINTS if row.method == "GET" and row.is_versioned}
CHANGES = {f"{row.method} {row.path}": row for row in ENDPOINTS if row.is_conditional}


@pytest.fixture
async def paths(ann: Person, new_person: NewPerson, join: Join) -> Mapping[str, str]:
    """Return a real path for each pattern: things of ann, and a member who is not her."""
    bob = await new_person()
    await join(bob, ann, "owner")  # so that ann may go
    ids = {**await furnish(ann), "member_id": bob.user_id}
    return {row.path: path_to(row, ids) for row in [*CHANGES.values(), *SHOWN.values()]}


async def _change(
    row: Endpoint, client: httpx.AsyncClient, path: str, headers: Mapping[str, str]
) -> httpx.Response:
    body = BODIES[row.body] if row.body else None
    return await client.request(row.method, path, json=body, headers=headers)


def _version(response: httpx.Response) -> int:
    shown = response.json()
    return int(shown.get("row_version", shown.get("version")))


def test_what_can_be_changed_is_shown_with_its_version() -> None:
    assert {row.path for row in CHANGES.values()} <= set(SHOWN)
    assert set(SHOWN) - {row.path for row in CHANGES.values()} == {
        "/v1/routines/{routine_id:uuid}/versions/{version:number}"  # which never change
    }


@pytest.mark.parametrize("pattern", SHOWN)
async def test_who_has_a_version_is_not_sent_it_again(
    pattern: str, ann: Person, paths: Mapping[str, str]
) -> None:
    shown = await ann.client.get(paths[pattern])
    etag = shown.headers["ETag"]

    responses = {
        header: await ann.client.get(paths[pattern], headers={"If-None-Match": header})
        for header in (etag, f"W/{etag}", f'"0", {etag}', "*", '"0"', f'"{etag}')
    }

    assert etag.endswith(f'{_version(shown)}"')
    assert [response.status_code for response in responses.values()] == [
        304,
        304,
        304,
        304,
        200,
        200,
    ]
    assert {response.headers["ETag"] for response in responses.values()} == {etag}
    assert {response.content for response in responses.values()} == {b"", shown.content}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_wants_the_version_that_was_seen(
    name: str, ann: Person, paths: Mapping[str, str]
) -> None:
    row = CHANGES[name]
    path = paths[row.path]
    etag = (await ann.client.get(path)).headers["ETag"]

    stale = [
        await _change(row, ann.client, path, {"If-Match": header})
        for header in ('"99"', f"W/{etag}", '"something", "else"')
    ]
    unread = await _change(row, ann.client, path, {"If-Match": etag.strip('"')})
    done = await _change(row, ann.client, path, {"If-Match": f'"99", {etag}'})

    assert [response.json()["code"] for response in stale] == ["precondition-failed"] * 3
    assert {response.headers["ETag"] for response in stale} == {etag}
    assert unread.json()["code"] == "malformed"
    assert done.status_code == row.status, done.text
    if row.method != "DELETE":
        assert done.headers["ETag"].endswith(f'{_version(done)}"')
        assert done.headers["ETag"] != etag


@pytest.mark.parametrize("name", CHANGES)
async def test_a_star_fits_any_version(name: str, ann: Person, paths: Mapping[str, str]) -> None:
    row = CHANGES[name]

    done = await _change(row, ann.client, paths[row.path], {"If-Match": "*"})

    assert done.status_code == row.status, done.text


async def test_a_change_by_psql_in_between_is_seen(
    ann: Person, paths: Mapping[str, str], hearth: Hearth
) -> None:
    path = paths["/v1/tasks/{task_id:uuid}"]
    seen = await ann.client.get(path)
    await by_hand(hearth, "update app.tasks set title = 'Mop' where id = $1", seen.json()["id"])

    headers = {"If-Match": seen.headers["ETag"]}
    patched = await ann.client.patch(path, json={"title": "Scrub"}, headers=headers)
    deleted = await ann.client.delete(path, headers=headers)

    assert [patched.status_code, deleted.status_code] == [412, 412]
    assert (await ann.client.get(path)).json()["title"] == "Mop"


async def test_of_two_who_saw_the_same_version_one_writes(
    ann: Person, paths: Mapping[str, str], hearth: Hearth
) -> None:
    path = paths["/v1/tasks/{task_id:uuid}"]
    seen = (await ann.client.get(path)).headers["ETag"]
    holder = await asyncpg.connect(hearth.superuser_url)
    await holder.execute("begin; lock table app.tasks in exclusive mode")

    writers = [
        asyncio.create_task(
            ann.client.patch(path, json={"title": title}, headers={"If-Match": seen})
        )
        for title in ("Mop", "Scrub")
    ]
    await wait_until_requests_block(holder, 2)
    await holder.close()

    assert sorted([(await writer).status_code for writer in writers]) == [200, 412]


async def test_the_answer_to_a_new_thing_has_its_tag(ann: Person) -> None:
    made = await ann.client.post("/v1/tasks", json={"title": "Sweep"})

    assert made.headers["ETag"] == '"1"'


async def test_who_may_not_change_a_thing_is_told_that_first_of_its_own_version(
    ann: Person, new_person: NewPerson, join: Join
) -> None:
    bob = await new_person()
    await join(bob, ann, "member")
    etag = (await bob.client.get("/v1/family")).headers["ETag"]

    responses = [
        await bob.client.patch("/v1/family", json={"name": "Ours"}, headers={"If-Match": tag})
        for tag in (etag, '"99"')
    ]

    assert [response.json()["code"] for response in responses] == [
        "forbidden",
        "precondition-failed",
    ]


async def test_where_the_token_says_whose_it_is_the_tag_does_too(ann: Person) -> None:
    etag = (await ann.client.get("/v1/family")).headers["ETag"]
    made = (await ann.client.post("/v1/families", json={"name": "Cabin"})).json()
    ann.take((await ann.client.post(f"/v1/families/{made['id']}/token")).json())

    shown = await ann.client.get("/v1/family", headers={"If-None-Match": etag})
    changed = await ann.client.patch(
        "/v1/family", json={"name": "Ours"}, headers={"If-Match": etag}
    )

    assert shown.json()["row_version"] == 1
    assert (shown.status_code, changed.status_code) == (200, 412)


@pytest.mark.parametrize(
    ("method", "header"),
    [("GET", "If-Match"), ("PATCH", "If-None-Match"), ("PATCH", "Idempotency-Key")],
)
async def test_what_would_be_ignored_is_refused(ann: Person, method: str, header: str) -> None:
    body = {"is_notified": False} if method == "PATCH" else None

    response = await ann.client.request(method, "/v1/me", json=body, headers={header: '"1"'})

    assert response.json()["code"] == "malformed"
