"""The server: uvicorn's own, but that its end cuts nobody off.

On a signal it says that it drains: readiness is 503, and each response that it is the last of its
connection. Requests are taken as before for a while, in which load balancers and clients go
elsewhere. Then it stops listening, responds to what has been read, and closes what is silent.
"""

import asyncio
import ctypes
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import FrameType

import uvicorn
from uvicorn.server import ServerState

from app.db.pool import ROLLBACK_LIMIT

# Seconds that a connection has to be silent before it is closed: who has just had a response may
# have sent the next request already.
LINGER = 0.5

# Seconds between two looks at what is left.
PAUSE = 0.05

# Linux' socket(7); Python has no name for it.
SO_ATTACH_FILTER = 26

# A program for it: load the flags of the segment, keep SYN and ACK of them, and drop what has SYN
# alone: who asks for a new connection (RFC 9293, 3.1). The rest passes, whole.
_NO_NEWCOMERS = (
    (0x30, 0, 0, 13),
    (0x54, 0, 0, 0x12),
    (0x15, 0, 1, 0x02),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFF_FFFF),
)


class Drain(ServerState):
    """What server, connections and application know of the end.

    Attributes:
        is_on: Responses are the last of their connections.
        is_announced: Readiness says so too; not when another process goes on at the same address.
        linger: Seconds that a connection has to be silent before it is closed.
        ends_at: When requests have to be over, in the time of the event loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_on = False
        self.is_announced = False
        self.linger = LINGER
        self.ends_at = float("inf")


class Server(uvicorn.Server):
    """Serves until SIGTERM or SIGINT, or `retire`, and drains; a second signal ends it at once.

    Args:
        config: What uvicorn wants to know.
        drain: What the application was made with.
        delay: Seconds between SIGTERM and the end of listening; SIGINT does not wait.
        limit: Seconds that requests may take from then on.
        is_worker: Whether it is a worker, which another process ends when it is to end at once:
            SIGTERM may reach it from there and from whoever signals all processes.
        is_last: Says whether nobody listens at the address after it and the other workers.
        others: The listening sockets of the other workers. What waits there for long is taken: one
            of them is dead, or too busy.
    """

    server_state: Drain

    def __init__(
        self,
        config: uvicorn.Config,
        drain: Drain,
        *,
        delay: float = 0,
        limit: float = 15,
        is_worker: bool = False,
        is_last: Callable[[], bool] = lambda: True,
        others: Sequence[socket.socket] = (),
    ) -> None:
        super().__init__(config)
        self.server_state = drain
        self._delay = delay
        self._limit = limit
        self._is_worker = is_worker
        self._is_last = is_last
        self._others = others
        self._waited: set[socket.socket] = set()
        self._is_replaced = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; at the second signal, end."""
        is_second = self.should_exit
        super().handle_exit(sig, frame)
        self.force_exit = is_second and not self._is_worker
        if sig == signal.SIGINT:
            self._delay = 0

    def retire(self) -> None:
        """Drain while another process listens on the same socket: nobody is to know.

        A client that goes on finds the other one after its next response; who is silent is closed
        when they would have been anyway.
        """
        self.server_state.linger = self.config.timeout_keep_alive
        self._delay = 0
        self._is_replaced = self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Go on for a while, stop listening, respond to what was read, end the application."""
        drain, now = self.server_state, asyncio.get_running_loop().time
        drain.is_on, drain.is_announced = True, not self._is_replaced
        for connection in list(drain.connections):
            connection.announce_end()  # type: ignore[union-attr]
        over = now() + self._delay
        while now() < over and not self.force_exit:
            await self._pause()

        listeners = [*(sockets or ()), *self._others]
        if self._is_last() and not self._is_replaced:
            # The kernel resets whom it lets in between the last look at who waits and the end.
            for listener in listeners:
                let_nobody_in(listener)
            await self._pause()
        await self._stop_listening(listeners)
        drain.ends_at = now() + self._limit
        # What is cancelled at the end is rolled back, and the client told.
        over = drain.ends_at + ROLLBACK_LIMIT + 0.5
        while drain.connections and now() < over and not self.force_exit:
            for connection in list(drain.connections):
                connection.shutdown()
            await self._pause()
        for connection in list(drain.connections):
            connection.transport.abort()
        for task in list(drain.tasks):
            task.cancel()

        ending = asyncio.ensure_future(self.lifespan.shutdown())
        while not ending.done() and not self.force_exit:
            await asyncio.wait({ending}, timeout=PAUSE)

    async def _pause(self) -> None:
        await self.on_tick(0)  # for the header Date
        await asyncio.sleep(PAUSE)  # connections do not tell when they are silent

    async def on_tick(self, counter: int) -> bool:
        """Look after what is to be done now and then."""
        if self._others:
            waits = set(select.select(self._others, [], [], 0)[0])
            accepted = _accept(waits & self._waited)
            self._waited = waits
            await self._serve_accepted(accepted)
        return await super().on_tick(counter)

    async def _stop_listening(self, sockets: list[socket.socket]) -> None:
        # Who waits to be accepted would be reset: accept until nobody does, and close on the spot.
        accepted = _accept(sockets)
        for server in self.servers:
            server.close()
        for listener in sockets:
            listener.close()
        self._others = ()
        await self._serve_accepted(accepted)

    async def _serve_accepted(self, accepted: list[socket.socket]) -> None:
        for connection in accepted:
            with suppress(OSError):
                await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        protocol = self.config.http_protocol_class
        return protocol(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def let_nobody_in(listener: socket.socket) -> None:
    """Drop whoever asks for a connection: they ask again after a second, and are refused then."""
    if sys.platform == "linux":
        program = b"".join(struct.pack("HBBI", *line) for line in _NO_NEWCOMERS)
        kept = ctypes.create_string_buffer(program)
        given = struct.pack("HP", len(_NO_NEWCOMERS), ctypes.addressof(kept))
        with suppress(OSError):  # a sandbox may have no filters: then the end is as elsewhere
            listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, given)


def _accept(listeners: Iterable[socket.socket]) -> list[socket.socket]:
    """Accept whoever waits."""
    accepted = []
    for listener in listeners:
        listener.setblocking(False)
        with suppress(OSError):
            while True:
                connection = listener.accept()[0]
                connection.setblocking(False)
                accepted.append(connection)
    return accepted
