"""The way to the health and the figures: little for everybody, all of it on the operator's port."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from app.health.monitor import show
from app.health.report import HealthState
from app.http import metrics
from app.http.endpoint import Handler
from app.http.middleware import RequestMiddleware
from app.http.protocol import Protocol
from app.http.requests import Services, services
from app.http.server import Drain


def routes(*, is_full: bool, has_metrics: bool) -> list[Route]:
    """Return the routes.

    Args:
        is_full: Whether reasons and figures are told, and not only what is well and what is not.
        has_metrics: Whether the figures for Prometheus are there as well.
    """

    async def report(request: Request) -> Response:
        report = services(request).health.report
        document = report.document(is_full=is_full)
        if _drains(request):
            document = {**document, "state": HealthState.DRAINING}
        return _response(document, is_well=report.is_ready and not _drains(request))

    async def ready(request: Request) -> Response:
        report = services(request).health.report
        state = HealthState.DRAINING if _drains(request) else report.state
        document = {"state": state, "age_seconds": report.age_seconds}
        return _response(document, is_well=report.is_ready and not _drains(request))

    async def database(request: Request) -> Response:
        report = services(request).health.report
        check = report.checks.get("database") or report.checks["monitor"]
        is_well = check.is_ok and "monitor" not in report.checks
        document = {**check.document(is_full=is_full), "ok": is_well}
        return _response({**document, "age_seconds": report.age_seconds}, is_well=is_well)

    found: Mapping[str, Handler] = {
        "/health": report,
        "/health/live": _live,
        "/health/ready": ready,
        "/health/database": database,
        **({"/metrics": _metrics} if has_metrics else {}),
    }
    return [Route(path, handle) for path, handle in found.items()]


def _drains(request: Request) -> bool:
    return bool(services(request).drain.is_announced)


def _response(document: Mapping[str, object], *, is_well: bool) -> Response:
    return JSONResponse(document, status_code=200 if is_well else 503)


async def _live(_: Request) -> Response:
    return JSONResponse({"state": "live"})


async def _metrics(request: Request) -> Response:
    metrics.measure(services(request).database)
    show(services(request).health.report.state)  # of a monitor that hangs, nobody else says so
    return Response(metrics.figures(), media_type=CONTENT_TYPE_LATEST)


@asynccontextmanager
async def operated(
    listener: socket.socket | None, state: Mapping[str, object]
) -> AsyncIterator[None]:
    """Serve everything to operators while the block runs, on a port of their own.

    Args:
        listener: Its socket; `None` if there is none.
        state: What the lifespan yields.
    """
    if listener is None:
        yield
        return
    found = Router(routes(is_full=True, has_metrics=True), redirect_slashes=False)
    deadline = cast(Services, state["services"]).settings.request_timeout
    app = RequestMiddleware(found, deadline=deadline)
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
    config.load()
    # The same event loop, and no server of uvicorn's: that would take the signals for itself.
    shared = Drain()
    shared.linger = 0
    server = await asyncio.get_running_loop().create_server(
        lambda: Protocol(config=config, server_state=shared, app_state=dict(state)), sock=listener
    )
    try:
        yield
    finally:
        server.close()
        for connection in list(shared.connections):
            connection.shutdown()
