"""`hearth serve`: the service, on a database that is there."""

import asyncio
import gc
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from app.cli.shared import out, plain_errors
from app.db.pool import DatabaseError
from app.settings import Settings, SettingsError, load


def serve() -> None:
    """Serve HTTP from the configured database."""
    with plain_errors():
        settings = load()
        with listening(settings.host, settings.port) as listener:
            ready = f"Hearth serves on http://{settings.host}:{settings.port}"
            serve_until_stopped(settings, listener, ready=ready)


def serve_until_stopped(settings: Settings, listener: socket.socket, *, ready: str) -> None:
    """Serve until SIGINT or SIGTERM, and print `ready` once requests are taken.

    Raises:
        SettingsError: Something that is needed is not configured.
        DatabaseError: The database cannot be reached, is not migrated, or the login is unsafe.
    """
    # Imported here: the other commands start twice as fast without the HTTP half.
    import uvicorn

    from app import logs, main
    from app.http.protocol import Protocol
    from app.http.server import Drain, Server

    def take_requests() -> None:
        # What is there by now stays: looking for garbage among it would stop everybody for 0.1 s.
        gc.collect()
        gc.freeze()
        out.print(ready)

    logs.configure(settings.log_level)
    asyncio.run(main.check(settings))
    drain = Drain()
    config = uvicorn.Config(
        main.create_app(settings, drain, on_ready=take_requests),
        http=Protocol,
        access_log=False,
        log_config=None,
        server_header=False,
        forwarded_allow_ips=settings.forwarded_allow_ips,
    )
    delay, limit = settings.drain_delay, settings.request_timeout
    server = Server(config, drain, delay=delay, limit=limit)
    # uvicorn ends in good order on either signal and then raises it again for whoever is above it.
    try:
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    except SystemExit:
        raise DatabaseError("DATABASE_URL: the server went away during the start") from None


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield the listening socket; ours, so that a taken port is told early and in our words.

    Raises:
        SettingsError: It cannot listen there.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1024)
        except OSError as error:
            raise SettingsError(
                f"PORT: cannot listen on {host}:{port} ({error.strerror})"
            ) from None
        yield listener
