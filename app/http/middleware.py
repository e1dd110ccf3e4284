"""Middleware: what surrounds every request: its id, log and measurement, its limits, its problems.

Pure ASGI. Starlette's BaseHTTPMiddleware runs the application in a task of its own and leaks
connections when the request is cancelled.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from uuid import UUID, uuid4

import asyncpg
import structlog
from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import logs
from app.db.context import Context
from app.db.figures import observer
from app.db.pool import DatabaseError, OutcomeUnknownError
from app.http import problems
from app.http.observation import Observation
from app.http.problems import Problem, problem_response
from app.http.server import Drain
from app.http.tracing import Trace

logger = structlog.get_logger("hearth.requests")

# Seconds after which a request is looked after: whether its client is still there. Most are over by
# then and cost nothing.
ATTENDED_AFTER = 0.1

# Bytes of the URL and all headers together; what nginx and Apache take by default is of that order.
MAX_HEADER_BYTES = 16_384

# Of two of these a proxy may go by the one and we by the other. RFC 9112, 3.2, says so of Host, and
# that HTTP/1.1 does not go without it.
ONCE = frozenset({b"authorization", b"content-type", b"host"})

# The OWASP REST security cheat sheet. A response is data for its client: nobody keeps it, frames
# it, or takes it for a page. /docs, which is one, brings a policy of its own.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

# By the route's pattern, so that there are as many series as routes, whatever clients ask for.
DURATION = Histogram(
    "hearth_request_duration_seconds",
    "How long requests took.",
    ("method", "route", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
_duration = cache(DURATION.labels)


class RequestLog:
    """Give each request an id, return it as `X-Request-Id`, log one line at its end, measure it.

    Each response gets the security headers that it does not bring itself, and `Server-Timing`: but
    no request for which nobody has signed in gets that from the API. Who tries passwords or
    addresses would have a clock without the noise of the network.

    A client's own id is taken over if it is a UUID: so it finds its requests in the audit trail.
    The path is logged as the route's pattern: what a client writes into it is not repeated.

    Args:
        app: What serves.
        trace: Makes spans of the requests to the API; `None` if nobody wants them.
    """

    def __init__(self, app: ASGIApp, trace: Trace | None = None) -> None:
        self._app = app
        self._trace = trace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("X-Request-Id"))
        scope.setdefault("state", {})["request_id"] = request_id
        trace = self._trace if scope["path"].startswith("/v1/") else None
        observation = Observation(keeps_steps=trace is not None)
        status = 499  # as nginx has it: the client went away before there was a response

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = str(request_id)
                if "context" in scope["state"] or not scope["path"].startswith("/v1/"):
                    headers["Server-Timing"] = observation.server_timing
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        token = observer.set(observation)
        try:
            with structlog.contextvars.bound_contextvars(request_id=str(request_id)):
                try:
                    await self._app(scope, receive, send_with_id)
                finally:
                    trace_id = trace and trace(scope, status, observation)
                    _tell(scope, status, observation, trace_id)
        finally:
            observer.reset(token)


def _tell(scope: Scope, status: int, observation: Observation, trace_id: str | None) -> None:
    """Measure and log a request that is over."""
    route = getattr(scope.get("route"), "path", None)
    took = observation.seconds
    # A method that there is not is whatever the client wrote: it names no series.
    _duration(scope["method"] if route else "other", route or "none", status).observe(took)
    if route and route.startswith("/v1/"):
        scope["state"]["services"].health.count(status)
    context: Context | None = scope["state"].get("context")
    about = {
        "user_id": context and str(context.user_id),
        "family_id": context and context.family_id and str(context.family_id),
        "slow": observation.slow,
        "trace_id": trace_id,
    }
    logger.info(
        "request",
        method=scope["method"],
        route=route,
        status=status,
        milliseconds=round(took * 1000, 1),
        **{name: value for name, value in about.items() if value},
    )


class RequestTimeout:
    """Serve a request only as long as somebody waits for it, and no longer than it may take.

    When the client goes away or the deadline passes, the task is cancelled, and with it what it
    does in PostgreSQL.

    Args:
        app: What serves.
        deadline: Seconds from the request's line to its response, the reading of the body included.
        drain: Says when the server ends, and all requests with it.

    Raises:
        Problem: The deadline passed, or the headers are too large or can be read in two ways.
    """

    def __init__(self, app: ASGIApp, deadline: float, drain: Drain) -> None:
        self._app = app
        self._deadline = deadline
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        url = len(scope["raw_path"]) + len(scope["query_string"])
        if url + sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
            raise Problem(problems.HEADERS_TOO_LARGE)
        _refuse_ambiguous(scope)
        client = _Client(scope, receive, send)
        over = asyncio.get_running_loop().time() + self._deadline
        try:
            async with asyncio.timeout_at(min(over, self._drain.ends_at)) as deadline:
                with client.attended():
                    await self._app(scope, client.receive, client.send)
        except asyncio.CancelledError:
            if not client.is_gone:
                raise
            client.let_go()
        except TimeoutError:
            if not deadline.expired():
                raise
            if over > self._drain.ends_at:
                raise Problem(problems.UNAVAILABLE, "The service stops; send it again.") from None
            raise Problem(problems.TIMEOUT, "The request took longer than it may.") from None


def _refuse_ambiguous(scope: Scope) -> None:
    given = [name for name, _ in scope["headers"] if name in ONCE]
    if len(set(given)) < len(given):
        names = ", ".join(name.decode().title() for name in sorted(ONCE))
        raise Problem(problems.MALFORMED, f"{names}: may be given once each.")
    if b"host" not in given and scope["http_version"] != "1.0":
        raise Problem(problems.MALFORMED, "Host: is missing.")


class _Client:
    """The other end of a request; cancels the task that serves it when it goes away."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.is_gone = False
        self._receive = receive
        self._send = send
        # Whoever reads a body notices the end of it. These bodies nobody reads.
        self._is_heard_out = scope["method"] in {"GET", "HEAD", "DELETE"} or not any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in scope["headers"]
        )
        self._is_answered = False
        serving = asyncio.current_task()
        assert serving is not None  # noqa: S101 - ASGI applications run in tasks
        self._serving = serving
        self._timer: asyncio.TimerHandle
        self._watch: asyncio.Task[None] | None = None

    def let_go(self) -> None:
        """Take the cancellation back: the task goes on, to the end of the request's log."""
        self._serving.uncancel()

    async def receive(self) -> Message:
        message = await self._receive()
        self._is_heard_out = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        self._is_answered = message["type"] == "http.response.body" and not message.get("more_body")
        await self._send(message)

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Watch the connection while the block runs, from a moment after its beginning."""
        self._attend_later()
        try:
            yield
        finally:
            self._timer.cancel()
            if self._watch is not None:
                self._watch.cancel()
            # They point back here: what only the garbage collector can find stops everybody.
            del self._timer, self._watch

    def _attend_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(ATTENDED_AFTER, self._attend)

    def _attend(self) -> None:
        if self._is_heard_out:
            self._watch = asyncio.create_task(self._until_gone())
        else:
            self._attend_later()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        # The server calls it a disconnect, too, when the response has been given.
        if not self._is_answered:
            self.is_gone = self._serving.cancel()


class ErrorHandler:
    """Turn every exception into a problem document; nothing of its text reaches the client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets a response
            response = _response(scope, error)
            if not started:
                await response(scope, receive, send)


