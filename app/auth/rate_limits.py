"""Throttling: how often somebody may try to get in. PostgreSQL counts, for all processes."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal

from starlette.requests import Request

from app.db.pool import Transaction
from app.http import problems
from app.http.problems import Problem
from app.http.requests import request_id, services

# As in the type `app.rate_limit`.
RateLimit = Literal["sign_in", "sign_up", "password_change"]

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)

# All networks together have so many times the attempts of one on an account, and one network so
# many times those on all accounts: enough that nobody locks somebody else out from a single place,
# too few to guess.
TOGETHER = 10


@dataclass(frozen=True)
class Limit:
    """At most so many attempts on a subject within a period.

    Args:
        rate_limit: What is attempted.
        subject: What is counted together. Only a keyed hash of it is stored.
        max_attempts: How many.
        period: Within how long.
    """

    rate_limit: RateLimit
    subject: str
    max_attempts: int
    period: timedelta


def of_sign_in(request: Request, email: str) -> Sequence[Limit]:
    """Return the limits on guessing passwords: of one account from one network, and of either.

    In the order in which they are asked: who is refused by one does not count for those after it.
    """
    limit = services(request).settings.sign_in_rate_limit
    network = _network(request)
    return (
        Limit("sign_in", f"{network} {email}", limit, QUARTER),
        Limit("sign_in", network, limit * TOGETHER, QUARTER),
        Limit("sign_in", email, limit * TOGETHER, QUARTER),
    )


def of_sign_up(request: Request) -> Limit:
    """Return the limit on making accounts, and on asking which addresses have one."""
    return Limit("sign_up", _network(request), services(request).settings.sign_up_rate_limit, HOUR)


def of_password_change(request: Request, session: object) -> Limit:
    """Return the limit on guessing the password of an account whose token is at hand.

    By session: whoever stole one does not keep the owner from changing the password.
    """
    limit = services(request).settings.sign_in_rate_limit
    return Limit("password_change", str(session), limit, QUARTER)


async def count(request: Request, *limits: Limit) -> None:
    """Note an attempt on each subject.

    Raises:
        Problem: There have been too many; `Retry-After` says how long to wait, in seconds.
    """

    async def work(transaction: Transaction) -> str | None:
        for limit in limits:
            values = {
                **_subject(request, limit),
                "max_attempts": limit.max_attempts,
                "seconds": limit.period.total_seconds(),
            }
            wait: str | None = await transaction.value("hit_rate_limit", values)
            if wait is not None:
                return wait
        return None

    wait = await services(request).database.run(None, work, request_id=request_id(request))
    if wait is not None:
        raise Problem(problems.RATE_LIMIT_EXCEEDED, headers={"Retry-After": wait})


async def forgive(request: Request, *limits: Limit) -> None:
    """Forget all attempts on the first subject, and on the others this one, which was right."""

    async def work(transaction: Transaction) -> None:
        for number, limit in enumerate(limits):
            values = {**_subject(request, limit), "newest": 1 if number else None}
            await transaction.value("reset_rate_limit", values)

    await services(request).database.run(None, work, request_id=request_id(request))


def turn(request: Request) -> AbstractAsyncContextManager[None]:
    """Wait for a turn at hashing a password, in which the attempt is counted.

    By a site's /48 of IPv6 (RFC 6177) or /24 of IPv4: with all its networks it waits in one line.

    Raises:
        Problem: Too many wait already (503); nothing was counted.
    """
    return services(request).turns.turn(_within(request, v4=24, v6=48))


def _subject(request: Request, limit: Limit) -> Mapping[str, object]:
    secret = services(request).settings.require("jwt_secret").encode()
    # A key of its own: nobody gets the signature of a token by trying to sign in.
    key = hmac.digest(secret, b"hearth: attempts", hashlib.sha256)
    return {
        "rate_limit": limit.rate_limit,
        "subject_hash": hmac.digest(key, limit.subject.encode(), hashlib.sha256),
    }


def _network(request: Request) -> str:
    # One household has a /64 of IPv6 (RFC 6177), so an address of its own for every attempt.
    return _within(request, v4=32, v6=64)


def _within(request: Request, *, v4: int, v6: int) -> str:
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    bits = v6 if isinstance(address, IPv6Address) else v4
    return str(ip_network((address, bits), strict=False).network_address)
