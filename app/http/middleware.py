"""What surrounds every request: its id, log and measurement, its limits, its problems.

Pure ASGI, in one pass. Starlette's BaseHTTPMiddleware runs the application in a task of its own and
leaks connections when the request is cancelled; and each layer of a stack costs, some times over.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from itertools import chain
from math import inf
from uuid import UUID, uuid4

import asyncpg
import structlog
from prometheus_client import Histogram
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app import logs
from app.db.context import Context
from app.db.figures import observer
from app.db.pool import DatabaseError, OutcomeUnknownError
from app.http import problems
from app.http.exchange import Exchange
from app.http.handler import Served
from app.http.observation import Observation
from app.http.problems import Problem, problem_response
from app.http.routing import Table
from app.http.server import Drain
from app.http.tracing import Trace

logger = structlog.get_logger("hearth.requests")

# Bytes of the URL and all headers together; what nginx and Apache take by default is of that order.
MAX_HEADER_BYTES = 16_384

# Of two of these a proxy may go by the one and we by the other. RFC 9112, 3.2, says so of Host, and
# that HTTP/1.1 does not go without it.
ONCE = frozenset({b"authorization", b"content-type", b"host"})

# By the route's pattern, so that there are as many series as routes, whatever clients ask for.
DURATION = Histogram(
    "hearth_request_duration_seconds",
    "How long requests took.",
    ("method", "route", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
_duration = cache(DURATION.labels)


class RequestMiddleware:
    """One pass around each request.

    Each response gets the security headers that it does not bring itself, and `Server-Timing`: but
    no request for which nobody has signed in gets that from the API. Who tries passwords or
    addresses would have a clock without the noise of the network.

    A client's own id is taken over if it is a UUID: so it finds its requests in the audit trail.
    The path is logged as the route's pattern: what a client writes into it is not repeated.

    A request is served only as long as somebody waits for it, and no longer than it may take: when
    the client goes away or the deadline passes, its task is cancelled, and with it what it does in
    PostgreSQL.

    Every exception becomes a problem document; nothing of its text reaches the client.

    Args:
        app: What serves whatever is at no path of the table, and the lifespan.
        table: The API.
        cors: Returns what answers browsers of other origins, around an application.
        deadline: Seconds from the request's line to its response, the reading of the body included.
        drain: Says when the server ends, and all requests with it.
        trace: Makes spans of the requests to the API; `None` if nobody wants them.
    """

    def __init__(
        self,
        app: ASGIApp,
        table: Table[Served] | None = None,
        *,
        cors: Callable[[ASGIApp], ASGIApp] | None = None,
        deadline: float = inf,
        drain: Drain | None = None,
        trace: Trace | None = None,
    ) -> None:
        self._app = app
        self._table = Table[Served](()) if table is None else table
        self._cors = cors
        self._deadline = deadline
        self._drain = drain or Drain()
        self._trace = trace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, in a task of its own."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id"))
        is_api = scope["path"].startswith("/v1/")
        trace = self._trace if is_api else None
        observation = Observation(keeps_steps=trace is not None)
        exchange = Exchange(scope, receive, send, headers, observation)
        scope["app"] = self  # by which Starlette's routes know that somebody takes their exceptions
        scope["state"].update(request_id=request_id, headers=headers)
        # Nobody comes after this request in its task.
        observer.set(observation)
        structlog.contextvars.bind_contextvars(request_id=str(request_id))
        try:
            if self._cors is None or (is_api and b"origin" not in headers):
                exchange.varies = self._cors is not None
                await self._serve(exchange, scope, exchange.receive, None)
            else:
                around = self._cors(partial(self._serve, exchange))
                await around(scope, exchange.receive, exchange.send)
        finally:
            trace_id = trace and trace(scope, exchange.status, observation)
            _tell(scope, exchange.status, observation, trace_id)

    async def _serve(
        self, exchange: Exchange, scope: Scope, receive: Receive, send: Send | None
    ) -> None:
        over = asyncio.get_running_loop().time() + self._deadline
        exchange.attend(min(over, self._drain.ends_at))
        try:
            _refuse_ambiguous(scope)
            response = await self._answer(scope, receive, send or exchange.send)
            if response is not None:
                await exchange.respond(response, send)
        except ClientDisconnect:
            response = None
        except asyncio.CancelledError:
            if not (exchange.is_gone or exchange.is_late):
                raise
            stops = over > self._drain.ends_at
            response = _response(scope, _STOPS if stops else _LATE) if exchange.is_late else None
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets a response
            response = _response(scope, error)
        else:
            return
        finally:
            exchange.release()
        if response is not None and not exchange.is_started:
            await exchange.respond(response, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        found = self._table.find(scope["path"])
        if found is None:
            await self._app(scope, receive, send)
            return None
        route, scope["path_params"] = found
        scope["route"] = route
        method = scope["method"]
        served = route.rows.get("GET" if method == "HEAD" else method)
        if served is None:
            raise Problem(problems.METHOD_NOT_ALLOWED, headers={"Allow": route.allowed})
        return await served.serve(Request(scope, receive))


_LATE = Problem(problems.TIMEOUT, "The request took longer than it may.")
_STOPS = Problem(problems.UNAVAILABLE, "The service stops; send it again.")


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
        "user_id": context and context.texts[0],
        "family_id": context and context.texts[2],
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


def _refuse_ambiguous(scope: Scope) -> None:
    headers, given = scope["headers"], scope["state"]["headers"]
    url = len(scope["raw_path"]) + len(scope["query_string"])
    if url + sum(map(len, chain.from_iterable(headers))) > MAX_HEADER_BYTES:
        raise Problem(problems.HEADERS_TOO_LARGE)
    if len(given) < len(headers):
        names = [name for name, _ in headers if name in ONCE]
        if len(set(names)) < len(names):
            once = ", ".join(name.decode().title() for name in sorted(ONCE))
            raise Problem(problems.MALFORMED, f"{once}: may be given once each.")
    if b"host" not in given and scope["http_version"] != "1.0":
        raise Problem(problems.MALFORMED, "Host: is missing.")


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


def _request_id(offered: bytes | None) -> UUID:
    if offered is not None:
        with suppress(ValueError):
            return UUID(offered.decode("latin-1"))
    return uuid4()


def _problem(request: Request, error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):  # what Starlette's routes refuse
        kinds = {kind.status: kind for kind in (problems.NOT_FOUND, problems.METHOD_NOT_ALLOWED)}
        return Problem(kinds.get(error.status_code, problems.MALFORMED), headers=error.headers)
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
