"""The HTTP door: an ASGI application around the resources."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypedDict

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from app.auth import passwords
from app.auth.tokens import Tokens
from app.db.pool import Database
from app.db.replica import ReplicatedDatabase
from app.health.monitor import Monitor
from app.http import docs, health, openapi
from app.http.handler import table
from app.http.middleware import RequestMiddleware
from app.http.requests import Services
from app.http.routing import Table
from app.http.server import Drain
from app.http.tracing import Trace
from app.resources import ENDPOINTS, RESOURCES
from app.settings import Settings


class State(TypedDict):
    """What the lifespan yields."""

    services: Services


def create_app(
    settings: Settings,
    drain: Drain,
    *,
    operators: socket.socket | None = None,
    trace: Trace | None = None,
    is_patient: bool = False,
    on_ready: Callable[[], None] = lambda: None,
    on_failure: Callable[[Exception], None] = lambda error: None,
) -> ASGIApp:
    """Return the application; its lifespan connects to the database and disconnects again.

    Unless it is patient it serves from its first moment: while the database is waited for, it says
    that it is starting.

    Args:
        settings: The configuration; `DATABASE_URL` and `JWT_SECRET` must be set.
        drain: Says whether the server that serves it is about to end.
        operators: A listening socket for whoever may see the health in full and the figures; where
            there is one, the figures are nowhere else.
        trace: Makes spans of requests, if somebody wants them.
        is_patient: Whether it takes no requests before it can serve them: another process does.
        on_ready: Called once the database is connected, right before requests are served.
        on_failure: Called if that can never be, with the reason: a `DatabaseError`, or whatever
            nobody has thought of.

    Raises:
        SettingsError: `DATABASE_URL` or `JWT_SECRET` is not set.
    """
    tokens = Tokens(settings)
    database = (ReplicatedDatabase if settings.replica_url else Database)(settings)
    monitor = Monitor(settings, database)

    decided = asyncio.Event()

    def succeed() -> None:
        decided.set()
        on_ready()

    def fail(error: Exception) -> None:
        decided.set()
        on_failure(error)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[State]:
        batched = Table(row for row in ENDPOINTS if row.is_for_batches)
        state: State = {
            "services": Services(
                settings, database, tokens, monitor, passwords.queue(), drain, batched
            )
        }
        try:
            async with (
                monitor.watching(succeed, fail),
                health.operated(operators, state),
            ):
                if is_patient:
                    await decided.wait()
                yield state
        finally:
            await database.disconnect()

    pages = Router(
        [
            *health.routes(is_full=False, has_metrics=operators is None),
            *docs.routes(RESOURCES),
            Route("/", _front_door),
        ],
        # A redirect would repeat the Host header, which is the client's to choose.
        redirect_slashes=False,
        lifespan=lifespan,
    )
    return RequestMiddleware(
        pages,
        table(ENDPOINTS),
        cors=partial(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", *openapi.PARAMETERS],
            expose_headers=list(openapi.HEADERS),
        ),
        deadline=settings.request_timeout,
        drain=drain,
        trace=trace,
    )


async def _front_door(_: Request) -> Response:
    return RedirectResponse("/docs")
