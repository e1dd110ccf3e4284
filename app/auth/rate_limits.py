"""Throttling: how often somebody may try to get in. PostgreSQL counts, for all processes."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal, get_args

from prometheus_client import Counter
from starlette.requests import Request

from app.db.pool import Transaction
from app.fair_queue import QueueFullError
from app.http import problems
from app.http.problems import Problem
from app.http.requests import request_id, services

# As in the type `app.rate_limit`.
RateLimit = Literal["sign_in", "sign_up", "password_change"]

REFUSALS = Counter(
    "hearth_rate_limit_refusals", "Attempts that a rate limit refused.", ("rate_limit",)
)
for _one in get_args(RateLimit):
    REFUSALS.labels(_one)  # there before the first one, so that a rate sees that, too

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)

# All networks together have so many times the attempts of one on an account, and one network so
# many times those on all accounts: enough that nobody locks somebody else out from a single place,
# too few to guess. docs/decisions/0011 has all the numbers.
TOGETHER = 10

# Prefixes that count as one network, with how many times the attempts of the narrowest. A household
# of IPv6 has a /56 or /48 of /64s (RFC 6177), and must not use up what an account has (TOGETHER).
NETWORKS = {4: ((32, 1), (24, 4)), 6: ((64, 1), (56, 2), (48, 4))}


@dataclass(frozen=True)
class Limit:
    """At most so many attempts on a subject within a period.

    Args:
        rate_limit: What is attempted.
        subject: What is counted together. Only a keyed hash of it is stored.
        max_attempts: How many.
        period: Within how long.
        spares_known: Whether it is for networks only from which nobody has signed in to the
            account before: others must not be able to use it up for them.
    """

    rate_limit: RateLimit
    subject: str
    max_attempts: int
    period: timedelta
    spares_known: bool = False


def of_sign_in(request: Request, email: str) -> Sequence[Limit]:
    """Return the limits on guessing passwords: of one account from one network, and of either.

    In the order in which they are asked: who is refused by one does not count for those after it.
    The first is of the narrowest network, by which `count` knows it.
    """
    limit = services(request).settings.sign_in_rate_limit
    networks = _networks(request)
    return (
        *(
            Limit("sign_in", f"{network} {email}", limit * times, QUARTER, times > 1)
            for network, times in networks
        ),
        *(
            Limit("sign_in", network, limit * times * TOGETHER, QUARTER, times > 1)
            for network, times in networks
        ),
        Limit("sign_in", email, limit * TOGETHER, QUARTER, spares_known=True),
    )


def of_sign_up(request: Request) -> Sequence[Limit]:
    """Return the limits on making accounts, and on asking which addresses have one."""
    limit = services(request).settings.sign_up_rate_limit
    return [Limit("sign_up", network, limit * times, HOUR) for network, times in _networks(request)]


def of_password_change(request: Request, session: object) -> Limit:
    """Return the limit on guessing the password of an account whose token is at hand.

    By session: whoever stole one does not keep the owner from changing the password.
    """
    limit = services(request).settings.sign_in_rate_limit
    return Limit("password_change", str(session), limit, QUARTER)


def network_hash(request: Request, email: str) -> bytes:
    """Return what a session keeps of the network and the account it began from and in."""
    (network, _), *_ = _networks(request)
    return _hash(request, f"{network} {email}")


async def count(request: Request, *limits: Limit) -> Sequence[Limit]:
    """Note an attempt on each subject; return those on which it was noted.

    Raises:
        Problem: There have been too many; `Retry-After` says how long to wait, in seconds.
    """

    async def work(transaction: Transaction) -> tuple[str | None, Sequence[Limit]]:
        counted = []
        for limit in limits:
            values = {
                **_subject(request, limit),
                "max_attempts": limit.max_attempts,
                "seconds": limit.period.total_seconds(),
            }
            wait: str | None = await transaction.value("hit_rate_limit", values)
            if wait is None:
                counted.append(limit)
                continue
            known = {"network_hash": _hash(request, limits[0].subject)}
            if not (limit.spares_known and await transaction.value("knows_network", known)):
                return wait, counted
        return None, counted

    wait, counted = await services(request).database.run(None, work, request_id=request_id(request))
    if wait is not None:
        REFUSALS.labels(limits[0].rate_limit).inc()
        raise Problem(problems.RATE_LIMIT_EXCEEDED, headers={"Retry-After": wait})
    return counted


async def forgive(request: Request, *limits: Limit) -> None:
    """Forget all attempts on the first subject, and on the others this one, which was right."""

    async def work(transaction: Transaction) -> None:
        for number, limit in enumerate(limits):
            values = {**_subject(request, limit), "newest": 1 if number else None}
            await transaction.value("reset_rate_limit", values)

    await services(request).database.run(None, work, request_id=request_id(request))


@asynccontextmanager
async def turn(request: Request) -> AsyncIterator[None]:
    """Wait for a turn at hashing a password, in which the attempt is counted.

    By the widest of its networks: all of a site wait in one line.

    Raises:
        Problem: Too many wait already (503); nothing was counted.
    """
    try:
        async with services(request).passwords.place(_networks(request)[-1][0]):
            yield
    except QueueFullError:
        detail = "Too many passwords are being checked; try again."
        raise Problem(problems.UNAVAILABLE, detail) from None


def _subject(request: Request, limit: Limit) -> Mapping[str, object]:
    return {
        "rate_limit": limit.rate_limit,
        "subject_hash": _hash(request, limit.subject),
    }


def _hash(request: Request, subject: str) -> bytes:
    secret = services(request).settings.require("jwt_secret").encode()
    # A key of its own: nobody gets the signature of a token by trying to sign in.
    key = hmac.digest(secret, b"hearth: attempts", hashlib.sha256)
    return hmac.digest(key, subject.encode(), hashlib.sha256)


def _networks(request: Request) -> Sequence[tuple[str, int]]:
    """Return the networks that a request comes from, the narrowest first, with their times."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return [(host, 1)]
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return [
        (str(ip_network((address, length), strict=False)), times)
        for length, times in NETWORKS[address.version]
    ]
