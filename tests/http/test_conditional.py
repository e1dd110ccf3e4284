"""Conditional requests: nobody overwrites what they have not seen, over HTTP or by psql."""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from app.auth.tokens import Tokens
from app.db.pool import Database, Transaction
from app.http.endpoint import Endpoint
from app.http.handler import Result, execute
from app.http.problems import Problem
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


class _Interrupted(Transaction):
    """A transaction in which others do something after each run of a query that finds nothing."""

    def __init__(self, inner: Transaction, query: str, others: Iterator[Awaitable[object]]) -> None:
        super().__init__(inner._connection)
        self._inner, self._query, self._others = inner, query, others

    async def row(self, name: str, values: Mapping[str, object]) -> Mapping[str, Any] | None:
        found = await self._inner.row(name, values)
        if name == self._query and found is None:
            await next(self._others)
        return found


async def _outcome(
    name: str, hearth: Hearth, person: Person, task_id: str, wanted: list[int] | None
) -> str | int:
    """Change a task that others change after each attempt; return the code or the status."""
    row = CHANGES[f"{name} /v1/tasks/{{task_id:uuid}}"]
    values = {"task_id": UUID(task_id), "patch": '{"title": "Mop"}'}
    statement = "update app.tasks set description = clock_timestamp()::text where id = $1"
    others = (by_hand(hearth, statement, task_id) for _ in count())
    context = await Tokens(hearth.settings()).verify(person.signed_in["access_token"])
    database = Database(hearth.settings())
    await database.connect()

    async def operation(transaction: Transaction) -> Result:
        interrupted = _Interrupted(transaction, str(row.query), others)
        return await execute(row, interrupted, context, values, wanted)

    try:
        return (await database.run(context, operation)).status
    except Problem as problem:
        return problem.type.code
    finally:
        await database.disconnect()


async def test_who_wanted_another_version_is_not_told_that_they_may_not(
    ann: Person, paths: Mapping[str, str], hearth: Hearth
) -> None:
    task_id = paths["/v1/tasks/{task_id:uuid}"].rpartition("/")[2]

    soon = await _outcome("PATCH", hearth, ann, task_id, [2])  # the one that comes meanwhile
    never = await _outcome("PATCH", hearth, ann, task_id, [1])

    assert (soon, never) == (200, "precondition-failed")


async def test_of_what_is_another_at_every_look_nobody_is_told_whether_they_may_change_it(
    ann: Person, paths: Mapping[str, str], hearth: Hearth, new_person: NewPerson, join: Join
) -> None:
    guest = await new_person()
    await join(guest, ann, "member")
    path = paths["/v1/tasks/{task_id:uuid}"]
    await ann.client.patch(path, json={"visibility": "family"})

    at_rest = await guest.client.delete(path)
    changing = await _outcome("DELETE", hearth, guest, path.rpartition("/")[2], None)

    assert (at_rest.json()["code"], changing) == ("forbidden", "unavailable")


async def test_who_deletes_what_others_delete_and_make_again_may(
    ann: Person, paths: Mapping[str, str], hearth: Hearth
) -> None:
    path = paths["/v1/habits/{habit_id:uuid}/logs/{date:day}"]
    holder = await asyncpg.connect(hearth.superuser_url)
    await holder.execute("begin")
    columns = "family_id, habit_id, user_id, visibility, type, logged_on, value, target_value"
    columns += ", is_done, entered_on"
    await holder.execute(
        f"create temporary table was as select {columns} from app.habit_logs"
        f" where habit_id = '{path.split('/')[3]}'"
    )
    await holder.execute("delete from app.habit_logs where habit_id in (select habit_id from was)")
    await holder.execute(f"insert into app.habit_logs ({columns}) select * from was")
    deleting = asyncio.create_task(ann.client.delete(path))
    await wait_until_requests_block(holder, 1)
    await holder.execute("commit")
    await holder.close()

    response = await deleting

    assert response.status_code == 204, response.text


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
