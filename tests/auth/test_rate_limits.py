"""Throttling: who guesses waits, whichever process they ask and whatever they guess at."""

import asyncio
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.support.fixtures import (
    PASSWORD,
    Hearth,
    NewPerson,
    Person,
    Serve,
    wait_until_requests_block,
)
from tests.support.rows import by_hand

MOST = 10
WRONG = "a guess"


async def _guess(client: httpx.AsyncClient, email: str, password: str = WRONG) -> httpx.Response:
    return await client.post("/v1/auth/signin", json={"email": email, "password": password})


async def _statuses(client: httpx.AsyncClient, email: str, times: int) -> list[int]:
    return [(await _guess(client, email)).status_code for _ in range(times)]


@pytest.fixture
def nobody() -> str:
    """Return an address that no account has."""
    return f"{uuid4()}@example.com"


async def test_after_ten_guesses_even_the_right_password_waits(
    ann: Person, anybody: httpx.AsyncClient
) -> None:
    guessed = await _statuses(anybody, ann.email.upper(), MOST)
    right = await _guess(anybody, ann.email, PASSWORD)

    assert guessed == [401] * MOST
    assert (right.status_code, right.json()["code"]) == (429, "rate-limit-exceeded")
    assert 0 < int(right.headers["Retry-After"]) <= 15 * 60


async def test_an_address_without_an_account_is_no_different(
    anybody: httpx.AsyncClient, nobody: str
) -> None:
    assert await _statuses(anybody, nobody, MOST + 1) == [401] * MOST + [429]


async def test_others_are_not_kept_waiting(
    ann: Person, bob: Person, anybody: httpx.AsyncClient
) -> None:
    await _statuses(anybody, ann.email, MOST + 1)

    assert (await _guess(anybody, bob.email, PASSWORD)).status_code == 200


async def test_the_right_password_forgives_the_wrong_ones(
    ann: Person, anybody: httpx.AsyncClient
) -> None:
    await _statuses(anybody, ann.email, MOST - 1)
    right = await _guess(anybody, ann.email, PASSWORD)

    assert right.status_code == 200
    assert await _statuses(anybody, ann.email, MOST) == [401] * MOST


async def test_the_right_password_forgives_nobody_else(
    ann: Person, bob: Person, anybody: httpx.AsyncClient
) -> None:
    await _statuses(anybody, bob.email, MOST)
    right = await _guess(anybody, ann.email, PASSWORD)

    assert right.status_code == 200
    assert (await _guess(anybody, bob.email, PASSWORD)).status_code == 429


