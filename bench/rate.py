"""Requests at a constant rate, and how long each took from the moment it was meant to be sent.

A closed loop, as wrk's, sends less while the server is slow, and so measures a slow moment once;
who comes at their own time meets it every time (what wrk2 calls coordinated omission).
"""

import asyncio
import gc
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

import uvloop

from bench.errors import BenchError, FellBehindError
from bench.load import Measured, Meter, percentile
from bench.workloads import Request

# Connections at most. Who finds none free waits, and the wait counts.
CONNECTIONS = 200

# Seconds that answers may take to come after the last request.
PATIENCE = 10.0


def encoded(request: Request) -> bytes:
    """Return a request as HTTP/1.1."""
    body = request.body.encode()
    headers = {"Host": "127.0.0.1", **request.headers}
    if body:
        headers["Content-Length"] = str(len(body))
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def at_rate(
    port: int,
    requests: Sequence[bytes],
    *,
    per_second: float,
    seconds: float,
    server: int,
    postmaster: int,
) -> Measured:
    """Send requests in turn at a constant rate, whatever becomes of those before.

    Args:
        port: Where to, on 127.0.0.1.
        requests: What `encoded` returns.
        per_second: The rate.
        seconds: For how long.
        server: The first process of the server.
        postmaster: The first process of PostgreSQL.

    Raises:
        BenchError: One was refused, or its connection broke.
        FellBehindError: Some were not answered in time.
    """
    meter = Meter(server, postmaster)
    gc.collect()
    gc.disable()  # a pause of ours would pass for one of the server's
    try:
        run = uvloop.run(_run(port, requests, per_second, seconds))
    finally:
        gc.enable()
    taken = meter.read()
    if run.refused or not run.times:
        raise BenchError(f"{run.refused} of {len(run.times)} requests were refused")
    number, times = len(run.times), sorted(run.times)
    return Measured(
        number,
        number / run.lasted,
        taken.server / number * 1e6,
        taken.database / number * 1e6,
        percentile(times, 50) * 1000,
        percentile(times, 99) * 1000,
        taken.others,
    )


@dataclass
class _Run:
    times: list[float] = field(default_factory=list)
    refused: int = 0
    lasted: float = 0.0
    due: deque[tuple[float, bytes]] = field(default_factory=deque)
    free: list["_Connection"] = field(default_factory=list)
    opened: int = 0
    connections: set["_Connection"] = field(default_factory=set)
    failure: str = ""
    heard: asyncio.Event = field(default_factory=asyncio.Event)


class _Connection(asyncio.Protocol):
    """A connection, with one request at a time."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._received = bytearray()
        self._meant_at: float | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._run.connections.add(self)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if self._meant_at is not None:
            self._run.failure = f"a connection broke while it waited ({error or 'closed'})"
            self._run.heard.set()
        self._run.opened -= 1
        self._run.connections.discard(self)
        if self in self._run.free:
            self._run.free.remove(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._meant_at is not None and _is_whole(self._received):
            self._run.times.append(time.perf_counter() - self._meant_at)
            self._run.refused += self._received[9:10] != b"2"
            self._received.clear()
            self._meant_at = None
            self._run.heard.set()
            self._next()

    def send(self, meant_at: float, request: bytes) -> None:
        self._meant_at = meant_at
        assert self._transport is not None  # noqa: S101 - it is connected
        self._transport.write(request)

    def end(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _next(self) -> None:
        if self._run.due:
            self.send(*self._run.due.popleft())
        else:
            self._run.free.append(self)


def _is_whole(received: bytearray) -> bool:
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(received[:end]).lower()
    at = head.find(b"content-length:")
    if at >= 0:
        return len(received) >= end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
    return b"transfer-encoding: chunked" not in head or received.endswith(b"0\r\n\r\n")


async def _run(port: int, requests: Sequence[bytes], per_second: float, seconds: float) -> _Run:
    run, loop = _Run(), asyncio.get_running_loop()
    opening: set[asyncio.Task[object]] = set()

    def open_one() -> None:
        run.opened += 1
        task: asyncio.Task[object] = loop.create_task(
            loop.create_connection(lambda: _Connection(run), "127.0.0.1", port)
        )
        opening.add(task)
        task.add_done_callback(opening.discard)

    def send(meant_at: float, request: bytes) -> None:
        if run.free:
            run.free.pop().send(meant_at, request)
            return
        run.due.append((meant_at, request))
        if run.opened < CONNECTIONS:
            open_one()

    def send_all(began: float) -> None:
        for index in range(number):
            meant_at = began + index / per_second
            if (pause := meant_at - time.perf_counter()) > 0:
                time.sleep(pause)
            loop.call_soon_threadsafe(send, meant_at, requests[index % len(requests)])

    for _ in range(8):
        open_one()
    await asyncio.gather(*opening)
    number, began = int(per_second * seconds), time.perf_counter()
    # A loop's own timers are right to a millisecond; a thread that sleeps, to a tenth of it.
    await asyncio.to_thread(send_all, began)
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while len(run.times) < number and not run.failure:
                run.heard.clear()
                await run.heard.wait()
    run.lasted, failure = time.perf_counter() - began, run.failure
    # uvloop waits for whoever still waits for an answer, for ever.
    for connection in list(run.connections):
        connection.end()
    if len(run.times) < number:
        what = f"{number - len(run.times)} of {number} requests were not answered"
        if failure:
            raise BenchError(f"{what}: {failure}")
        raise FellBehindError(f"{what} after {PATIENCE:.0f} s")
    return run
