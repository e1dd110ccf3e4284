"""The way to the database: to which host, with what password, and how long it is waited for."""

import asyncio
import random
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
import structlog

from app.db.errors import ERRORS, DatabaseError, give_up, is_lost, is_refusal
from app.db.pipeline import Pipeline
from app.db.transaction import BEGIN, BEGIN_REQUEST
from app.db.url import for_asyncpg, one_by_one, options, with_options
from app.settings import Settings, SettingsError, UrlName

T = TypeVar("T")

logger = structlog.get_logger("hearth.database")

# Seconds that one host has to take a connection, unless the URL says `connect_timeout`.
CONNECT_LIMIT = 5.0

# How a peer that has gone without a word is noticed while nobody asks it: looked for after so many
# seconds of silence, every so many, given up after so many looks; and, in milliseconds, when what
# was sent to it is not received. The names are libpq's, whose values in a URL are taken instead.
_KEEPALIVES = {
    "keepalives_idle": ("TCP_KEEPIDLE", 10),
    "keepalives_interval": ("TCP_KEEPINTVL", 3),
    "keepalives_count": ("TCP_KEEPCNT", 3),
    "tcp_user_timeout": ("TCP_USER_TIMEOUT", 15_000),
}


class Connection(asyncpg.Connection):
    """A connection that knows its age, and when the server last answered.

    Attributes:
        born: When it was opened, by `time.monotonic`.
        heard: When the server last answered.
        idle_since: When it was last used.
        pipeline: What sends more than one thing at once on it; `None` through a pooler.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.pipeline: Pipeline | None = None
        self.born = self.heard = self.idle_since = time.monotonic()
        # So that those that were opened together do not end together.
        self._share = random.uniform(0.8, 1.0)  # noqa: S311 - no secret

    @property
    def age(self) -> float:
        """Seconds since it was opened, and up to a quarter more."""
        return (time.monotonic() - self.born) / self._share


class Way:
    """Makes new connections: to the first host of a URL that serves, with the password of now.

    asyncpg tries several hosts as well, but has one limit for all: a silent one uses it up.

    Args:
        url: Returns the URL, as libpq reads it, with the password that is valid now.
        timeout: Seconds for each host, if the URL has no `connect_timeout`.
        within: Seconds for all hosts together, where there are several.
        is_direct: Whether there is no pooler in between, and a pipeline may be used.
        options: asyncpg's, of each connection.

    Raises:
        SettingsError: There is no URL.
    """

    def __init__(
        self,
        url: Callable[[], str],
        *,
        timeout: float = CONNECT_LIMIT,
        within: float | None = None,
        is_direct: bool = False,
        **options: Any,
    ) -> None:
        self._url = url
        self._timeout = timeout
        self._within = within
        self._is_direct = is_direct
        self._options = options
        url()

    async def __call__(self, *_: object, **further: Any) -> Any:
        """Return a connection.

        Raises:
            DatabaseError: The password cannot be read, as the message says.
            asyncpg.PostgresError: The server refused; or another one of `ERRORS`.
        """
        try:
            url = self._url()
        except SettingsError as error:
            logger.error("no password for the database", reason=str(error))  # noqa: TRY400
            raise DatabaseError(str(error)) from None
        dsn, timeout = for_asyncpg(url, self._timeout)
        hosts = _preferred(one_by_one(dsn))
        if self._within is not None and len(hosts) > 1:
            timeout = min(timeout, self._within / len(hosts))
        while True:
            try:
                connection = await asyncpg.connect(
                    hosts.pop(0),
                    timeout=timeout,
                    **{**self._options, **further, "connection_class": Connection},
                )
                break
            except ERRORS as error:
                if not hosts or not (isinstance(error, TimeoutError) or is_lost(error)):
                    raise
            except ValueError:  # asyncpg's own word of a port that is none
                raise asyncpg.ClientConfigurationError("port") from None
        _keep_alive(connection, url)
        if self._is_direct:
            connection.pipeline = Pipeline(connection, (BEGIN, BEGIN_REQUEST))
        return connection


def way(settings: Settings, *, url: UrlName = "database_url", **options: Any) -> Way:
    """Return the way of the service.

    Args:
        settings: Where the database is, and through what.
        url: The setting that says where.
        options: What is different from all other connections.

    Raises:
        SettingsError: The URL is not set, or its password cannot be read.
    """
    return Way(
        lambda: settings.require(url),
        **{
            "within": settings.pool_acquire_timeout,
            # The server's own limits come first; this is for a server that is gone.
            "command_timeout": 60 + (settings.statement_timeout_ms or 0) / 1000,
            # A transaction pooler may hand each transaction to another server connection.
            "statement_cache_size": 0 if settings.database_pooler == "transaction" else 256,
            "is_direct": settings.database_pooler == "none",
            **options,
        },
    )


def _preferred(urls: list[str]) -> list[str]:
    """Return what is to be tried, where a standby is preferred: any host, if none is one."""
    preference = ("target_session_attrs", "prefer-standby")
    first = [
        with_options(
            url,
            [
                (name, "standby") if (name, value) == preference else (name, value)
                for name, value in options(url)
            ],
        )
        for url in urls
        if preference in options(url)
    ]
    return [*first, *urls]


def _keep_alive(connection: Any, url: str) -> None:
    # asyncpg has no word for it. Sockets of this machine need none.
    peer: socket.socket = connection._transport.get_extra_info("socket")
    given = dict(options(url))
    if peer.family not in (socket.AF_INET, socket.AF_INET6) or given.get("keepalives") == "0":
        return
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, (constant, value) in _KEEPALIVES.items():
        if hasattr(socket, constant):  # each system has some of them
            said = given.get(name, "")
            value = int(said) if said.isdecimal() and int(said) > 0 else value
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, constant), value)


async def patiently(
    attempt: Callable[[], Awaitable[T]], *, within: float, variable: str = "DATABASE_URL"
) -> T:
    """Return what an attempt does once the database is there; pauses grow from 0.1 to 1 s.

    Args:
        attempt: What is tried.
        within: Seconds after which it is given up.
        variable: The name of the setting that says where it is.

    Raises:
        DatabaseError: The database is not there in time, or refuses us: then at once.
    """
    deadline = time.monotonic() + within
    pause = 0.1
    while True:
        try:
            return await attempt()
        except (*ERRORS, DatabaseError) as error:
            left = deadline - time.monotonic()
            if is_refusal(error) or pause > left:
                give_up(error, variable)
            logger.warning(
                f"waiting for the database of {variable}",
                reason=type(error).__name__,
                seconds_left=round(left, 1),
            )
        await asyncio.sleep(pause)  # a server that is away tells nobody when it is back
        pause = min(pause * 2, 1.0)
