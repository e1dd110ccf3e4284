"""What a crowd of one family costs another, and what becomes of a thousand clients.

Run by itself (`python -m tests.faults.fairness PORT TOKEN CLIENTS`) it is that crowd, in a process
of its own, so that it waits for nobody here; it ends when its standard input does.
"""

import asyncio
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.clients import crowd
from tests.faults.endurance import Report
from tests.faults.stage import POOL, Stage
from tests.support.load import Load, connected, get, read_response

SECONDS = 10.0

# Seconds between two requests of whoever is quiet.
PAUSE = 0.02

# How many times as long a quiet family may wait beside 200 clients of another (p99).
BAR = 3.0


async def fairness(stage: Stage) -> Report:
    """Measure a quiet family by itself, beside 200 clients of another, and beside 1,000."""
    report = Report()
    quiet, noisy = await crowd(stage.service.port, stage.ledger, 2)
    request = get("/v1/tasks", quiet.tokens["access_token"])
    calm = await _percentile(stage, request)
    report.tell(f"a quiet family by itself: p99 {calm * 1000:.1f} ms")
    for clients in (200, 1000):
        async with _crowd(stage, noisy.tokens["access_token"], clients) as told:
            beside = await _percentile(stage, request)
        times = beside / calm
        is_well = times <= BAR or clients > 200
        line = f"beside {clients} clients of another: p99 {beside * 1000:.1f} ms, {times:.1f} times"
        report.tell(line, is_well=is_well)
        report.tell(
            f"{clients} clients on a pool of {POOL}: {told[0]}", is_well=told[0].startswith("200: ")
        )
    return report


async def _percentile(stage: Stage, request: bytes) -> float:
    times = []
    over = time.monotonic() + SECONDS
    async with connected(stage.service.port) as (reader, writer):
        while time.monotonic() < over:
            began = time.perf_counter()
            writer.write(request)
            status, is_last, _ = await read_response(reader)
            times.append(time.perf_counter() - began)
            assert (status, is_last) == (200, False)
            await asyncio.sleep(PAUSE)
    return sorted(times)[int(len(times) * 0.99)]


@asynccontextmanager
async def _crowd(stage: Stage, token: str, clients: int) -> AsyncIterator[list[str]]:
    """Have a crowd while the block runs; then the list has what it was told, and how often."""
    told: list[str] = []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.fairness"),
        *(str(stage.service.port), token, str(clients)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()  # it has had its first responses
    yield told
    output, _ = await process.communicate(b"")
    told.append(output.decode().strip())


async def _press(port: int, token: str, clients: int) -> None:
    load = Load(lambda: port, [get("/v1/tasks", token)], clients)
    await load.until(answered=2 * clients)
    print("ready", flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.read)
    counts = await load.stop()
    print(", ".join(f"{what}: {count}" for what, count in sorted(counts.items())))  # noqa: T201


def open_many_files() -> None:
    """Let this process, and those that it starts, have as many connections as they may."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    open_many_files()
    asyncio.run(_press(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
