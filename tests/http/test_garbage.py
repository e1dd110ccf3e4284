"""A request that is over is gone: it is no garbage, the search for which stops everybody."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress

import asyncpg
import httpx
import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.support.fixtures import Hearth, Person, wait_until_requests_block

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

Ask = Callable[[Person], Awaitable[object]]


async def _batch(ann: Person) -> httpx.Response:
    operation = {"method": "POST", "path": "/v1/tasks", "body": {"title": "Flour"}}
    return await ann.client.post("/v1/batch", json={"operations": [operation]})


KINDS: dict[str, Ask] = {
    "read": lambda ann: ann.client.get("/v1/tasks"),
    "written": lambda ann: ann.client.post("/v1/tasks", json={"title": "Flour"}),
    "batch": _batch,
    "wrong token": lambda ann: ann.client.get("/v1/me", headers={"Authorization": "Bearer x"}),
    "wrong field": lambda ann: ann.client.post("/v1/tasks", json={"titel": "Flour"}),
    "wrong body": lambda ann: ann.client.post("/v1/tasks", content=b"{"),
    "not there": lambda ann: ann.client.get(f"/v1/tasks/{ann.user_id}"),
    "refused by the database": lambda ann: ann.client.post("/v1/tasks", json={"title": " "}),
    "no such path": lambda ann: ann.client.get("/v2"),
}


@pytest.fixture
def cycles() -> Iterator[Callable[[], int]]:
    """Return what counts the requests that are over and not gone."""

    def count() -> int:
        gc.collect()
        found = sum(isinstance(one, RequestResponseCycle) for one in gc.garbage)
        gc.garbage.clear()
        return found

    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield count
    gc.set_debug(0)
    gc.garbage.clear()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_leaves_no_garbage(
    ann: Person, cycles: Callable[[], int], kind: str
) -> None:
    for _ in range(5):
        await KINDS[kind](ann)

    assert cycles() == 0


@pytest.mark.parametrize("goes_away", [False, True])
async def test_a_request_that_takes_its_time_leaves_no_garbage(
    hearth: Hearth,
    ann: Person,
    cycles: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    *,
    goes_away: bool,
) -> None:
    monkeypatch.setattr("app.http.exchange.ATTENDED_AFTER", 0.0)
    holder = await asyncpg.connect(hearth.superuser_url)
    for _ in range(3):
        await holder.execute("begin; lock table app.tasks in access exclusive mode")
        asked = asyncio.ensure_future(ann.client.get("/v1/tasks"))
        await wait_until_requests_block(holder, 1)
        if goes_away:
            asked.cancel()
            with suppress(asyncio.CancelledError):
                await asked
        await holder.execute("rollback")
        if not goes_away:
            assert (await asked).status_code == 200
    await holder.close()
    await ann.client.get("/v1/tasks")

    assert cycles() == 0
