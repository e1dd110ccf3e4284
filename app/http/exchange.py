"""One exchange with a client: what was sent so far, and for how long somebody waits for more."""

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.http.observation import Observation

# Seconds after which a request is looked after: whether its client is still there, and whether it
# has not taken too long. Most are over by then and cost nothing.
ATTENDED_AFTER = 0.1

# The OWASP REST security cheat sheet. A response is data for its client: nobody keeps it, frames
# it, or takes it for a page. /docs, which is one, brings a policy of its own.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SECURITY = [(name.lower().encode(), text.encode()) for name, text in SECURITY_HEADERS.items()]
_OURS = frozenset(name for name, _ in _SECURITY)


class Exchange:
    """A request and its response, in the task that serves it.

    Args:
        scope: The request.
        receive: What gives the rest of it.
        send: What takes the response.
        headers: The request's, by name.
        observation: Knows how long it has taken.

    Attributes:
        is_started: Whether a response has begun.
        status: Of the response; 499, as nginx has it, while there is none.
        varies: Whether a response to another origin would be another one.
        is_gone: The client went away, and the task was cancelled for that.
        is_late: It has taken too long, and the task was cancelled for that.
    """

    __slots__ = (
        "_is_answered",
        "_is_heard_out",
        "_observation",
        "_over",
        "_receive",
        "_scope",
        "_send",
        "_serving",
        "_timer",
        "_watch",
        "_whole",
        "is_gone",
        "is_late",
        "is_started",
        "status",
        "varies",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: Mapping[bytes, bytes],
        observation: Observation,
    ) -> None:
        self.status = 499
        self.is_started = self.varies = self.is_gone = self.is_late = False
        self._scope = scope
        self._receive = receive
        self._send = send
        self._whole = scope["state"].pop("whole", None)
        self._observation = observation
        # Whoever reads a body notices the end of it. These bodies nobody reads.
        self._is_heard_out = scope["method"] in {"GET", "HEAD", "DELETE"} or (
            b"transfer-encoding" not in headers and headers.get(b"content-length", b"0") == b"0"
        )
        self._is_answered = False
        self._serving: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.Task[None] | None = None
        self._over = 0.0

    async def receive(self) -> Message:
        """Return the next part of the request."""
        message = await self._receive()
        self._is_heard_out = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the response, with the headers that each has."""
        if message["type"] == "http.response.start":
            self.is_started = True
            self.status = message["status"]
            message["headers"] = self._all(message.get("headers", ()))
        else:
            self._is_answered = not message.get("more_body")
        await self._send(message)

    async def respond(self, response: Response, send: Send | None = None) -> None:
        """Send a response that is there as a whole.

        Args:
            response: Which.
            send: What others have put around `send`; `None` if nobody adds anything.
        """
        if send is not None or self._whole is None:
            await response(self._scope, self.receive, send or self.send)
            return
        headers = self._all(response.raw_headers)
        await self._whole(response.status_code, headers, bytes(response.body))
        self.is_started = self._is_answered = True
        self.status = response.status_code

    def _all(self, headers: Sequence[tuple[bytes, bytes]]) -> Sequence[tuple[bytes, bytes]]:
        names = {name for name, _ in headers}
        if names.isdisjoint(_OURS):
            return [*headers, *self._headers(), *_SECURITY]
        missing = [header for header in _SECURITY if header[0] not in names]
        return [*headers, *self._headers(), *missing]

    def _headers(self) -> list[tuple[bytes, bytes]]:
        state = self._scope["state"]
        request_id: UUID = state["request_id"]
        headers = [(b"x-request-id", str(request_id).encode())]
        if self.varies:
            headers.append((b"vary", b"Origin"))
        if "context" in state or not self._scope["path"].startswith("/v1/"):
            headers.append((b"server-timing", self._observation.server_timing.encode()))
        return headers

    def attend(self, over: float) -> None:
        """Cancel the task at hand when the client goes away or its time is over.

        Args:
            over: When that is, in the time of the event loop.
        """
        self._serving = asyncio.current_task()
        self._over = over
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(min(loop.time() + ATTENDED_AFTER, over), self._look)

    def release(self) -> None:
        """Attend it no more; take back a cancellation: the task goes on to the end of its log."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if self._serving is not None and (self.is_gone or self.is_late):
            self._serving.uncancel()
        # They point back here: what only the garbage collector can find stops everybody.
        self._timer = self._watch = self._serving = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now >= self._over:
            if not self.is_gone and self._serving is not None:
                self.is_late = self._serving.cancel()
            return
        if not self._is_heard_out:
            self._timer = loop.call_at(min(now + ATTENDED_AFTER, self._over), self._look)
            return
        if self._watch is None:
            self._watch = asyncio.create_task(self._until_gone())
        self._timer = loop.call_at(self._over, self._look)

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        # The server calls it a disconnect, too, when the response has been given.
        if not self._is_answered and not self.is_late and self._serving is not None:
            self.is_gone = self._serving.cancel()
