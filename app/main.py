"""The HTTP door: an ASGI application around the resources."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypedDict

import asyncpg
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app.auth.tokens import Tokens
from app.auth.turns import Turns
from app.db.pool import Database, DatabaseError, Transaction
from app.http import docs, metrics, openapi, problems
from app.http.handler import routes
from app.http.health import Health, HealthState, unsafe
from app.http.middleware import ErrorHandler, RequestLog, RequestTimeout
from app.http.problems import Problem, problem_response
from app.http.requests import Services, request_id, services
from app.http.server import Drain
from app.resources import ENDPOINTS, RESOURCES
from app.settings import Settings


class State(TypedDict):
    """What the lifespan yields."""

    services: Services


async def check(settings: Settings) -> None:
    """See whether the service can be started: connect once, and look at our own login.

    Raises:
        SettingsError: Something that is needed is not configured.
        DatabaseError: The database cannot be reached, is not migrated, or the login is unsafe.
    """
    Tokens(settings)
    database = Database(settings)
    await database.connect()
    try:
        await _refuse_unsafe_login(database)
    finally:
        await database.disconnect()


async def _refuse_unsafe_login(database: Database) -> None:
    async def ask(transaction: Transaction) -> str:
        return str(await transaction.value("get_server", {}))

    try:
        server = json.loads(await database.run(None, ask, read_only=True))
    except asyncpg.InsufficientPrivilegeError:
        raise DatabaseError(
            "DATABASE_URL: this login may not use schema app; it should be app_api"
        ) from None
    if reasons := unsafe(server):
        raise DatabaseError(
            f"DATABASE_URL: {server['role']} must not serve tenants: {', '.join(reasons)}"
        )


def create_app(
    settings: Settings, drain: Drain, *, on_ready: Callable[[], None] = lambda: None
) -> Starlette:
    """Return the application; its lifespan connects to the database and disconnects again.

    Args:
        settings: The configuration; `DATABASE_URL` and `JWT_SECRET` must be set.
        drain: Says whether the server that serves it is about to end.
        on_ready: Called once the database is connected, right before requests are taken.

    Raises:
        SettingsError: `JWT_SECRET` is not set.
    """
    tokens = Tokens(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        database = Database(settings)
        await database.connect()
        try:
            await _refuse_unsafe_login(database)
            on_ready()
            health, turns = Health(database), Turns()
            yield {"services": Services(settings, database, tokens, health, turns, ENDPOINTS)}
        finally:
            await database.disconnect()

    app = Starlette(
        debug=False,
        routes=[
            *routes(ENDPOINTS),
            Route("/health", _health),
            Route("/health/live", _live),
            Route("/health/ready", _ready),
            Route("/health/database", _health_of_database),
            Route("/metrics", _metrics),
            *docs.routes(RESOURCES),
            Route("/", _front_door),
        ],
        middleware=[
            Middleware(RequestLog),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=["Authorization", "Content-Type", *openapi.PARAMETERS],
                expose_headers=list(openapi.HEADERS),
            ),
            Middleware(ErrorHandler),
            Middleware(RequestTimeout, deadline=settings.request_timeout, drain=drain),
        ],
        exception_handlers={HTTPException: _http_exception},
        lifespan=lifespan,
    )
    # A redirect would repeat the Host header, which is the client's to choose.
    app.router.redirect_slashes = False
    app.state.drain = drain
    return app


async def _http_exception(request: Request, error: Exception) -> Response:
    # What Starlette itself refuses: no such route, or not with this method.
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    kinds = {kind.status: kind for kind in (problems.NOT_FOUND, problems.METHOD_NOT_ALLOWED)}
    problem = Problem(kinds.get(error.status_code, problems.MALFORMED), headers=error.headers)
    return problem_response(problem, str(request_id(request)))


def _drains(request: Request) -> bool:
    return bool(request.app.state.drain.is_announced)


async def _health(request: Request) -> Response:
    report = await services(request).health.report()
    if _drains(request):
        return JSONResponse({**report.document, "state": HealthState.DRAINING}, status_code=503)
    return JSONResponse(report.document, status_code=200 if report.is_ready else 503)


async def _live(_: Request) -> Response:
    return JSONResponse({"state": "live"})


async def _ready(request: Request) -> Response:
    if _drains(request):
        return JSONResponse({"state": HealthState.DRAINING}, status_code=503)
    report = await services(request).health.report()
    return JSONResponse({"state": report.state}, status_code=200 if report.is_ready else 503)


async def _health_of_database(request: Request) -> Response:
    report = await services(request).health.report()
    check = report.checks["database"]
    return JSONResponse(check, status_code=200 if check["ok"] else 503)


async def _metrics(request: Request) -> Response:
    metrics.measure(services(request).database)
    return Response(metrics.figures(), media_type=CONTENT_TYPE_LATEST)


async def _front_door(_: Request) -> Response:
    return RedirectResponse("/docs")
