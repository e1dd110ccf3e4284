"""Turns at passwords: a crowd keeps nobody elsewhere waiting, and is told early itself."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from app.auth import passwords, turns
from app.auth.turns import Turns
from app.http.problems import Problem
from tests.support.fixtures import PASSWORD, Hearth, NewPerson, Serve

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

CROWD = 40
AT_ONCE = (os.cpu_count() or 1) + 1


class _Work:
    """Work in turns, each piece done when it is told so; `begun` is who has begun, in order."""

    def __init__(self, at_once: int) -> None:
        self._turns = Turns(at_once)
        self._may_end = asyncio.Semaphore(0)
        self.begun: list[str] = []

    def start(self, network: str) -> asyncio.Task[None]:
        return asyncio.create_task(self._do(network))

    async def _do(self, network: str) -> None:
        async with self._turns.turn(network):
            self.begun.append(network)
            await self._may_end.acquire()

    async def end_one(self) -> None:
        self._may_end.release()
        await self.settle()

    @staticmethod
    async def settle() -> None:
        """Let every task run until it waits: nothing here waits for anything outside the loop."""
        for _ in range(200):
            await asyncio.sleep(0)  # a turn of the loop, and no time


async def _all_of(work: _Work, tasks: list[asyncio.Task[None]]) -> list[object]:
    await work.settle()
    for _ in tasks:
        await work.end_one()
    return list(await asyncio.gather(*tasks, return_exceptions=True))


async def test_networks_take_turns_whoever_came_first() -> None:
    work = _Work(1)
    tasks = [work.start(name) for name in ("a", "a", "a", "b", "c", "b")]

    results = await _all_of(work, tasks)

    assert results == [None] * 6
    assert "".join(work.begun) == "aabcab"


async def test_a_crowd_is_told_early_and_others_may_still_come() -> None:
    work = _Work(2)
    crowd = [work.start("a") for _ in range(CROWD)]
    await work.settle()
    refused = [task for task in crowd if task.done()]
    honest = work.start("b")

    results = await _all_of(work, [*crowd, honest])

    assert len(refused) == CROWD - 2 - turns.MAX_WAITING_OF_ONE
    assert all(isinstance(task.exception(), Problem) for task in refused)
    assert results[-1] is None
    assert work.begun.index("b") == 3  # after the two at work, and one that waited before


async def test_all_networks_together_wait_for_so_long_and_no_longer() -> None:
    work = _Work(1)
    tasks = [work.start(f"network {number}") for number in range(turns.MAX_WAITING + 3)]
    await work.settle()

    assert sum(task.done() for task in tasks) == 2
    await _all_of(work, tasks)


async def test_who_gives_up_keeps_no_place() -> None:
    work = _Work(1)
    tasks = [work.start("a") for _ in range(3)]
    await work.settle()
    tasks[1].cancel()
    await work.settle()

    await _all_of(work, tasks)
    last = work.start("b")
    await _all_of(work, [last])

    assert work.begun == ["a", "a", "b"]


async def test_who_gives_up_when_called_passes_the_turn_on() -> None:
    work = _Work(1)
    tasks = [work.start("a") for _ in range(3)]
    await work.settle()
    work._turns._pass_on()  # the second is called, and has not run yet
    tasks[1].cancel()

    await work.settle()

    assert tasks[1].cancelled()
    assert work.begun == ["a", "a"]
    await _all_of(work, [tasks[0], tasks[2]])


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
    await _Work.settle()
    checking.cancel()
    await _Work.settle()

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
    refused = CROWD - AT_ONCE - turns.MAX_WAITING_OF_ONE
    answers = asyncio.as_completed(asked, timeout=20)
    early = [await next(answers) for _ in range(refused)]
    honest = asyncio.ensure_future(elsewhere.post("/v1/auth/signin", json=right))
    held.set()

    assert {response.status_code for response in early} == {503}
    assert {response.headers["Retry-After"] for response in early} == {"1"}
    assert (await honest).status_code == 200
    statuses = [response.status_code for response in await asyncio.gather(*asked)]
    assert statuses.count(401) == CROWD - refused
