"""Middleware: an id, a line of log and a measurement for each request; problems for errors.

Pure ASGI. Starlette's BaseHTTPMiddleware runs the application in a task of its own and leaks
connections when the request is cancelled.
"""

import time
from uuid import UUID, uuid4

import asyncpg
import structlog
from prometheus_client import Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import errors, logs
from app.database import DatabaseError
from app.errors import Problem, problem_response

logger = structlog.get_logger("hearth.requests")

# By the route's pattern, so that there are as many series as routes, whatever clients ask for.
DURATION = Histogram(
    "hearth_request_duration_seconds",
    "How long requests took.",
    ("method", "route", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)


class RequestLog:
    """Give each request an id, answer it as `X-Request-Id`, log one line at its end, measure it.

    A client's own id is taken over if it is a UUID: so it finds its requests in the audit trail.
    The path is logged as the route's pattern: what a client writes into it is not repeated.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("X-Request-Id"))
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 499  # as nginx has it: the client went away before there was an answer

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = str(request_id)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=str(request_id)):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                route = getattr(scope.get("route"), "path", None)
                took = time.perf_counter() - started
                # A method that there is not is whatever the client wrote: it names no series.
                method = scope["method"] if route else "other"
                DURATION.labels(method, route or "none", status).observe(took)
                logger.info(
                    "request",
                    method=scope["method"],
                    route=route,
                    status=status,
                    milliseconds=round(took * 1000, 1),
                )


class Problems:
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
        except Exception as error:
            problem = _problem(Request(scope), error)
            if problem.kind.status >= 500:
                debug = scope["state"]["services"].settings.debug
                logger.error(  # noqa: TRY400 - an exception's own text may hold values
                    problem.kind.code,
                    error=type(error).__name__,
                    where=logs.where(error),
                    exc_info=error if debug else None,
                )
            if not started:
                request_id = str(scope["state"]["request_id"])
                await problem_response(problem, request_id)(scope, receive, send)


def _request_id(offered: str | None) -> UUID:
    try:
        return UUID(offered or "")
    except ValueError:
        return uuid4()


def _problem(request: Request, error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, asyncpg.PostgresError):
        comments = request.state.services.database.constraint_comments
        return errors.from_database(error, comments)
    if isinstance(error, asyncpg.DataError | UnicodeEncodeError):
        return Problem(errors.INVALID)
    if isinstance(error, DatabaseError | asyncpg.InterfaceError | OSError | TimeoutError):
        return Problem(errors.UNAVAILABLE, headers={"Retry-After": "1"})
    return Problem(errors.INTERNAL)
