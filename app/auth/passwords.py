"""Passwords: what they may be, and their argon2id hashes, computed off the event loop."""

import asyncio
import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import pairwise
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from app.fair_queue import FairQueue

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


# A password takes a tenth of a second, so who waits behind all the others waits for some seconds,
# and less than any deadline.
MAX_WAITING = 64
MAX_WAITING_OF_ONE = 16

# Shorter ones are refused without a list (NIST SP 800-63B, 5.1.1.2).
LEAST = 8

# What everybody who guesses knows besides the list: which service it is.
SERVICE = "hearth"


def queue() -> FairQueue:
    """Return where to wait for a password to be hashed, each network in a line of its own."""
    # One more than can be hashed at once, as each also waits for the database for a moment.
    at_once = (os.cpu_count() or 1) + 1
    return FairQueue(at_once, waiting=MAX_WAITING, waiting_of_one=MAX_WAITING_OF_ONE)


def prepare(password: str) -> str:
    """Return a password as it is compared, however a keyboard has put it together.

    As RFC 8265, 4.2.2 (OpaqueString): blanks of any kind are spaces, and the form is NFC.
    """
    spaces = "".join(" " if unicodedata.category(c) == "Zs" else c for c in password)
    return unicodedata.normalize("NFC", spaces)


async def weakness(password: str, about: Iterable[str]) -> str | None:
    """Say why a password of at most 256 characters is easily guessed; `None` if it is not.

    Source: NIST SP 800-63B, 5.1.1.2.

    Args:
        password: What somebody wants to have.
        about: What others know of them: address, names; of letters and digits, three or more.
    """
    return await asyncio.to_thread(_weakness, password, tuple(about))


def _weakness(password: str, about: Iterable[str]) -> str | None:
    # Repeated and in a row, eight blanks and 12345678 among them.
    word = _fold(password)
    steps = {ord(after) - ord(before) for before, after in pairwise(word)}
    if steps <= {0} or steps == {1} or steps == {-1}:
        return "must not be one character repeated, or characters in a row"
    if word in _common():
        return "is one that everybody guesses first"
    known = {SERVICE, *(w for text in about for w in re.findall(r"\w{3,}", _fold(text)))}
    rest = re.sub("|".join(map(re.escape, sorted(known, key=len, reverse=True))), "", word)
    if len(rest) < min(LEAST, len(word)):
        return f"must have {LEAST} characters besides your name, your address and {SERVICE}"
    return None


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


@cache
def _common() -> frozenset[str]:
    # Loaded when first asked for: no command needs it, and it takes 13 MB.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= LEAST)


async def hash_password(password: str) -> str:
    """Return the argon2id hash of `password`, prepared, in its encoded form."""
    return await _to_its_end(partial(_hasher.hash, prepare(password)))


async def verify_password(encoded: str | None, password: str) -> bool:
    """Say whether `password` belongs to the hash; `None` costs as much time and is never right."""
    matches = await _to_its_end(partial(_verify, encoded or _NOBODY, prepare(password)))
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
