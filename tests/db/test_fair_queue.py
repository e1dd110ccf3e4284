"""Fairness: who waits in a line keeps no other line waiting, and every line has an end."""

import asyncio
import random
from collections import Counter

import pytest

from app.fair_queue import FairQueue, QueueFullError

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]


class _Work:
    """Work in a queue, each piece done when it is told so; `begun` is who has begun, in order."""

    def __init__(self, at_once: int, of_one: int | None = None) -> None:
        self.queue = FairQueue(at_once, of_one=of_one, waiting=24, waiting_of_one=16)
        self._may_end = asyncio.Semaphore(0)
        self.begun: list[str] = []

    def start(self, line: str) -> asyncio.Task[None]:
        return asyncio.create_task(self._do(line))

    async def _do(self, line: str) -> None:
        async with self.queue.place(line):
            self.begun.append(line)
            await self._may_end.acquire()

    async def end_one(self) -> None:
        self._may_end.release()
        await settle()


async def settle() -> None:
    """Let every task run until it waits: nothing here waits for anything outside the loop."""
    for _ in range(200):
        await asyncio.sleep(0)  # a turn of the loop, and no time


async def _all_of(work: _Work, tasks: list[asyncio.Task[None]]) -> list[object]:
    await settle()
    for _ in tasks:
        await work.end_one()
    return list(await asyncio.gather(*tasks, return_exceptions=True))


async def test_lines_take_turns_whoever_came_first() -> None:
    work = _Work(1)
    tasks = [work.start(name) for name in "aaabcb"]

    results = await _all_of(work, tasks)

    assert results == [None] * 6
    assert "".join(work.begun) == "aabcab"


async def test_a_line_has_no_more_than_its_places_though_others_are_free() -> None:
    work = _Work(4, of_one=2)
    tasks = [work.start(name) for name in "aaaaabb"]
    await settle()

    assert "".join(work.begun) == "aabb"
    await work.end_one()
    assert "".join(work.begun) == "aabba"
    assert await _all_of(work, tasks) == [None] * 7


async def test_a_crowd_is_told_early_and_others_may_still_come() -> None:
    work = _Work(2)
    crowd = [work.start("a") for _ in range(40)]
    await settle()
    refused = [task for task in crowd if task.done()]
    honest = work.start("b")

    results = await _all_of(work, [*crowd, honest])

    assert len(refused) == 40 - 2 - 16
    assert all(isinstance(task.exception(), QueueFullError) for task in refused)
    assert results[-1] is None
    assert work.begun.index("b") == 3  # after the two at work, and one that waited before


async def test_all_lines_together_have_an_end() -> None:
    work = _Work(1)
    tasks = [work.start(f"line {number}") for number in range(24 + 3)]
    await settle()

    assert sum(task.done() for task in tasks) == 2
    await _all_of(work, tasks)


async def test_who_gives_up_keeps_no_place() -> None:
    work = _Work(1)
    tasks = [work.start("a") for _ in range(3)]
    await settle()
    tasks[1].cancel()
    await settle()

    await _all_of(work, tasks)
    last = work.start("b")
    await _all_of(work, [last])

    assert work.begun == ["a", "a", "b"]


@pytest.mark.parametrize("is_called_first", [True, False])
async def test_who_gives_up_when_called_keeps_no_place(*, is_called_first: bool) -> None:
    work = _Work(1)
    await work.queue.enter("a")
    second, third = [work.start("a") for _ in range(2)]
    await settle()
    if is_called_first:
        work.queue.leave("a")
        second.cancel()
    else:
        second.cancel()
        work.queue.leave("a")
    await settle()

    assert second.cancelled()
    assert work.begun == ["a"]
    assert await _all_of(work, [third]) == [None]


@pytest.mark.parametrize("seed", range(20))
async def test_whoever_comes_and_goes_nobody_is_forgotten(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - so that a failure can be repeated
    queue = FairQueue(4, of_one=2, waiting=1000, waiting_of_one=1000)
    inside: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def come(line: str) -> None:
        for _ in range(chance.randrange(5)):
            await asyncio.sleep(0)
        async with queue.place(line):
            inside[line] += 1
            most[line] = max(most[line], inside[line])
            most["all"] = max(most["all"], inside.total())
            try:
                for _ in range(chance.randrange(5)):
                    await asyncio.sleep(0)
            finally:
                inside[line] -= 1

    tasks = [asyncio.create_task(come(chance.choice("abcd"))) for _ in range(200)]
    while not all(task.done() for task in tasks):
        if chance.random() < 0.3:
            chance.choice(tasks).cancel()
        await asyncio.sleep(0)

    assert max(most[line] for line in "abcd") == 2
    assert most["all"] == 4
    full = [asyncio.create_task(queue.enter(line)) for line in "aabb"]
    await settle()
    assert all(task.done() for task in full)
