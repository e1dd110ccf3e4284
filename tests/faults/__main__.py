"""Break things under load, and tell what became of the writes that were acknowledged.

Each fault has a server and a `hearth serve` of its own, and clients that do as the answers tell
them. Exit code 1 where a write was lost or is there twice, a response was 500, a request took
longer than it may, or the service was not back in time.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app import embedded
from tests.faults.clients import Ledger, crowd
from tests.faults.endurance import Report, memory, mixed
from tests.faults.fairness import fairness, open_many_files
from tests.faults.faults import FAULTS, Fault
from tests.faults.stage import REQUEST_TIMEOUT, Health, Stage, migrated_server, staged
from tests.support.fixtures import Hearth

CLIENTS = 12

# Seconds: before the fault; without a failure, and it is over; and then nobody waits any longer.
STEADY = 1.5
QUIET = 3.0
PATIENCE = 30.0

# Seconds within which it has to be as before.
RECOVERY = 5.0

# Seconds within which the health has to tell of a fault.
NOTICED = 5.0


@dataclass
class Outcome:
    """What a fault did.

    Args:
        recovery: Seconds from the mending to the last failure.
        health: The states that were told, with seconds since the fault.
        is_silent: Whether nobody told the health, although the service was there.
        noticed: Seconds until the health told of it, where it has to.
        flaps: How many times it was worse again after it had been healthy again.
        log: What the service logged.
        failures: What is not as it should be.
    """

    fault: str
    ledger: Ledger
    lost: Sequence[str] = ()
    doubled: Sequence[str] = ()
    recovery: float = 0.0
    health: str = ""
    is_silent: bool = False
    noticed: float = 0.0
    flaps: int = 0
    log: str = ""
    failures: list[str] = field(default_factory=list)

    def judge(self, *, by_time: bool = True) -> None:
        """Note what is not as it should be; unless `by_time`, whatever it took."""
        ledger = self.ledger
        wrong = {
            f"{len(self.lost)} lost": bool(self.lost),
            f"{len(self.doubled)} doubled": bool(self.doubled),
            "500": any(status.startswith("500") for status in ledger.statuses),
            "nothing acknowledged": not ledger.acknowledged,
        }
        times = {
            f"slowest {ledger.slowest:.2f} s": ledger.slowest > REQUEST_TIMEOUT + 1,
            f"recovery {self.recovery:.1f} s": self.recovery > RECOVERY,
            "the service was silent": self.is_silent,
            f"health told it after {self.noticed:.1f} s": self.noticed > NOTICED,
            f"health flapped {self.flaps} times": self.flaps > 1,
        }
        wrong |= times if by_time else {}
        self.failures += [what for what, is_so in wrong.items() if is_so]


async def run(fault: Fault, hearth: Hearth, server: embedded.Server, *, hold: float) -> Outcome:
    """Break something under load, mend it, and compare."""
    with tempfile.TemporaryDirectory(prefix="hearth-faults-") as place:
        async with staged(
            hearth,
            server,
            Path(place),
            through=fault.through,
            settings=fault.settings,
            prepare=fault.prepare,
        ) as stage:
            people = await crowd(stage.service.port, stage.ledger, CLIENTS)
            stage.people = people
            stage.ledger.forget()
            over, health = asyncio.Event(), Health(stage.service.operators)
            watching = asyncio.create_task(health.watch())
            working = [asyncio.create_task(person.work(over)) for person in people]
            await asyncio.sleep(STEADY)  # the load before

            began = time.monotonic()
            async with fault.inject(stage):
                await asyncio.sleep(hold)  # how long it is broken
            mended = time.monotonic()
            await _quiet(stage.ledger, health, mended)
            over.set()
            await asyncio.gather(*working)
            watching.cancel()

            rows = await asyncio.to_thread(stage.root, "select title from app.tasks")
            lost, doubled = stage.ledger.compare(row[0] for row in rows)
            later = [at - mended for at in stage.ledger.failures if at > mended]
            log = stage.service.errors.read_text() if stage.service.errors.exists() else ""
        return Outcome(
            fault.name,
            stage.ledger,
            lost,
            doubled,
            max(later, default=0.0),
            health.told(began),
            not fault.ends_service and "silent" in health.told(began),
            health.noticed(began) if fault.is_told else 0.0,
            health.flaps,
            log,
        )


async def _quiet(ledger: Ledger, health: Health, mended: float) -> None:
    """Wait until requests succeed and none has failed for a while, and the health says so."""
    while (now := time.monotonic()) < mended + PATIENCE:
        last = max([*ledger.failures[-1:], mended])
        is_back = bool(ledger.successes) and ledger.successes[-1] > last
        if is_back and now > last + QUIET and health.state in {"healthy", "degraded"}:
            return
        await asyncio.sleep(0.1)  # the clients tell nobody


HEAD = ["fault", "requests", "acked", "lost", "doubled", "slowest", "recovery"]
ROW = "{:<49} {:>8} {:>6} {:>5} {:>7} {:>7} {:>8}"


def tell(outcome: Outcome) -> None:
    """Print the lines of a fault."""
    ledger = outcome.ledger
    figures = [len(ledger.acknowledged), len(outcome.lost), len(outcome.doubled)]
    times = [f"{ledger.slowest:.2f}", f"{outcome.recovery:.2f}"]
    statuses = ", ".join(f"{what}: {count}" for what, count in sorted(ledger.statuses.items()))
    print(ROW.format(outcome.fault, ledger.requests, *figures, *times))  # noqa: T201
    print(f"    statuses  {statuses}")  # noqa: T201
    print(f"    health    {outcome.health}", flush=True)  # noqa: T201
    if outcome.failures:
        print(f"    FAILED    {', '.join(outcome.failures)}", flush=True)  # noqa: T201


def run_all(
    names: Sequence[str], *, seconds: float | None, keep: Path | None, by_time: bool
) -> int:
    """Run faults, print the table, and return how many failed."""
    tried = failed = 0
    print(ROW.format(*HEAD))  # noqa: T201
    for name in names:
        fault = FAULTS[name]
        hold = fault.hold if seconds is None or not fault.hold else max(fault.hold, seconds)
        if fault.needs_root and os.geteuid():
            print(f"{name}: not tried; only root may mount a small file system")  # noqa: T201
            continue
        tried += 1
        try:
            with migrated_server(disk=fault.disk) as (server, hearth):
                outcome = asyncio.run(run(fault, hearth, server, hold=hold))
        except Exception:  # noqa: BLE001 - the others are still to be tried
            print(f"{name}: FAILED\n{traceback.format_exc()}", flush=True)  # noqa: T201
            failed += 1
            continue
        outcome.judge(by_time=by_time)
        tell(outcome)
        failed += bool(outcome.failures)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{name}.log").write_text(outcome.log)
    print(f"{tried} faults tried, {failed} failed")  # noqa: T201
    return failed


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--only", metavar="NAME", action="append", choices=sorted(FAULTS))
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each lasts (10)")
    parser.add_argument("--short", action="store_true", help="each as short as it can be")
    parser.add_argument("--at-leisure", action="store_true", help="whatever it takes is right")
    parser.add_argument("--mixed", type=int, metavar="N", help="requests, a third given up")
    parser.add_argument("--memory", type=int, metavar="N", help="requests, and what they leave")
    parser.add_argument("--crowd", action="store_true", help="a family beside a crowd of another")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the logs there")
    given = parser.parse_args()
    seconds = None if given.short else given.seconds
    failed = 0
    if given.mixed:
        failed += _endure(lambda stage: mixed(stage, given.mixed), through="pooler")
    if given.memory:
        failed += _endure(lambda stage: memory(stage, given.memory), through="nothing")
    if given.crowd:
        open_many_files()
        failed += _endure(fairness, through="nothing")
    if given.only or not (given.mixed or given.memory or given.crowd):
        names, by_time = given.only or list(FAULTS), not given.at_leisure
        failed += run_all(names, seconds=seconds, keep=given.keep, by_time=by_time)
    return min(failed, 1)


def _endure(work: Callable[[Stage], Awaitable[Report]], *, through: str) -> int:
    """Do a lot of work, print the report, and return how many of its lines are wrong."""

    async def endure() -> Report:
        with tempfile.TemporaryDirectory(prefix="hearth-faults-") as place:
            async with staged(hearth, server, Path(place), through=through) as stage:
                return await work(stage)

    with migrated_server() as (server, hearth):
        report = asyncio.run(endure())
    for line in report.lines:
        print(f"{'FAILED ' if line in report.failures else ''}{line}", flush=True)  # noqa: T201
    return len(report.failures)


if __name__ == "__main__":
    sys.exit(main())
