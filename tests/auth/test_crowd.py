"""A crowd at the door: it keeps nobody elsewhere waiting, and is told early itself."""

import asyncio
import os
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from app.auth import passwords
from tests.db.test_fair_queue import settle
from tests.support.fixtures import PASSWORD, Hearth, NewPerson, Serve

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

CROWD = 40
AT_ONCE = (os.cpu_count() or 1) + 1


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hold all passwords back until it is set."""
    may_go = threading.Event()
    verify = passwords._verify

    def hold(encoded: str, password: str) -> bool:
        assert may_go.wait(30)
        return verify(encoded, password)

    monkeypatch.setattr(passwords, "_verify", hold)
    yield may_go
    may_go.set()


async def test_hashing_that_nobody_waits_for_is_still_work(held: threading.Event) -> None:
    checking = asyncio.create_task(passwords.verify_password(None, "a"))
    await settle()
    checking.cancel()
    await settle()

    assert not checking.done()
    held.set()
    with pytest.raises(asyncio.CancelledError):
        await checking


@pytest.fixture
async def crowd(hearth: Hearth, serve: Serve) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Return clients of one site, and as the last one of another."""
    with serve(hearth.settings()) as url:
        networks = [*(f"203.0.113.{number}" for number in range(CROWD)), "198.51.100.1"]
        clients = [
            httpx.AsyncClient(base_url=url, headers={"X-Forwarded-For": network}, timeout=30)
            for network in networks
        ]
        yield clients
        await asyncio.gather(*(client.aclose() for client in clients))


async def test_a_crowd_at_the_door_is_refused_at_once_and_uncounted(
    new_person: NewPerson, held: threading.Event, crowd: list[httpx.AsyncClient]
) -> None:
    ann = await new_person()
    right = {"email": ann.email, "password": PASSWORD}
    *many, elsewhere = crowd
    wrong = [client.post("/v1/auth/signin", json={**right, "password": "x"}) for client in many]
    asked = [asyncio.ensure_future(request) for request in wrong]
    refused = CROWD - AT_ONCE - passwords.MAX_WAITING_OF_ONE
    answers = asyncio.as_completed(asked, timeout=20)
    early = [await next(answers) for _ in range(refused)]
    honest = asyncio.ensure_future(elsewhere.post("/v1/auth/signin", json=right))
    held.set()

    assert {response.status_code for response in early} == {503}
    assert {response.headers["Retry-After"] for response in early} == {"1"}
    assert (await honest).status_code == 200
    statuses = [response.status_code for response in await asyncio.gather(*asked)]
    assert Counter(statuses) == {401: CROWD - refused, 503: refused}
