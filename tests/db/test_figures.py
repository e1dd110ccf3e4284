"""What the pool knows of itself, and what it tells whoever observes a request."""

from collections.abc import Iterator
from itertools import count

import asyncpg
import pytest

from app.db.figures import Figures, Outcome, Step, observer
from app.db.pool import Database, DatabaseError, Transaction
from tests.support.fixtures import Hearth


class _Clock:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """Return the clock that the figures go by."""
    clock = _Clock()
    monkeypatch.setattr("app.db.figures.time.monotonic", clock)
    return clock


def test_the_longest_wait_is_told_once_and_one_that_goes_on_again(clock: _Clock) -> None:
    figures = Figures()
    with figures.wait():
        clock.now += 3
        with figures.wait():
            clock.now += 1
            going_on = (figures.waiting, figures.take_longest_wait())
        clock.now += 1
        again = (figures.waiting, figures.take_longest_wait())
    over = [figures.take_longest_wait(), figures.take_longest_wait()]

    assert (going_on, again) == ((2, 4.0), (1, 5.0))
    assert over == [5.0, 0.0]


def test_a_refusal_is_over_once_twenty_writes_were_taken_since(clock: _Clock) -> None:
    figures = Figures()
    told = [figures.refusal]
    figures.refused("53100")
    for _ in range(19):
        figures.wrote()
    told.append(figures.refusal)
    figures.refused("23505")
    figures.wrote()
    told.append(figures.refusal)
    figures.refused("25006")
    told.append(figures.refusal)

    assert told == [
        None,
        "the server has no space left (SQLSTATE 53100)",
        None,
        "the server is read-only (SQLSTATE 25006)",
    ]


def test_a_refusal_is_over_after_a_minute_without_another(clock: _Clock) -> None:
    figures = Figures()
    figures.refused("53100")
    clock.now += 60
    before = figures.refusal
    clock.now += 1

    assert (before is None, figures.refusal is None) == (False, True)


class _Observer:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def took(
        self, step: Step, name: str, started: float, seconds: float, error: str | None
    ) -> None:
        self.told.append(f"{name} {error}" if error else name)

    def ended(self, outcome: Outcome) -> None:
        self.told.append(f"-> {outcome}")


@pytest.fixture
def told() -> Iterator[list[str]]:
    """Return what an observer is told from now on."""
    who = _Observer()
    token = observer.set(who)
    yield who.told
    observer.reset(token)


async def test_an_observer_is_told_of_each_step_and_each_end(
    hearth: Hearth, told: list[str]
) -> None:
    database = Database(hearth.settings())
    await database.connect()
    del told[:]
    attempts = count(1)

    async def work(transaction: Transaction) -> None:
        await transaction.rows("list_constraints", {})
        if next(attempts) == 1:
            raise asyncpg.DeadlockDetectedError("as the server says")

    async def fail(_: Transaction) -> None:
        raise ValueError("no")

    await database.run(None, work)
    with pytest.raises(ValueError, match="no"):
        await database.run(None, fail)
    await database.disconnect()
    with pytest.raises(DatabaseError):
        await database.run(None, work)

    assert told == [
        *("acquire", "begin", "list_constraints", "rollback", "-> rolled_back"),
        *("acquire", "begin", "list_constraints", "commit", "-> committed"),
        *("acquire", "begin", "rollback", "-> rolled_back"),
    ]
    assert database.figures.take_counts() == {"retried": 1}
    assert database.figures.take_counts() == {}