async def test_processes_count_together(
    hearth: Hearth, serve: Serve, service: str, ann: Person, anybody: httpx.AsyncClient
) -> None:
    with serve(hearth.settings()) as url:
        async with httpx.AsyncClient(base_url=url, headers=anybody.headers) as elsewhere:
            first = await _statuses(anybody, ann.email, MOST // 2)
            second = await _statuses(elsewhere, ann.email, MOST // 2)
            last = await _guess(anybody, ann.email)

    assert first + second == [401] * MOST
    assert last.status_code == 429


async def test_many_guesses_at_once_are_not_more_than_there_may_be(
    own_hearth: Hearth, serve: Serve, cheap_passwords: None, nobody: str
) -> None:
    with serve(own_hearth.settings()) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            holder = await asyncpg.connect(own_hearth.superuser_url)
            await holder.execute("begin; lock table app.rate_limit_hits in exclusive mode")
            sent = [asyncio.create_task(_guess(client, nobody)) for _ in range(MOST + 5)]
            await wait_until_requests_block(holder, 2)  # as many as have a turn on one processor
            await holder.close()
            statuses = sorted([(await guess).status_code for guess in sent])

    assert statuses == [401] * MOST + [429] * 5


async def test_an_attempt_counts_for_a_quarter_of_an_hour(
    hearth: Hearth, ann: Person, anybody: httpx.AsyncClient
) -> None:
    await _statuses(anybody, ann.email, MOST + 1)
    for command in ("disable", "enable"):
        await by_hand(
            hearth, f"alter table app.rate_limit_hits {command} trigger _100_refuse_change"
        )
        if command == "disable":
            await by_hand(
                hearth,
                "update app.rate_limit_hits set created_at = created_at - interval '15 minutes'",
            )

    assert (await _guess(anybody, ann.email, PASSWORD)).status_code == 200


async def test_a_clock_that_was_set_back_keeps_nobody_waiting(
    hearth: Hearth, ann: Person, anybody: httpx.AsyncClient
) -> None:
    await _statuses(anybody, ann.email, MOST + 1)
    for command in ("disable", "enable"):
        await by_hand(
            hearth, f"alter table app.rate_limit_hits {command} trigger _100_refuse_change"
        )
        if command == "disable":
            await by_hand(
                hearth, "update app.rate_limit_hits set created_at = created_at + interval '1 year'"
            )

    assert (await _guess(anybody, ann.email, PASSWORD)).status_code == 200


async def test_old_attempts_are_forgotten(
    own_hearth: Hearth, serve: Serve, cheap_passwords: None, nobody: str
) -> None:
    await by_hand(
        own_hearth,
        "insert into app.rate_limit_hits (rate_limit, subject_hash, created_at)"
        " select 'sign_in', sha256(n::text::bytea), now() - interval '25 hours'"
        " from generate_series(1, 30) as n",
    )
    with serve(own_hearth.settings()) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            await _guess(client, nobody)

    (left,) = await by_hand(own_hearth, "select count(*) from app.rate_limit_hits")
    # Of this guess: by network and account, and by either; a network is an address and its /24.
    assert left["count"] == 5


async def test_networks_together_guess_at_one_account_no_more_than_a_hundred_times(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings(sign_in_rate_limit=1)) as url:
        ann = await new_person(at=url)
        async with httpx.AsyncClient(base_url=url) as client:
            statuses = []
            for number in range(11):
                # uvicorn believes the proxy on its own machine.
                client.headers["X-Forwarded-For"] = f"198.51.{number}.1"
                statuses.append((await _guess(client, ann.email)).status_code)

    assert statuses == [401] * 10 + [429]


async def test_a_network_of_ipv6_counts_as_one(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings(sign_in_rate_limit=1)) as url:
        ann = await new_person(at=url)
        async with httpx.AsyncClient(base_url=url) as client:
            statuses = []
            for address in ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"):
                client.headers["X-Forwarded-For"] = address
                statuses.append((await _guess(client, ann.email)).status_code)

    assert statuses == [401, 429, 401]


# The neighbours that count as one, and how many attempts they have on an account together, where a
# network alone has one.
@pytest.mark.parametrize(
    ("neighbours", "together"),
    [
        ("203.0.113.{}", 4),
        ("2001:db8:0:{:x}::1", 2),
        ("2001:db8:0:{:x}00::1", 4),
    ],
    ids=["of a /24", "of a /56", "of a /48"],
)
async def test_neighbouring_networks_have_a_few_attempts_together(
    neighbours: str, together: int, own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings(sign_in_rate_limit=1)) as url:
        ann = await new_person(at=url)
        async with httpx.AsyncClient(base_url=url) as client:
            statuses = []
            for number in range(together + 1):
                client.headers["X-Forwarded-For"] = neighbours.format(number)
                statuses.append((await _guess(client, ann.email)).status_code)

    assert statuses == [401] * together + [429]


async def test_a_site_with_many_networks_locks_nobody_out(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings()) as url:
        ann = await new_person(at=url)
        async with httpx.AsyncClient(base_url=url) as client:
            statuses = []
            for network in range(MOST):  # of one /56
                client.headers["X-Forwarded-For"] = f"2001:db8:0:{network:x}::1"
                statuses += await _statuses(client, ann.email, MOST)
            client.headers["X-Forwarded-For"] = "2001:db8:1::1"
            elsewhere = await _guess(client, ann.email, PASSWORD)
        at_home = await _guess(ann.client, ann.email, PASSWORD)

    assert (statuses.count(401), statuses.count(429)) == (2 * MOST, 8 * MOST)
    assert [elsewhere.status_code, at_home.status_code] == [200, 200]


async def _use_up(client: httpx.AsyncClient, email: str) -> None:
    """Guess at an account from as many networks as it takes, where each has one attempt."""
    for number in range(11):
        client.headers["X-Forwarded-For"] = f"198.51.{number}.1"
        last = await _guess(client, email)
    assert last.status_code == 429


async def test_a_network_that_signed_in_before_goes_on_when_others_used_up_the_account(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings(sign_in_rate_limit=1)) as url:
        ann, bob = await new_person(at=url), await new_person(at=url)
        async with httpx.AsyncClient(base_url=url) as client:
            client.headers["X-Forwarded-For"] = "2001:db8::1"  # not where she signed up
            await _guess(client, ann.email, PASSWORD)
            await _use_up(client, ann.email)
            client.headers["X-Forwarded-For"] = "2001:db8::2"
            known = [await _guess(client, ann.email.upper(), PASSWORD) for _ in range(2)]
            client.headers["X-Forwarded-For"] = "2001:db8:1::1"
            unknown = await _guess(client, ann.email, PASSWORD)
        at_home = await _guess(ann.client, ann.email, PASSWORD)
        elsewhere = await _guess(bob.client, ann.email, PASSWORD)  # known, but of another account

    assert [response.status_code for response in known] == [200, 200]
    assert at_home.status_code == 200
    assert [unknown.status_code, elsewhere.status_code] == [429, 429]


async def test_who_is_known_has_as_many_attempts_as_any_network_and_forgives_nobody_elses(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings(sign_in_rate_limit=1)) as url:
        ann = await new_person(at=url)
        async with httpx.AsyncClient(base_url=url) as client:
            await _use_up(client, ann.email)
            right = await _guess(ann.client, ann.email, PASSWORD)
            client.headers["X-Forwarded-For"] = "203.0.113.1"
            others = await _guess(client, ann.email)
        wrong = await _statuses(ann.client, ann.email, 2)

    assert (right.status_code, others.status_code) == (200, 429)
    assert wrong == [401, 429]


async def test_a_neighbour_keeps_nobody_waiting_who_signed_in_before(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings(sign_in_rate_limit=1)) as url:
        ann = await new_person(at=url)
        async with httpx.AsyncClient(base_url=url) as client:
            client.headers["X-Forwarded-For"] = "203.0.113.1"
            await _guess(client, ann.email, PASSWORD)
            for number in range(2, 50):  # at her account, and as many at others as a /24 may
                client.headers["X-Forwarded-For"] = f"203.0.113.{number}"
                statuses = [
                    (await _guess(client, email)).status_code
                    for email in (ann.email, f"{number}@example.com")
                ]
            client.headers["X-Forwarded-For"] = "203.0.113.1"
            right = await _guess(client, ann.email, PASSWORD)

    assert statuses == [429, 429]
    assert right.status_code == 200


async def test_accounts_are_made_one_after_the_other(
    own_hearth: Hearth, serve: Serve, cheap_passwords: None
) -> None:
    with serve(own_hearth.settings(sign_up_rate_limit=2)) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            responses = [
                await client.post(
                    "/v1/auth/signup",
                    json={"email": email, "password": PASSWORD, "full_name": "Ann"},
                )
                for email in ("a@example.com", "A@example.com", "b@example.com")
            ]

    assert [response.status_code for response in responses] == [201, 409, 429]
    assert 0 < int(responses[-1].headers["Retry-After"]) <= 3600


async def test_neighbouring_networks_make_a_few_accounts_together(
    own_hearth: Hearth, serve: Serve, cheap_passwords: None
) -> None:
    with serve(own_hearth.settings(sign_up_rate_limit=1)) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            statuses = []
            for number in range(3):
                client.headers["X-Forwarded-For"] = f"2001:db8:0:{number}::1"
                body = {"email": f"{uuid4()}@example.com", "password": PASSWORD, "full_name": "A"}
                statuses.append((await client.post("/v1/auth/signup", json=body)).status_code)

    assert statuses == [201, 201, 429]


async def test_a_stolen_token_guesses_for_short_and_keeps_nobody_else_waiting(
    ann: Person, anybody: httpx.AsyncClient
) -> None:
    wrong = {"old_password": WRONG, "new_password": "another " + PASSWORD}
    statuses = [
        (await ann.client.post("/v1/auth/password", json=wrong)).status_code
        for _ in range(MOST + 1)
    ]
    ann.take((await _guess(anybody, ann.email, PASSWORD)).json())
    changed = await ann.client.post("/v1/auth/password", json={**wrong, "old_password": PASSWORD})

    assert statuses == [422] * MOST + [429]
    assert changed.status_code == 204


async def test_nobody_locks_an_account_from_one_network(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings(sign_in_rate_limit=1)) as url:
        ann = await new_person(at=url)
        async with httpx.AsyncClient(base_url=url) as client:
            guessed = await _statuses(client, ann.email, 12)
            client.headers["X-Forwarded-For"] = "198.51.100.1"
            right = await _guess(client, ann.email, PASSWORD)

    assert guessed == [401] + [429] * 11
    assert right.status_code == 200


async def test_one_guess_at_each_of_many_accounts_is_guessing_too(
    own_hearth: Hearth, serve: Serve, cheap_passwords: None
) -> None:
    with serve(own_hearth.settings(sign_in_rate_limit=1)) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            statuses = [
                (await _guess(client, f"{number}@example.com")).status_code for number in range(11)
            ]

    assert statuses == [401] * 10 + [429]


async def test_every_spelling_of_an_address_is_the_same_account(
    anybody: httpx.AsyncClient, new_person: NewPerson
) -> None:
    ann = await new_person(email=f"{uuid4().hex}kik@example.com")

    await _statuses(anybody, ann.email, MOST)
    response = await _guess(anybody, ann.email.replace("kik", "KI\u212a"), PASSWORD)

    assert response.status_code == 429


async def test_what_is_stored_tells_nobody_who_tried(
    hearth: Hearth, ann: Person, anybody: httpx.AsyncClient
) -> None:
    await _guess(anybody, ann.email)

    await _guess(anybody, ann.email, PASSWORD)
    rows = await by_hand(
        hearth,
        "select a::text as row from app.rate_limit_hits as a"
        " union all select s::text from app.sessions as s where user_id = $1"
        " and network_hash is not null",
        ann.user_id,
    )

    assert len(rows) > 2
    assert not any(ann.email in row["row"] or "127.0.0.1" in row["row"] for row in rows)
