"""Plans: a query reads by an index, and no more than its budget, however many families there are.

Measured in a crowd of more than a hundred thousand families, of which two are large. The rules and
the numbers are in tests/sql/plans.py, the shapes of the plans in docs/generated/query-plans.md.
"""

import os
import re
from collections.abc import AsyncIterator, Sequence
from difflib import unified_diff

import asyncpg
import pytest

from tests.examples import EXAMPLES
from tests.sql.plans import (
    DOCUMENT,
    LARGE,
    SMALL,
    Bench,
    Measured,
    calls,
    crowd,
    document,
    faults,
    shapes_of,
)
from tests.support.fixtures import NewHearth
from tests.support.tally import tally

pytestmark = [pytest.mark.no_judge, pytest.mark.first]

# Indexes that no call would miss, and why they are there.
UNREAD = {index: why for example in EXAMPLES for index, why in example.unread.items()}


@pytest.fixture(scope="module")
async def bench(new_hearth: NewHearth) -> AsyncIterator[Bench]:
    """Yield what runs calls in the large crowd."""
    with new_hearth("crowd") as hearth:
        async with Bench(hearth) as bench:
            await crowd(bench, LARGE)
            yield bench


@pytest.fixture(scope="module")
async def measured(bench: Bench) -> Sequence[Measured]:
    """Return what every call took."""
    return [await bench.measure(call) for call in calls()]


def test_no_call_breaks_a_rule(measured: Sequence[Measured]) -> None:
    broken = [f"{one.call}: {fault}" for one in measured for fault in faults(one)]

    assert not broken, "\n".join(broken)
    queries = {one.call.name for one in measured}
    worst = max((one for one in measured if not one.call.leave.why), key=lambda one: one.buffers)
    tally(
        "plans",
        f"{len(measured)} calls of {len(queries)} statements, worst {worst.buffers} pages"
        f" ({worst.call}), {sum(bool(one.call.leave.why) for one in measured)} with leave",
    )


# Other versions have other nodes.
@pytest.mark.newest
@pytest.mark.skipif(
    "TEST_DATABASE_URL" in os.environ, reason="the committed plans are of the embedded server"
)
async def test_the_committed_plans_are_those_of_the_queries(bench: Bench) -> None:
    committed, now = DOCUMENT.read_text("utf-8"), await document(bench)

    changes = unified_diff(committed.splitlines(), now.splitlines(), "committed", "now", n=20)
    assert committed == now, "\n".join(["run make plans and review what it changes:", *changes])


@pytest.mark.newest
async def test_lists_and_single_rows_have_the_same_plan_in_a_tenth_of_the_crowd(
    bench: Bench, new_hearth: NewHearth
) -> None:
    # Today shows a hundred of each part: sorted or in order, the one costs what the other does.
    some = [call for call in calls() if re.search(": (list|get(?!_today)|create)_", call.name)]
    large = await shapes_of(bench, some)
    with new_hearth("small_crowd") as hearth:
        async with Bench(hearth) as small_bench:
            await crowd(small_bench, SMALL)
            small = await shapes_of(small_bench, some)

    broken = [
        "\n".join(
            unified_diff(
                less.splitlines(),
                more.splitlines(),
                f"{call.name}, among {SMALL} families",
                f"among {LARGE}",
                n=2,
            )
        )
        for call, less, more in zip(some, small, large, strict=True)
        if less != more
    ]
    assert not broken, "\n".join(broken)
    tally("plans in a tenth of the crowd", f"the same shape for {len(some)} calls")


@pytest.mark.newest
async def test_every_index_is_missed_by_a_query(bench: Bench, measured: Sequence[Measured]) -> None:
    indexes = await bench.root.fetch("""
        select i.relname::text as name, t.relname::text as in_table
        from pg_index as x
        join pg_class as i on i.oid = x.indexrelid
        join pg_class as t on t.oid = x.indrelid
        where t.relnamespace = 'app'::regnamespace and not t.relispartition
    """)
    # A key that 18 reads and 15 does not; and 18 skips over the routines in another index.
    either = {"audit_log_pkey", "routine_completions_today_idx"}
    indexes = [index for index in indexes if index["name"] not in either]
    missed = set()
    for name, in_table in indexes:
        async with bench.without(name):
            for one in measured:
                if in_table in one.reads:
                    try:
                        without = await bench.measure(one.call)
                    except asyncpg.InvalidColumnReferenceError:  # an upsert on this very key
                        missed.add(name)
                        break
                    if not set(faults(without)) <= set(faults(one)):
                        missed.add(name)
                        break

    broken = [
        f"{name}: no call in plans.py misses it, so it is superfluous or its query not called"
        for name, _ in indexes
        if name not in missed | set(UNREAD)
    ]
    broken += [f"{name}: is missed by a call, so it is not UNREAD" for name in missed & set(UNREAD)]
    assert not broken, "\n".join(broken)
    tally("plans without an index", f"{len(missed)} indexes, each missed by a call")
