"""What compares the clients' ledger with the table finds what is lost and what is doubled."""

from math import inf

import pytest

from tests.faults.__main__ import Outcome
from tests.faults.clients import Ledger
from tests.faults.stage import REQUEST_TIMEOUT, Health

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]


def _ledger() -> Ledger:
    ledger = Ledger(sent={"acknowledged", "unknown", "refused"}, acknowledged={"acknowledged"})
    ledger.note("201", 0.1, is_failure=False)
    return ledger


def test_what_was_acknowledged_is_there_once_and_what_is_unknown_may_be() -> None:
    for there in (["acknowledged"], ["acknowledged", "unknown", "of others", "of others"]):
        assert _ledger().compare(there) == ([], [])


def test_what_was_acknowledged_and_is_not_there_is_lost() -> None:
    assert _ledger().compare(["unknown"]) == (["acknowledged"], [])


def test_what_was_acknowledged_and_could_not_be_read_is_lost_although_it_came_back() -> None:
    ledger = _ledger()
    ledger.missed.add("acknowledged")

    assert ledger.compare(["acknowledged"]) == (["acknowledged"], [])


def test_what_is_there_twice_is_doubled_whether_it_was_acknowledged_or_not() -> None:
    there = ["acknowledged", "acknowledged", "unknown", "unknown", "refused"]

    assert _ledger().compare(there) == ([], ["acknowledged", "unknown"])


def test_each_promise_that_is_broken_is_told() -> None:
    ledger = _ledger()
    ledger.note("500 internal", REQUEST_TIMEOUT + 1.1, is_failure=True)
    outcome = Outcome(
        "fault", ledger, ["one"], ["two"], recovery=5.1, is_silent=True, noticed=5.1, flaps=2
    )
    outcome.judge()
    kept = Outcome("fault", _ledger())
    kept.judge()

    assert outcome.failures == [
        "1 lost",
        "1 doubled",
        "500",
        "slowest 6.10 s",
        "recovery 5.1 s",
        "the service was silent",
        "health told it after 5.1 s",
        "health flapped 2 times",
    ]
    assert kept.failures == []


@pytest.mark.parametrize(
    ("states", "flaps", "noticed"),
    [
        (["healthy"], 0, inf),
        (["healthy", "degraded", "unhealthy", "degraded", "healthy"], 0, 1),
        (["healthy", "degraded", "healthy", "silent", "healthy"], 1, 1),
        (["degraded", "healthy", "degraded"], 0, 0),
    ],
)
def test_health_flaps_when_it_is_worse_again_after_it_was_healthy_again(
    states: list[str], flaps: int, noticed: float
) -> None:
    health = Health(0, seen=[(float(at), state) for at, state in enumerate(states)])

    assert (health.flaps, health.noticed(0.0)) == (flaps, noticed)
