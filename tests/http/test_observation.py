"""What requests do is seen from outside: in figures, in the log, in a header of the response."""

import asyncio
import re
from collections import Counter
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.typing import EventDict

from tests.support.fixtures import AsRole, Hearth, Person, Serve, wait_until_requests_block

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

Series = Counter[tuple[str, ...]]


async def _figures(url: str) -> Series:
    """Return each sample under its name and the values of its labels."""
    async with httpx.AsyncClient(base_url=url) as client:
        text = (await client.get("/metrics")).text
    found: Series = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[(sample.name, *sample.labels.values())] = sample.value  # type: ignore[assignment]
    return found


async def test_each_query_and_the_end_of_each_transaction_is_counted(
    ann: Person, service: str
) -> None:
    before = await _figures(service)

    await ann.client.get("/v1/tasks")
    await ann.client.post("/v1/tasks", json={"title": "Water the plants"})
    await ann.client.get(f"/v1/tasks/{uuid4()}")

    new = await _figures(service) - before
    assert new["hearth_query_duration_seconds_count", "list_tasks"] == 1
    assert new["hearth_query_duration_seconds_count", "create_task"] == 1
    assert new["hearth_query_duration_seconds_count", "get_task"] == 1
    assert new["hearth_query_duration_seconds_sum", "list_tasks"] > 0
    assert new["hearth_pool_acquire_duration_seconds_count",] == 3
    assert new["hearth_transactions_total", "committed"] == 2
    assert new["hearth_transactions_total", "rolled_back"] == 1
    assert new["hearth_transactions_total", "unknown"] == 0
    assert not any(name.endswith("_created") for name, *_ in new)


async def test_who_waits_for_a_connection_and_who_gets_none_is_counted(
    ann: Person, hearth: Hearth, serve: Serve, as_role: AsRole
) -> None:
    holder = await as_role("app_api", **as_role.of(ann))
    await holder.execute("update app.families set name = 'The house'")
    one = hearth.settings(pool_min_size=1, pool_max_size=1, pool_acquire_timeout=1)
    with serve(one) as url:
        before = await _figures(url)
        path = f"{url}/v1/family"
        holding = asyncio.create_task(ann.client.patch(path, json={"name": "The cabin"}))
        await wait_until_requests_block(holder, 1)
        waiting = asyncio.create_task(ann.client.get(path))
        async with asyncio.timeout(10):
            while not (during := await _figures(url))["hearth_pool_waiting_requests",]:
                pass
        response = await waiting
        await holder.execute("commit")
        await holding
        after = await _figures(url)

    assert response.status_code == 503
    assert during["hearth_pool_connections", "in_use"] == 1
    assert during["hearth_pool_connections", "max"] == 1
    assert after["hearth_pool_waiting_requests",] == 0
    assert (after - before)["hearth_pool_acquire_timeouts_total",] == 1
    assert (after - before)["hearth_pool_acquire_duration_seconds_sum",] >= 0.9


async def test_what_a_rate_limit_refuses_is_counted(
    ann: Person, anybody: httpx.AsyncClient, service: str
) -> None:
    before = await _figures(service)

    guess = {"email": ann.email, "password": "a guess"}
    statuses = [(await anybody.post("/v1/auth/signin", json=guess)).status_code for _ in range(11)]

    new = await _figures(service) - before
    assert statuses[-1] == 429
    assert new["hearth_rate_limit_refusals_total", "sign_in"] == 1
    assert ("hearth_rate_limit_refusals_total", "sign_up") in before


async def test_the_line_of_a_request_says_who_and_what_was_slow(
    ann: Person, logged: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    await ann.client.get("/v1/tasks")
    monkeypatch.setattr("app.http.observation.SLOW", -1)
    await ann.client.post("/v1/tasks", json={"title": "Water the plants"})
    await ann.client.post("/v1/auth/signin", json={"email": ann.email, "password": "a guess"})
    await ann.client.get("/health/live")

    quick, slow, nobody, *_ = [line for line in logged if line["event"] == "request"]
    who = {"user_id": str(ann.user_id), "family_id": str(ann.family_id)}
    common = {"event", "log_level", "method", "route", "status", "milliseconds", "request_id"}
    assert quick.keys() == common | who.keys()
    assert slow.keys() == quick.keys() | {"slow"}
    assert {name: quick[name] for name in who} == {name: slow[name] for name in who} == who
    assert slow["slow"] == ["create_task"]
    assert nobody.keys() == common | {"slow"}
    assert ann.email not in str(logged)


async def test_a_query_that_was_given_up_is_named_as_slow(
    ann: Person, hearth: Hearth, serve: Serve, as_role: AsRole, logged: list[EventDict]
) -> None:
    holder = await as_role("app_api", **as_role.of(ann))
    await holder.execute("update app.families set name = 'The house'")

    with serve(hearth.settings(lock_timeout_ms=100)) as url:
        response = await ann.client.patch(f"{url}/v1/family", json={"name": "The cabin"})

    lines = {line["event"]: line for line in logged if line.get("method") != "GET"}
    assert response.status_code == 503
    assert lines["slow query"]["query"] == "update_family"
    assert lines["slow query"]["milliseconds"] >= 100
    assert lines["request"]["slow"] == ["update_family"]
    assert lines["slow query"]["request_id"] == lines["request"]["request_id"]


async def test_a_response_says_what_it_took(ann: Person) -> None:
    tasks = (await ann.client.get("/v1/tasks")).headers["Server-Timing"]
    live = (await ann.client.get("/health/live")).headers["Server-Timing"]

    number = r"(\d+\.\d)"
    parts = re.fullmatch(rf"acquire;dur={number}, db;dur={number}, total;dur={number}", tasks)
    assert parts is not None, tasks
    acquire, database, total = map(float, parts.groups())
    assert database > 0
    assert acquire + database <= total + 0.2  # rounded
    assert re.fullmatch(rf"total;dur={number}", live)


async def test_who_guesses_gets_no_clock(ann: Person, anybody: httpx.AsyncClient) -> None:
    guess = {"email": ann.email, "password": "a guess"}
    responses = [
        await anybody.post("/v1/auth/signin", json=guess),
        await anybody.get("/v1/tasks", headers={"Authorization": "Bearer no.such.token"}),
        await anybody.post("/v1/auth/signin", json={**guess, "password": "correct horse battery"}),
    ]

    assert not any("Server-Timing" in response.headers for response in responses)
