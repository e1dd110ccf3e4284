"""The purge: what was retired long ago, found and deleted for good, batch by batch."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from app.db.admin import Admin, connect
from app.db.pool import DatabaseError
from app.db.queries import load_queries

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


# What others hang on goes after them, so that each batch takes little along.
_LAST = ("memberships", "families", "accounts", "invitations", "sessions")


@cache
def kinds() -> Sequence[str]:
    """Return what can be purged, in the order in which it is: whatever has a query purge_<kind>."""
    found = {name.removeprefix("purge_") for name in load_queries() if name.startswith("purge_")}
    # Backwards, for the name of a child begins with its parent's.
    return (*sorted(found.difference(_LAST), reverse=True), *_LAST)


def read_age(text: str) -> timedelta:
    """Read an age such as 12h, 30d or 8w.

    Raises:
        ValueError: It is none.
    """
    found = re.fullmatch(r"([0-9]{1,4})([hdw])", text)
    if found is None:
        raise ValueError("must be a number of hours, days or weeks, such as 12h, 30d or 8w")
    return int(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True)
class Purge:
    """A purge under way: how much there is to delete of each kind, and what deletes it."""

    found: Mapping[str, int]
    _admin: Admin
    _retired_before: datetime

    async def remove(self, kind: str, batch_size: int) -> AsyncIterator[int]:
        """Delete what was found of a kind, and yield the size of each batch once it is committed.

        Raises:
            DatabaseError: The server is gone or refuses; the batches before stay deleted.
        """
        values = {"retired_before": self._retired_before, "batch_size": batch_size}
        while number := await self._admin.value(f"purge_{kind}", values):
            yield number
        # A policy that is missing hides rows from the deletion without a word.
        left = await _count(self._admin, kind, self._retired_before)
        if left:
            raise DatabaseError(
                f"{left} of the {kind} found could not be deleted:"
                " `hearth status` shows whether a policy is missing"
            )


@asynccontextmanager
async def begin(url: str, age: timedelta, only: Sequence[str]) -> AsyncIterator[Purge]:
    """Find what is to be purged; nothing is deleted yet.

    Args:
        url: `DIRECT_URL`, of a login that may take the role of app_ops.
        age: For how long it must have been retired, by the server's clock.
        only: The kinds; all if there are none.

    Raises:
        DatabaseError: Another purge is at work; the server cannot be reached, or refuses.
    """
    async with connect(url) as admin:
        retired_before = await admin.value("begin_purge", {"age": age})
        if retired_before is None:
            raise DatabaseError("another purge is running")
        wanted = [kind for kind in kinds() if not only or kind in only]
        found = {kind: await _count(admin, kind, retired_before) for kind in wanted}
        yield Purge(found, admin, retired_before)


async def _count(admin: Admin, kind: str, retired_before: datetime) -> int:
    number: int = await admin.value(f"count_{kind}_to_purge", {"retired_before": retired_before})
    return number
