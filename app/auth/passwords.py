"""Passwords: argon2id, computed off the event loop."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

T = TypeVar("T")

# RFC 9106, 4: 3 passes over 64 MiB in 4 lanes. Each hash takes that memory for its time, so no more
# of them run at once than there are processors.
_hasher = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
_executor = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="argon2")

# The hash of random text that nobody kept. A password is compared with it when there is no account,
# so that both cases take the same time; a test sees to it that its parameters are those above.
_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=4$dcH623fRkVkr9solopyXDw$"
    "Mb76O1VhGWXZbkBIyAHghrNOug8fJMVdu48gT0Vg9WQ"
)


async def hash_password(password: str) -> str:
    """Return the argon2id hash of `password` in its encoded form."""
    return await _to_its_end(partial(_hasher.hash, password))


async def verify_password(encoded: str | None, password: str) -> bool:
    """Say whether `password` belongs to the hash; `None` costs as much time and is never right."""
    matches = await _to_its_end(partial(_verify, encoded or _NOBODY, password))
    return matches and encoded is not None


async def _to_its_end(work: Callable[[], T]) -> T:
    # A thread cannot be stopped. Whoever gives up waits for it all the same: else their turn would
    # be the next one's, while a processor still works for them.
    working = asyncio.get_running_loop().run_in_executor(_executor, work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise


def _verify(encoded: str, password: str) -> bool:
    try:
        return _hasher.verify(encoded, password)
    except (VerificationError, InvalidHashError):
        return False
