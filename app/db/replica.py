"""Reads on a replica, where it has all that the primary had when the request came.

So whoever reads sees what anybody was told is written, by whatever process, and a member who was
removed is refused with the next request: no client has to do anything for it.
"""

import asyncio
from collections.abc import Mapping
from contextvars import Context as Variables
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import structlog

from app.db.context import Context
from app.db.errors import (
    ERRORS,
    ConnectionLostError,
    DatabaseError,
    OverloadedError,
    PoolTimeoutError,
    give_up,
)
from app.db.pool import Database, Operation, State, line_of
from app.db.transaction import Beginning, Transaction
from app.db.watch import Watch
from app.settings import Settings

T = TypeVar("T")

logger = structlog.get_logger("hearth.database")

# Seconds until a read has begun on the replica; then it is the primary's.
LIMIT = 0.25

# Seconds between looks at how far the replica is: a little longer than it takes to get there from
# another rack. What takes longer than all of them, the primary does sooner.
PAUSES = (0.001, 0.002, 0.004, 0.008, 0.016)


class NotReplayedError(DatabaseError):
    """The replica does not have what the primary had, or may not."""


class Positions:
    """Asks the primary how far it is, once for all who came before it was asked.

    Args:
        watch: The connection to ask on.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._asked: asyncio.Task[str | None] | None = None
        self._next: asyncio.Task[str | None] | None = None

    async def take(self) -> str | None:
        """Return a position that is not older than this call; `None` if the primary is away."""
        if self._next is None:
            # Nobody's step in particular: no observer is told.
            self._next = asyncio.create_task(self._ask(self._asked), context=Variables())
        return await asyncio.shield(self._next)

    async def _ask(self, before: asyncio.Task[str | None] | None) -> str | None:
        if before is not None:
            await asyncio.wait([before])
        # Who comes from now on may have written what this one does not see.
        self._asked, self._next = self._next, None
        try:
            position: str = await self._watch.value("get_position", {})
        except (*ERRORS, DatabaseError):
            return None
        return position

    def renew(self) -> None:
        """Ask on a new connection from now on: it may lead to another server."""
        self._watch.close()

    def close(self) -> None:
        """Ask nobody any more."""
        for task in (self._asked, self._next):
            if task is not None:
                task.cancel()
        self._watch.close()


class ReplicatedDatabase(Database):
    """A database whose reads go to a replica for as long as that is near enough.

    The replica never has the last word on what goes wrong: the primary is asked then.

    Args:
        settings: Where the two are.

    Raises:
        SettingsError: `DATABASE_URL` or `REPLICA_URL` is not set.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._replica = Database(
            settings, url="replica_url", opening_limit=LIMIT / 3, figures=self.figures
        )
        self._watch = Watch(settings, url="replica_url")
        self._positions = Positions(Watch(settings, is_bare=True))
        self._position: str | None = None
        self._patience = settings.request_timeout / 2
        self._is_near = False

    async def connect(self, *, within: float | None = None) -> None:
        """Open the primary's pool; the replica's is opened by the first look that finds it."""
        await super().connect(within=within)
        self._position = await self._positions.take()

    async def disconnect(self) -> None:
        """Close both."""
        self._is_near = False
        self._positions.close()
        self._watch.close()
        await self._replica.disconnect()
        await super().disconnect()

    async def replace_connections(self) -> None:
        """Have each replaced when it is taken next: a new one may find another server."""
        self._positions.renew()
        await super().replace_connections()

    async def run(
        self,
        context: Context | None,
        operation: Operation[T],
        *,
        read_only: bool = False,
        is_single: bool = False,
        request_id: UUID | None = None,
    ) -> T:
        """Run an operation in one transaction, as `Database.run` does; a read on the replica."""
        if read_only and context is not None:
            if self._is_near:
                try:
                    result = await self._read(context, operation, request_id)
                except asyncpg.QueryCanceledError:
                    raise  # it would take as long there
                except (*ERRORS, DatabaseError) as error:
                    self._doubt(error)
                else:
                    self.figures.counts["read_replica"] += 1
                    return result
            self.figures.counts["read_primary"] += 1
        return await super().run(
            context,
            operation,
            read_only=read_only,
            is_single=is_single,
            request_id=request_id,
        )

    async def _read(self, context: Context, operation: Operation[T], request_id: UUID | None) -> T:
        async with asyncio.timeout(LIMIT) as limit:
            position = await self._positions.take()
            if position is None:
                raise NotReplayedError("the primary does not say how far it is")

            async def once_there(opened: Transaction) -> T:
                await _wait_for(position, opened)
                # Each statement sees what was there when it began: also who is a member.
                await opened.enter(context)
                # By then its server has ended every statement; one that is silent ends nothing.
                limit.reschedule(asyncio.get_running_loop().time() + self._patience)
                return await operation(opened)

            return await self._replica.run_after(
                Beginning(read_only=True, limits=self._limits, request_id=request_id),
                once_there,
                line=line_of(context),
            )

    def _doubt(self, error: Exception) -> None:
        is_full = isinstance(error, OverloadedError | PoolTimeoutError)
        if isinstance(error, DatabaseError) and not is_full and self._is_near:
            # The next look says whether it is used again: until then nobody else waits for it.
            self._is_near = False
            logger.info("reads go to the primary", reason=str(error))

    async def look_at_replica(self) -> tuple[str | None, Mapping[str, object]]:
        """Return why reads do not go to the replica, or `None`, and figures of its pool."""
        fault = await self._fault()
        self._is_near = fault is None
        in_use, most = self._replica.pool_use
        return fault, {"in_use": in_use, "max": most}

    async def _fault(self) -> str | None:
        # It has had the time since the last look to get where the primary was then.
        before, self._position = self._position, await self._positions.take()
        if before is None:
            return "the primary did not say how far it is"
        try:
            fault: str | None = await self._watch.value("get_replica_fault", {"position": before})
            if fault is None and self._replica.state is not State.CONNECTED:
                await self._replica.connect(within=0)
        except ConnectionLostError as error:
            return str(error)
        except (*ERRORS, DatabaseError) as error:
            try:
                give_up(error, "REPLICA_URL")
            except DatabaseError as told:
                return str(told)
        return fault


async def _wait_for(position: str, opened: Transaction) -> None:
    asked: Mapping[str, Any] = {"position": position}
    for pause in (*PAUSES, None):
        fault = await opened.value("get_replica_fault", asked)
        if fault is None:
            return
        if pause is not None:
            await asyncio.sleep(pause)  # a standby tells nobody how far it is
    raise NotReplayedError(fault)
