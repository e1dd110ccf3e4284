"""When the state changes, over sequences of looks, without a clock or a database."""

import pytest

from app.health.report import ErrorRate, HealthState, Hysteresis, judge

LETTERS = {"H": HealthState.HEALTHY, "D": HealthState.DEGRADED, "U": HealthState.UNHEALTHY}


@pytest.mark.parametrize(
    ("seen", "states"),
    [
        ("H", "H"),
        ("D", "D"),
        ("U", "U"),
        ("HHU", "HHU"),
        ("HUHH", "HUUH"),
        ("HUHUHUHH", "HUUUUUUH"),
        ("HDHDHDHH", "HDDDDDDH"),
        ("HDUDD", "HDUUD"),
        ("HUDHH", "HUUDD"),
        ("HUHDHH", "HUUDDH"),
        ("HUDHHH", "HUUDDH"),
        ("HDUHDUHH", "HDUUDUUH"),
    ],
)
def test_it_is_worse_at_once_and_better_after_two_good_looks(seen: str, states: str) -> None:
    hysteresis = Hysteresis()

    taken = [hysteresis.take(LETTERS[letter]) for letter in seen]

    assert "".join(state.value[0].upper() for state in taken) == states


def test_it_is_starting_until_the_first_look() -> None:
    assert Hysteresis().state is HealthState.STARTING


@pytest.mark.parametrize(
    ("wrong", "state"),
    [
        (None, "healthy"),
        ("database", "unhealthy"),
        ("role", "unhealthy"),
        ("pooler", "unhealthy"),
        ("monitor", "unhealthy"),
        ("writable", "degraded"),
        ("migrations", "degraded"),
        ("trail", "degraded"),
        ("replication", "degraded"),
        ("pool", "degraded"),
        ("errors", "degraded"),
    ],
)
def test_what_is_vital_makes_it_unhealthy_and_all_else_degraded(
    wrong: str | None, state: str
) -> None:
    names = ["database", "role", "pooler", "writable", "migrations", "trail", "pool", "errors"]
    reasons: dict[str, str | None] = dict.fromkeys(names)
    if wrong is not None:
        reasons[wrong] = "because"

    assert judge(reasons) == state


def _rate(statuses: list[int], *, at: float = 0.0) -> ErrorRate:
    rate = ErrorRate()
    for status in statuses:
        rate.count(status, at)
    return rate


@pytest.mark.parametrize(
    ("statuses", "is_high"),
    [
        ([500] * 19, False),
        ([200] * 18 + [500] * 2, True),
        ([200] * 19 + [503], False),
        ([422] * 100, False),
        ([200] * 90 + [504] * 10, True),
        ([], False),
    ],
)
def test_errors_count_from_a_tenth_on_and_of_few_requests_not_at_all(
    statuses: list[int], *, is_high: bool
) -> None:
    reason, figures = _rate(statuses).look(1.0)

    assert (reason is not None) is is_high
    assert figures == {"requests": len(statuses), "failed": sum(one >= 500 for one in statuses)}


def test_errors_are_over_once_they_are_below_half_of_what_is_too_many() -> None:
    rate = _rate([200] * 90 + [500] * 10)
    looks = []
    for more in (0, 11, 89, 11):
        for _ in range(more):
            rate.count(200, 2.0)
        looks.append(rate.look(3.0)[0] is not None)

    assert looks == [True, True, True, False]


def test_errors_are_forgotten_after_a_minute() -> None:
    rate = _rate([500] * 100)

    assert rate.look(59.0)[0] == "100 of 100 requests failed within a minute"
    assert rate.look(60.0) == (None, {"requests": 0, "failed": 0})