def _response(scope: Scope, error: Exception) -> Response:
    # Not where it is caught: there a variable that has the error keeps all of the request in a
    # cycle, and the garbage collector stops everybody to find it.
    problem = _problem(Request(scope), error)
    if problem.type.status >= 500:
        debug = scope["state"]["services"].settings.debug
        logger.error(
            problem.type.code,
            error=type(error).__name__,
            where=logs.where(error),  # an exception's own text may hold values
            exc_info=error if debug else None,
        )
    return problem_response(problem, str(scope["state"]["request_id"]))


def _request_id(offered: str | None) -> UUID:
    try:
        return UUID(offered or "")
    except ValueError:
        return uuid4()


def _problem(request: Request, error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, asyncpg.PostgresError):
        constraints = request.state.services.database.constraints
        return problems.from_database(error, constraints, getattr(request.state, "fields", ()))
    if isinstance(error, asyncpg.DataError | UnicodeEncodeError):
        return Problem(problems.VALIDATION_FAILED)
    if isinstance(error, OutcomeUnknownError):
        detail = "Read what is there before you send it again, next time with an Idempotency-Key."
        if "Idempotency-Key" in request.headers:
            detail = "Send it again with the same Idempotency-Key: it is done once."
        return Problem(problems.OUTCOME_UNKNOWN, detail)
    if isinstance(error, DatabaseError | asyncpg.InterfaceError | OSError | TimeoutError):
        return Problem(problems.UNAVAILABLE)
    return Problem(problems.INTERNAL)
