"""One family that asks for more than there is keeps no other waiting, and is told early itself."""

import asyncio
from collections import Counter

import asyncpg
import pytest

from app.settings import Settings
from tests.support.fixtures import Hearth, NewPerson, Person, Serve, wait_until_requests_block

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

PATIENT = {"lock_timeout_ms": 60_000, "statement_timeout_ms": 60_000, "pool_acquire_timeout": 60.0}


async def _task(person: Person) -> str:
    created = await person.client.post("/v1/tasks", json={"title": "Water the plants"})
    return f"/v1/tasks/{created.json()['id']}"


def _settings(hearth: Hearth, **settings: object) -> Settings:
    return hearth.settings(**PATIENT, request_timeout=60, **settings)


async def test_requests_that_wait_for_one_row_keep_no_other_family_waiting(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(_settings(own_hearth, pool_min_size=4, pool_max_size=4)) as url:
        noisy, quiet = await new_person(at=url), await new_person(at=url)
        task = await _task(noisy)
        holder = await asyncpg.connect(own_hearth.superuser_url)
        await holder.execute("begin; select * from app.tasks for update")
        asked = [
            asyncio.ensure_future(noisy.client.patch(task, json={"title": f"No. {number}"}))
            for number in range(30)
        ]
        await wait_until_requests_block(holder, 2)

        async with asyncio.timeout(30):
            answers = [await quiet.client.get("/v1/tasks") for _ in range(5)]
            ready = await quiet.client.get("/health/ready")
            newcomer = await new_person(at=url)
        blocked = not any(one.done() for one in asked)
        await holder.execute("rollback")
        statuses = Counter([(await one).status_code for one in asked])
        await holder.close()

    assert blocked
    assert [one.status_code for one in answers] == [200] * 5
    assert ready.status_code == 200
    assert newcomer.family_id != noisy.family_id
    assert statuses == {200: 30}


async def test_whom_there_is_no_room_for_is_told_at_once(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(_settings(own_hearth, pool_max_size=2, pool_max_waiting=4)) as url:
        noisy, quiet = await new_person(at=url), await new_person(at=url)
        task = await _task(noisy)
        holder = await asyncpg.connect(own_hearth.superuser_url)
        await holder.execute("begin; select * from app.tasks for update")
        asked = [
            asyncio.ensure_future(noisy.client.patch(task, json={"title": f"No. {number}"}))
            for number in range(6)
        ]
        # One has the family's connection, two wait for it.
        early = asyncio.as_completed(asked, timeout=30)
        refused = [await next(early) for _ in range(3)]
        answer = await quiet.client.get("/v1/tasks")
        await holder.execute("rollback")
        statuses = Counter([(await one).status_code for one in asked])
        await holder.close()

    assert {one.status_code for one in refused} == {503}
    assert {one.json()["code"] for one in refused} == {"unavailable"}
    assert {one.headers["Retry-After"] for one in refused} == {"1"}
    assert answer.status_code == 200
    assert statuses == {200: 3, 503: 3}


async def test_more_clients_than_connections_are_all_served(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(_settings(own_hearth, pool_max_size=2)) as url:
        people = [await new_person(at=url) for _ in range(5)]
        asked = [person.client.get("/v1/tasks") for person in people for _ in range(60)]
        statuses = Counter(one.status_code for one in await asyncio.gather(*asked))

    assert statuses == {200: 300}
