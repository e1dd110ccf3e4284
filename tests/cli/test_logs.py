"""The log of `hearth serve`: whatever becomes of it, nobody waits for it and nothing ends."""

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from app.logs import MAX_WAITING, Writer
from tests.cli.test_shutdown import SERVE, ask, end_of, free_port, serving, token_at
from tests.support.fixtures import JWT_SECRET, Hearth
from tests.support.load import Load, get

pytestmark = [pytest.mark.newest, pytest.mark.no_judge, pytest.mark.first]

# More than the pipe and the queue take together; a line of a request has more than 200 bytes.
TOO_MANY = MAX_WAITING + 65_536 // 200 + 1000


async def _figure(port: int, name: str) -> float:
    found = re.findall(rf"^{name} (\S+)$", (await ask(port, "/metrics"))[2].decode(), re.MULTILINE)
    return sum(map(float, found))


async def _dropped(port: int) -> float:
    return await _figure(port, "hearth_log_lines_dropped_total")


async def _until_ready(port: int) -> None:
    """Wait until it serves: it says so on a stdout that nobody can read."""
    async with asyncio.timeout(60):
        while True:
            try:
                if (await ask(port, "/health/ready"))[0] == 200:
                    return
            except OSError:
                await asyncio.to_thread(os.sched_yield)


async def _until_looked_again(port: int) -> None:
    """Wait until the report on the health is a newer one."""
    ages = [float("inf")]
    async with asyncio.timeout(30):
        while len(ages) < 3 or ages[-1] >= ages[-2]:
            ages.append(json.loads((await ask(port, "/health/ready"))[2])["age_seconds"])


@contextmanager
def _serving_into(
    hearth: Hearth, path: str, *options: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run `hearth serve` with a file for stdout and stderr; "" closes stderr."""
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": hearth.url("app_api"),
        "JWT_SECRET": JWT_SECRET,
        "PORT": str(port),
    }
    to = f'>"{path}" 2>&1' if path else ">/dev/null 2>&-"
    command = ["sh", "-c", f'exec "$@" {to}', "sh", *SERVE, *options]
    with subprocess.Popen(command, env=environment, text=True) as process:
        try:
            yield process, port
        finally:
            process.kill()


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
async def test_a_log_that_nobody_reads_costs_nobody_a_response(
    own_hearth: Hearth, options: tuple[str, ...]
) -> None:
    with serving(own_hearth, *options, log_level="info") as (process, port):
        tasks = get("/v1/tasks", await token_at(port))
        load = Load(lambda: port, [*[get("/health/live")] * 9, tasks], clients=20)
        while not await _dropped(port):
            await load.until(answered=1000)
        live = await ask(port, "/health/live")
        counts = await load.stop()

        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, timeout=30)

    assert live[0] == 200
    assert set(counts) == {"200"}
    assert code == 0


async def test_who_reads_again_is_told_how_many_lines_are_missing(own_hearth: Hearth) -> None:
    with serving(own_hearth, log_level="info") as (process, port):
        load = Load(lambda: port, [get("/health/live")], clients=20)
        await load.until(answered=TOO_MANY)
        answered = (await load.stop())["200"]
        dropped = await _dropped(port)

        process.send_signal(signal.SIGTERM)
        code, told = await end_of(process)

    lines = [json.loads(line) for line in told.splitlines()]
    notices = [line for line in lines if line["event"] == "log lines dropped"]
    requests = [line for line in lines if line.get("route") == "/health/live"]
    assert code == 0
    assert 0 < dropped <= sum(line["number"] for line in notices)
    assert answered <= len(requests) + sum(line["number"] for line in notices)
    assert {line["level"] for line in notices} == {"warning"}


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_disk_that_is_full_for_the_log_costs_nobody_a_response(
    own_hearth: Hearth, options: tuple[str, ...]
) -> None:
    most = 'hearth_pool_connections{which="max"}'
    with _serving_into(own_hearth, "/dev/full", *options) as (process, port):
        await _until_ready(port)
        load = Load(lambda: port, [get("/v1/tasks", await token_at(port))], clients=10)
        await load.until(answered=100)
        counts = await load.stop()
        async with asyncio.timeout(10):
            while await _dropped(port) < 100:  # several workers count once a second
                pass
        # The line for who started it could not be written either; it goes on as if it were.
        await _until_looked_again(port)
        async with asyncio.timeout(60):
            while await _figure(port, most) < 10 * max(1, len(options)):
                pass

        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, timeout=30)

    assert set(counts) == {"200"}
    assert code == 0


async def test_a_reader_that_is_gone_ends_nothing(own_hearth: Hearth) -> None:
    with serving(own_hearth, log_level="info") as (process, port):
        assert process.stderr is not None
        process.stderr.close()
        load = Load(lambda: port, [get("/v1/tasks", await token_at(port))], clients=10)
        await load.until(answered=100)
        counts = await load.stop()
        async with asyncio.timeout(30):
            while await _dropped(port) < 100:  # lines are gathered for a moment
                await asyncio.to_thread(os.sched_yield)

        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, timeout=30)

    assert set(counts) == {"200"}
    assert code == 0


async def test_without_a_stderr_nothing_is_written_anywhere(own_hearth: Hearth) -> None:
    """What has its number then is a socket or a file of somebody else."""
    with _serving_into(own_hearth, "") as (process, port):
        await _until_ready(port)
        load = Load(lambda: port, [get("/v1/tasks", await token_at(port))], clients=10)
        await load.until(answered=100)
        counts = await load.stop()

        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, timeout=30)

    assert set(counts) == {"200"}
    assert code == 0


def test_a_pipe_that_others_made_non_blocking_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"." * 4096)
    writer = Writer(writing, str)

    writer.write("the line\n")
    read = b""
    while not read.endswith(b"the line\n"):
        read += os.read(reading, 65_536)
    writer.close()

    assert writer.take_dropped() == 0
    os.close(reading)
    os.close(writing)
