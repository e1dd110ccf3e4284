"""HTTP/1.1 on the wire: uvicorn's own protocol, without what it takes and should not.

What is bounded here has no request yet, or none any more: how long headers may take to arrive, how
much waits to be read or to be written, and for how long.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import structlog
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from app.http import problems
from app.http.exchange import SECURITY_HEADERS
from app.http.middleware import MAX_HEADER_BYTES
from app.http.problems import Problem, problem_response
from app.http.server import Drain

logger = structlog.get_logger("hearth.requests")

# Requests that one connection may have read ahead; the rest stays unread.
MAX_PIPELINED = 16

# Bytes that are parsed at once: between two looks at what has been read ahead.
SLICE = 4_096


class _Flow(FlowControl):
    """Flow control that reads nothing while it is held, whoever asks it to."""

    is_held = False

    def resume_reading(self) -> None:
        if not self.is_held:
            super().resume_reading()


class _Whole:
    """Sends a response that is there as a whole: by one system call, which uvicorn makes two of.

    Args:
        cycle: uvicorn's state of the request.
    """

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    async def __call__(
        self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> None:
        """Send it.

        Args:
            status: The HTTP status.
            headers: All headers, with the content's length if there is one.
            body: The content; a HEAD has none.

        Raises:
            ValueError: A header is of more than one line.
        """
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected:
            return
        parts = [STATUS_LINE[status]]
        headers = [*cycle.default_headers, *headers]
        if not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"\r\n")
        head = b"".join(parts)
        if not len(headers) + 2 == head.count(b"\r") == head.count(b"\n"):
            raise ValueError("a header of more than one line")
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(head if cycle.scope["method"] == "HEAD" else head + body)
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()


class Protocol(HttpToolsProtocol):
    """Read requests as uvicorn does, within bounds.

    No trailers of a chunked body: they come from whoever sent the body, past every proxy that looks
    at headers alone, and uvicorn appends them to the headers: an `Authorization` or an
    `X-Forwarded-For` there was believed. A recipient may discard them (RFC 9110, 6.5.1).

    No connection on which nothing arrives: a request's headers within `headers_within` seconds of
    the connection, or of its first byte.

    No client that sends and never reads: what it has not read within `read_within` seconds it does
    not get, and of what it sends ahead no more is read than `MAX_PIPELINED` requests.

    No end in the middle: when the server drains, the response to the last request that was read
    says that it is the last (`Connection: close`), and what comes after it is not read.
    """

    server_state: Drain
    flow: _Flow
    headers_within = 10.0
    read_within = 30.0

    _serving: RequestResponseCycle | None = None
    _last: RequestResponseCycle | None = None
    _silent_since = 0.0
    _is_beyond_headers = False
    _unread = b""
    _header_bytes = 0
    _hurry: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self._silent_since = self.loop.time()
        self._hurry = self.loop.call_later(self.headers_within, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection, also for the request that is served while others wait behind it."""
        super().connection_lost(exc)
        self._unread = b""
        self.pipeline.clear()
        if self._serving is not None:
            self._serving.disconnected = not self._serving.response_complete
            self._serving.message_event.set()
        for timer in (self._hurry, self._stall, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Take what arrived, and parse as much of it as may wait."""
        self._unread += data
        self._parse()

    def _parse(self) -> None:
        if self._last is not None and self._last.response_started:
            self._unread = b""
        while self._unread and len(self.pipeline) < MAX_PIPELINED:
            if self.transport.is_closing():
                return
            piece, self._unread = self._unread[:SLICE], self._unread[SLICE:]
            super().data_received(piece)
            if self.cycle is None or self.cycle.response_complete:
                self._is_waiting(len(piece))
        self.flow.is_held = bool(self._unread)
        if self._unread:
            self.flow.pause_reading()
        if self.server_state.is_on:
            self.announce_end()

    def announce_end(self) -> None:
        """Let the response to the last request that was read say that it is the last."""
        if self._last is not None and self._last.response_started:
            return
        if self._last is not None:
            self._last.keep_alive, self._last = True, None
        cycle = self.cycle
        if self._unread or cycle is None or cycle.response_started or not cycle.keep_alive:
            return
        cycle.keep_alive, self._last = False, cycle

    def shutdown(self) -> None:
        """Close the connection if nothing of a request has come for a moment."""
        if self._unread or self._header_bytes or self.pipeline:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            return
        if self.loop.time() - self._silent_since >= self.server_state.linger:
            self.transport.close()

    def _is_waiting(self, arrived: int) -> None:
        # Bytes, but no request yet: the beginning of one, or the rest of one that was refused.
        self._header_bytes += arrived
        if not self._is_beyond_headers and self._header_bytes > 2 * MAX_HEADER_BYTES:
            self._refuse(Problem(problems.HEADERS_TOO_LARGE))
        elif self._hurry is None:
            self._hurry = self.loop.call_later(self.headers_within, self.transport.close)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._is_beyond_headers = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or let a trailer go."""
        if not self._is_beyond_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start to serve the request."""
        self._is_beyond_headers = True
        self._header_bytes = 0
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._serving = cycle
        # For our middleware, which takes it out: else the two would keep each other.
        cycle.scope["state"]["whole"] = _Whole(cycle)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        super().on_response_complete()
        self._silent_since = self.loop.time()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.pause_writing()
        elif self._unread:
            self._parse()

    def pause_writing(self) -> None:
        """Wait for the client to read, but not for ever."""
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self.read_within, self.transport.abort)

    def resume_writing(self) -> None:
        """Write on, as the client reads."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which no request has come for a while."""
        super().timeout_keep_alive_handler()
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(Problem(problems.MALFORMED, "This is not HTTP/1.1."))

    def _refuse(self, problem: Problem) -> None:
        if self.cycle is None or self.cycle.response_complete:
            request_id = str(uuid4())
            logger.info("not read", problem=problem.type.code, request_id=request_id)
            response = problem_response(problem, request_id)
            response.headers.update(
                {**SECURITY_HEADERS, "X-Request-Id": request_id, "Connection": "close"}
            )
            head = (b"%s: %s\r\n" % header for header in response.raw_headers)
            start = b"HTTP/1.1 %d \r\n" % response.status_code
            self.transport.write(b"".join([start, *head, b"\r\n", response.body]))
        self.transport.close()
