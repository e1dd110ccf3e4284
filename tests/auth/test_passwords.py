"""Passwords: argon2id, and the same work whether or not there is an account."""

import asyncio

import pytest

from app.auth import passwords
from app.auth.passwords import hash_password, verify_password

pytestmark = pytest.mark.newest


async def test_a_password_fits_its_own_hash_and_no_other() -> None:
    encoded = await hash_password("correct horse")

    assert encoded.startswith("$argon2id$")
    assert await verify_password(encoded, "correct horse")
    assert not await verify_password(encoded, "correct mouse")


async def test_without_an_account_no_password_is_right_at_the_same_cost() -> None:
    # What costs the time are the parameters, so it is they that must be the same.
    assert not passwords._hasher.check_needs_rehash(passwords._NOBODY)
    assert not await verify_password(None, "anything")


async def test_a_hash_that_is_none_is_never_right() -> None:
    assert not await verify_password("not a hash", "anything")


async def test_hashing_leaves_the_event_loop_free() -> None:
    hashing = asyncio.create_task(hash_password("correct horse"))
    turns = 0
    while not hashing.done():
        turns += 1
        await asyncio.sleep(0)

    assert turns > 10
