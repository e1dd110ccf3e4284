"""Passwords: argon2id, and the same work whether or not there is an account."""

import asyncio

import pytest

from app.auth import passwords
from app.auth.passwords import hash_password, verify_password, weakness

pytestmark = pytest.mark.newest


async def test_a_password_fits_its_own_hash_and_no_other() -> None:
    encoded = await hash_password("correct horse")

    assert encoded.startswith("$argon2id$")
    assert await verify_password(encoded, "correct horse")
    assert not await verify_password(encoded, "correct mouse")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("caf\u00e9 au lait", "cafe\u0301 au lait"),
        ("\u1ed9 \u1ed9 \u1ed9 \u1ed9", "o\u0302\u0323 o\u0323\u0302 \u1ecd\u0302 \u1ed9"),
        ("correct horse", "correct\u00a0horse"),
        ("correct horse", "correct\u3000horse"),
    ],
)
async def test_a_password_is_the_same_whatever_keyboard_wrote_it(one: str, other: str) -> None:
    assert await verify_password(await hash_password(one), other)
    assert await verify_password(await hash_password(other), one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("\u212bngstr\u00f6m", "angstr\u00f6m"), ("\ufb01fteen", "fifteen"), ("Password", "password")],
)
async def test_a_password_is_folded_no_further(one: str, other: str) -> None:
    assert not await verify_password(await hash_password(one), other)


COMMON = "is one that everybody guesses first"
IN_A_ROW = "must not be one character repeated, or characters in a row"
ABOUT = "must have 8 characters besides your name, your address and hearth"


@pytest.mark.parametrize(
    ("password", "why"),
    [
        *((password, COMMON) for password in ("password", "PassWord", "iloveyou", "qwertyuiop")),
        ("\uff50\uff41ssword", COMMON),
        ("trustno1", COMMON),
        *((password, IN_A_ROW) for password in ("12345678", "87654321", "abcdefgh", "zzzzzzzz")),
        *((password, IN_A_ROW) for password in (" " * 8, "\u3000" * 8, "\u200b" * 8, "x" * 256)),
        *((password, ABOUT) for password in ("hearth!!", "HEARTH2029", "hearthhearth")),
        *(
            (password, ABOUT)
            for password in ("ann.oddname", "oddname.example", "Oddname1", "Ann12345")
        ),
        ("M\u00fcller99", ABOUT),
        ("mu\u0308ller99", ABOUT),
        *((password, None) for password in ("correct horse", "my hearth is warm", "tr0ub4dor&3")),
        *(
            (password, None)
            for password in ("58203917", "\u65e5\u672c\u8a9e\u306e\u5408\u8a00\u8449\u3060")
        ),
        ("compound.interest", None),
        ("ab" * 128, None),
    ],
)
async def test_what_is_easily_guessed_is_no_password(password: str, why: str | None) -> None:
    about = ("ann.oddname@mail.example", "Ann Oddname-M\u00fcller", "")

    assert await weakness(password, about) == why


async def test_nothing_is_known_of_who_has_no_name() -> None:
    assert await weakness("an oddname", ("", "", "?", "a b")) is None


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
        await asyncio.sleep(0)  # a turn of the loop, and no time

    assert turns > 10
