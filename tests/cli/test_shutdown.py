"""The end of `hearth serve`: nobody who was heard goes without a response."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager

import asyncpg
import httpx
import pytest

from app.http.server import let_nobody_in
from tests.support.fixtures import JWT_SECRET, PASSWORD, Hearth, wait_until_requests_block
from tests.support.load import Load, connected, get, read_response

pytestmark = [pytest.mark.newest, pytest.mark.no_judge, pytest.mark.first]

SERVE = [sys.executable, "-m", "app.cli", "serve"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(
    hearth: Hearth, *options: str, port: int | None = None, **settings: object
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run `hearth serve` until the block ends, if it does not end by itself."""
    port = port or free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": hearth.url("app_api"),
        "JWT_SECRET": JWT_SECRET,
        "PORT": str(port),
        "LOG_LEVEL": "error",
        **{name.upper(): str(value) for name, value in settings.items()},
    }
    with subprocess.Popen(
        [*SERVE, *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"Hearth serves on http://127.0.0.1:{port}")
        try:
            yield process, port
        finally:
            process.kill()


async def end_of(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end; return the exit code and what was written to stderr."""
    _, told = await asyncio.to_thread(process.communicate, timeout=60)
    return process.returncode, told


async def ask(port: int, path: str) -> tuple[int, bool, bytes]:
    """Ask on a connection of its own: the status, whether the connection ends, the body."""
    async with connected(port) as (reader, writer):
        writer.write(get(path))
        return await read_response(reader)


async def _drains(port: int) -> None:
    """Wait until new connections are told to go, and see that readiness says why."""
    async with asyncio.timeout(10):
        while not (await ask(port, "/health/live"))[1]:
            pass
    status, is_last, body = await ask(port, "/health/ready")
    assert (status, is_last, body.startswith(b'{"state":"draining"')) == (503, True, True)


async def token_at(port: int) -> str:
    body = {"email": "ann@example.com", "password": PASSWORD, "full_name": "Ann"}
    async with httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}/v1/auth/signup"
        signed_up = await client.post(url, json={**body, "family_name": "The Examples"})
    return str(signed_up.json()["access_token"])


async def test_what_was_read_is_answered_before_the_end(own_hearth: Hearth) -> None:
    root = await asyncpg.connect(own_hearth.superuser_url)
    patient = {"lock_timeout_ms": 30_000, "pool_acquire_timeout": 30, "statement_timeout_ms": 30000}
    async with AsyncExitStack() as stack:
        settings = {"drain_delay": 2, "pool_max_size": 20, **patient}
        process, port = stack.enter_context(serving(own_hearth, **settings))
        tasks = get("/v1/tasks", await token_at(port))
        live = get("/health/live")
        connections = [await stack.enter_async_context(connected(port)) for _ in range(43)]
        (idle, _), (used, used_by), (half, half_by), *others = connections
        used_by.write(live)
        assert (await read_response(used))[:2] == (200, False)
        half_by.write(live[:20])
        blocking = root.transaction()
        await blocking.start()
        await root.execute("lock table app.tasks in access exclusive mode")
        sent = [30 if number < 5 else 1 for number in range(len(others))]  # some send ahead
        for (_, writer), times in zip(others, sent, strict=True):
            writer.write(tasks * times)
        await wait_until_requests_block(root, 10)

        process.send_signal(signal.SIGTERM)
        await _drains(port)
        half_by.write(live[20:])
        assert (await read_response(half))[:2] == (200, True)
        assert not any(reader._buffer for reader, _ in others)  # type: ignore[attr-defined]
        await blocking.rollback()

        for (reader, _), times in zip(others, sent, strict=True):
            answers = [(await read_response(reader))[:2] for _ in range(times)]
            assert answers == [(200, False)] * (times - 1) + [(200, True)]
        ends = [await reader.read() for reader, _ in connections]
        code, told = await end_of(process)
    await root.close()

    assert set(ends) == {b""}
    assert (code, told) == (0, "")
    assert idle.at_eof()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_clients_that_go_on_are_refused_in_the_end_and_never_cut(
    own_hearth: Hearth, number: signal.Signals
) -> None:
    with serving(own_hearth) as (process, port):
        tasks = get("/v1/tasks", await token_at(port))
        load = Load(lambda: port, [tasks, get("/health/live")], clients=40)
        await load.until(answered=400)

        process.send_signal(number)
        await load.ended()
        code, told = await end_of(process)

    answered = load.counts.pop("200")
    assert answered >= 400
    assert load.counts == {"refused": 40}
    assert (code, told) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel has no such filter")
async def test_who_comes_at_the_very_end_is_refused_and_who_was_let_in_is_heard() -> None:
    loop = asyncio.get_running_loop()
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as early,
        socket.socket() as late,
    ):
        late.setblocking(False)
        let_nobody_in(listener)
        coming = asyncio.ensure_future(loop.sock_connect(late, listener.getsockname()))
        await asyncio.sleep(0)  # it has asked
        early.send(b"x")
        with listener.accept()[0] as accepted:
            assert accepted.recv(1) == b"x"
        listener.close()

        with pytest.raises(ConnectionRefusedError):
            await coming


async def test_what_takes_too_long_is_told_so_before_the_end(own_hearth: Hearth) -> None:
    root = await asyncpg.connect(own_hearth.superuser_url)
    patient = {"lock_timeout_ms": 30_000, "pool_acquire_timeout": 30}
    with serving(own_hearth, request_timeout=1, **patient) as (process, port):
        tasks = get("/v1/tasks", await token_at(port))
        blocking = root.transaction()
        await blocking.start()
        await root.execute("lock table app.tasks in access exclusive mode")
        async with connected(port) as (reader, writer):
            writer.write(tasks * 5)
            await wait_until_requests_block(root, 1)

            process.send_signal(signal.SIGTERM)
            statuses = [(await read_response(reader))[0] for _ in range(5)]
            code, told = await end_of(process)
        await blocking.rollback()
    await root.close()

    assert set(statuses) <= {503, 504}
    assert statuses[-1] == 503
    assert code == 0
    assert "Traceback" not in told


async def test_a_second_signal_ends_it_at_once(own_hearth: Hearth) -> None:
    root = await asyncpg.connect(own_hearth.superuser_url)
    patient = {"lock_timeout_ms": 30_000, "drain_delay": 300, "request_timeout": 300}
    with serving(own_hearth, **patient) as (process, port):
        tasks = get("/v1/tasks", await token_at(port))
        await root.execute("begin; lock table app.tasks in access exclusive mode")
        async with connected(port) as (_, writer):
            writer.write(tasks)
            await wait_until_requests_block(root, 1)

            process.send_signal(signal.SIGTERM)
            await _drains(port)
            process.send_signal(signal.SIGTERM)
            code, told = await end_of(process)
        await root.execute("rollback")
    await root.close()

    assert code == 0
    assert "Traceback" not in told


class _Balancer:
    """What a load balancer does: it asks each server whether it is ready, and chooses from those.

    Args:
        ports: Where servers may be.
    """

    def __init__(self, *ports: int) -> None:
        self._ready: set[int] = set()
        self._changed = asyncio.Event()
        self._tasks = [asyncio.create_task(self._look_after(port)) for port in ports]

    def choose(self) -> int:
        """Return one that is ready."""
        return random.choice(sorted(self._ready))  # noqa: S311 - nobody has to be surprised

    async def until_ready(self, ports: set[int]) -> None:
        """Wait until these are ready and no other."""
        async with asyncio.timeout(30):
            while self._ready != ports:
                self._changed.clear()
                await self._changed.wait()

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _look_after(self, port: int) -> None:
        while True:
            try:
                is_ready = (await ask(port, "/health/ready"))[0] == 200
            except OSError:
                is_ready = False
            if is_ready != (port in self._ready):
                self._ready ^= {port}
                self._changed.set()


async def test_a_rolling_restart_of_two_servers_costs_nobody_a_request(own_hearth: Hearth) -> None:
    first, second = free_port(), free_port()
    balancer = _Balancer(first, second)

    async def start(port: int) -> subprocess.Popen[str]:
        running = serving(own_hearth, port=port, drain_delay=2)
        return (await asyncio.to_thread(stack.enter_context, running))[0]

    with ExitStack() as stack:
        servers = {port: await start(port) for port in (first, second)}
        await balancer.until_ready({first, second})
        requests = [get("/v1/tasks", await token_at(first)), get("/health/live")]
        load = Load(balancer.choose, requests, clients=20)
        await load.until(answered=200)

        for port in (first, second):
            servers[port].send_signal(signal.SIGTERM)
            assert await end_of(servers[port]) == (0, "")
            await start(port)
            await balancer.until_ready({first, second})
            await load.until(answered=200)
        counts = await load.stop()
        balancer.stop()

    assert set(counts) == {"200"}
