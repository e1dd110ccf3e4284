"""`hearth serve`: the service, which answers while it waits for its database."""

import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Annotated

import typer

from app.cli.shared import announce, plain_errors
from app.settings import Settings, SettingsError, load


def serve(
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="How many processes serve; WORKERS by default, or 1."),
    ] = None,
) -> None:
    """Serve HTTP from the configured database."""
    with plain_errors():
        settings = load(**({} if workers is None else {"workers": workers}))
        with listening(settings.host, settings.port) as listener:
            ready = f"Hearth serves on http://{settings.host}:{settings.port}"
            if settings.workers == 1:
                serve_until_stopped(settings, listener, on_ready=lambda: announce(ready))
                return
            _supervise(settings, listener, f"{ready} with {settings.workers} workers")


def _supervise(settings: Settings, listener: socket.socket, ready: str) -> None:
    if sys.platform == "win32":
        raise SettingsError("WORKERS: more than one are not supported on Windows")
    from app import logs
    from app.cli.workers import supervise

    logs.configure(settings.log_level)
    if code := supervise(settings, listener, on_ready=lambda: announce(ready)):
        raise typer.Exit(code)


def worker(line: int, listener: int, others: list[int]) -> None:
    """Serve on a socket that `hearth serve --workers` has opened, and say so on a line to it."""
    from app.cli.workers import supervised_by

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # meant for the supervisor, whoever else gets it
    supervisor, own = socket.socket(fileno=line), socket.socket(fileno=listener)
    with suppress(KeyboardInterrupt), plain_errors(), supervised_by(supervisor) as all_end:
        serve_until_stopped(
            load(),
            own,
            on_ready=lambda: supervisor.send(b"."),
            is_last=all_end.is_set,
            others=[socket.socket(fileno=other) for other in others],
        )


def serve_until_stopped(
    settings: Settings,
    listener: socket.socket,
    *,
    on_ready: Callable[[], object],
    is_last: Callable[[], bool] = lambda: True,
    others: Sequence[socket.socket] = (),
) -> None:
    """Serve until SIGINT or SIGTERM, and tell `on_ready` once requests are taken.

    Args:
        settings: The configuration.
        listener: Where to serve; it is closed.
        on_ready: Called when requests are taken.
        is_last: Says whether nobody listens at the address afterwards.
        others: Where the other workers listen, if there are any.

    Raises:
        SettingsError: Something that is needed is not configured.
        DatabaseError: The database cannot be reached, is not migrated, or the login is unsafe.
    """
    # Imported here: the other commands start twice as fast without the HTTP half.
    import uvicorn

    from app import logs, main
    from app.http import metrics, tracing
    from app.http.protocol import Protocol
    from app.http.server import Drain, Server

    def take_requests() -> None:
        # What is there by now stays: looking for garbage among it stops everybody.
        gc.collect()
        gc.freeze()
        on_ready()

    async def measure() -> None:
        if (services := server.lifespan.state.get("services")) is not None:
            metrics.measure(services.database)

    def stop(error: Exception) -> None:
        failures.append(error)
        server.should_exit = True

    is_worker = bool(others)
    failures: list[Exception] = []
    logs.configure(settings.log_level)
    drain = Drain()
    with (
        _listening_for_operators(settings, is_shared=is_worker) as operators,
        tracing.exporting() as trace,
    ):
        app = main.create_app(
            settings,
            drain,
            operators=operators,
            trace=trace,
            is_patient=is_worker,
            on_ready=take_requests,
            on_failure=stop,
        )
        config = uvicorn.Config(
            app,
            http=Protocol,
            access_log=False,
            log_config=None,
            server_header=False,
            forwarded_allow_ips=settings.forwarded_allow_ips,
            # Any of several workers tells the figures of all: each notes its own every second.
            callback_notify=measure if is_worker else None,
            timeout_notify=1,
        )
        delay, limit = settings.drain_delay, settings.request_timeout
        server = Server(
            config,
            drain,
            delay=delay,
            limit=limit,
            is_worker=is_worker,
            is_last=is_last,
            others=others,
        )
        if is_worker:
            signal.signal(signal.SIGUSR1, lambda *_: server.retire())
        # uvicorn ends in good order on either signal and then raises it again for who is above it.
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    if failures:
        raise failures[0]


def _listening_for_operators(
    settings: Settings, *, is_shared: bool
) -> AbstractContextManager[socket.socket | None]:
    # Of several workers any answers: it has the figures of all.
    if settings.operator_port is None:
        return nullcontext()
    host, port = settings.operator_host, settings.operator_port
    return listening(host, port, variable="OPERATOR_PORT", is_shared=is_shared)


@contextmanager
def listening(
    host: str, port: int, *, variable: str = "PORT", is_shared: bool = False
) -> Iterator[socket.socket]:
    """Yield the listening socket; ours, so that a taken port is told early and in our words.

    Raises:
        SettingsError: It cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol: asyncio sends at once (TCP_NODELAY) only where it sees that it is TCP.
    with socket.socket(family, proto=socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            listener.bind((host, port))
            listener.listen(1024)
        except OSError as error:
            raise SettingsError(
                f"{variable}: cannot listen on {host}:{port} ({error.strerror})"
            ) from None
        yield listener
