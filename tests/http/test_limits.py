"""Limits: what a request may cost, how long it may take, and that it ends with its client."""

import asyncio
import socket
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from structlog.typing import EventDict

from app.http.exchange import SECURITY_HEADERS
from tests.support.fixtures import (
    Hearth,
    NewPerson,
    Person,
    Serve,
    wait_until_requests_block,
)
from tests.support.load import connected

pytestmark = pytest.mark.newest


async def _until_no_request_blocks(connection: asyncpg.Connection) -> None:
    query = (
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and application_name ~ '^hearth( [-0-9a-f]{36})?$' and state <> 'idle'"
    )
    async with asyncio.timeout(10):
        while await connection.fetchval(query):
            await connection.execute("select pg_stat_clear_snapshot()")


async def test_a_client_that_goes_away_takes_its_query_along(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson, logged: list[EventDict]
) -> None:
    # As patient as can be: nothing but the client's leaving ends the statement.
    patient = {"statement_timeout_ms": 3_600_000, "lock_timeout_ms": 3_600_000}
    settings = own_hearth.settings(pool_max_size=2, request_timeout=300, **patient)
    with serve(settings) as url:
        ann = await new_person(at=url)
        holder = await asyncpg.connect(own_hearth.superuser_url)
        for number in range(5):  # more often than there are connections
            await holder.execute("begin; lock table app.tasks in access exclusive mode")
            parts = urlsplit(url)
            with socket.create_connection((parts.hostname, parts.port)) as client:
                token = ann.client.headers["Authorization"]
                request = f"GET /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
                ahead = 1 + number % 2  # one that waits behind it does not hide that it is alone
                client.sendall(request.encode() * ahead)
                await wait_until_requests_block(holder, 1)
            await _until_no_request_blocks(holder)
            await holder.execute("rollback")

        response = await ann.client.get("/v1/tasks")
        await holder.close()

    assert response.status_code == 200
    assert [entry["status"] for entry in logged if entry.get("route") == "/v1/tasks"] == [
        *[499] * 5,
        200,
    ]


async def test_a_write_whose_client_went_away_is_not_done(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    settings = own_hearth.settings(lock_timeout_ms=3_600_000, statement_timeout_ms=3_600_000)
    with serve(settings) as url:
        ann = await new_person(at=url)
        holder = await asyncpg.connect(own_hearth.superuser_url)
        await holder.execute("begin; lock table app.tasks in exclusive mode")
        sent = asyncio.create_task(ann.client.post("/v1/tasks", json={"title": "Flour"}))
        await wait_until_requests_block(holder, 1)
        sent.cancel()
        await _until_no_request_blocks(holder)
        await holder.close()

        listed = await ann.client.get("/v1/tasks")

    assert listed.json()["items"] == []


async def test_a_request_has_a_deadline_and_its_query_too(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    patient = {"statement_timeout_ms": 3_600_000, "lock_timeout_ms": 3_600_000}
    with serve(own_hearth.settings()) as url:
        ann = await new_person(at=url)
    with serve(own_hearth.settings(request_timeout=0.5, **patient)) as url:
        holder = await asyncpg.connect(own_hearth.superuser_url)
        await holder.execute("begin; lock table app.tasks in access exclusive mode")
        async with httpx.AsyncClient(base_url=url, headers=ann.client.headers) as client:
            response = await client.get("/v1/tasks")
        await _until_no_request_blocks(holder)
        await holder.close()

    assert (response.status_code, response.json()["code"]) == (504, "timeout")


async def test_a_body_that_never_ends_is_not_waited_for(
    own_hearth: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with serve(own_hearth.settings(request_timeout=0.5)) as url:
        ann = await new_person(at=url)
        parts = urlsplit(url)
        token = ann.client.headers["Authorization"]
        head = f"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        async with connected(parts.port or 0) as (reader, writer):
            writer.write(head.encode())
            response = await reader.readuntil(b"\r\n\r\n")

    assert response.startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize(
    "headers", [{"X-Long": "x" * 16_384}, {f"X-{n}": "x" for n in range(4000)}]
)
async def test_headers_have_a_limit_together(ann: Person, headers: dict[str, str]) -> None:
    response = await ann.client.get("/v1/me", headers=headers)

    assert (response.status_code, response.json()["code"]) == (431, "headers-too-large")


async def _send(url: str, request: str) -> bytes:
    """Send a request as it is and return the response."""
    parts = urlsplit(url)
    async with connected(parts.port or 0) as (reader, writer):
        writer.write(request.replace("\n", "\r\n").encode())
        return await reader.read()


async def test_a_trailer_is_no_header(service: str, ann: Person) -> None:
    token = ann.client.headers["Authorization"]
    request = "POST /v1/tasks HTTP/1.1\nHost: x\nConnection: close\n"
    request += "Content-Type: application/json\n"
    chunk = '{"title":"Flour"}'
    chunked = f"Transfer-Encoding: chunked\n\n{len(chunk):x}\n{chunk}\n0\n"

    in_trailer = await _send(service, f"{request}{chunked}Authorization: {token}\n\n")
    in_header = await _send(
        service, f"{request}Authorization: {token}\n{chunked}If-None-Match: *\n\n"
    )

    assert in_trailer.startswith(b"HTTP/1.1 401 ")
    assert in_header.startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize(
    ("version", "headers", "status"),
    [
        ("1.1", "Host: x\n", 200),
        ("1.1", "Host:\n", 200),
        ("1.0", "", 200),
        ("1.1", "", 400),
        ("1.1", "Host: x\nHost: x\n", 400),
        ("1.0", "Host: x\nhost: y\n", 400),
        ("1.1", "Host: x\nAuthorization: Bearer x\nAuthorization: Bearer x\n", 400),
        ("1.1", "Host: x\nContent-Type: text/plain\nContent-Type: application/json\n", 400),
    ],
)
async def test_what_can_be_read_in_two_ways_is_refused(
    service: str, version: str, headers: str, status: int
) -> None:
    request = f"GET /health/live HTTP/{version}\n{headers}Connection: close\n\n"

    response = await _send(service, request)

    assert response.startswith(f"HTTP/1.1 {status} ".encode())
    assert (b'"code":"malformed"' in response) == (status == 400)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_body_that_is_not_plain_json_is_not_read(
    ann: Person, headers: dict[str, str]
) -> None:
    response = await ann.client.post("/v1/tasks", content=b'{"title": "Flour"}', headers=headers)

    assert (response.status_code, response.json()["code"]) == (415, "unsupported-media-type")


async def test_json_may_name_its_encoding(ann: Person) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}

    response = await ann.client.post("/v1/tasks", content=b'{"title": "Flour"}', headers=headers)

    assert response.status_code == 201


async def test_json_that_is_nested_too_deep_is_malformed(ann: Person) -> None:
    bodies = [b'{"title": ' + b"[" * depth + b"]" * depth + b"}" for depth in (100, 100_000)]

    codes = [
        (
            await ann.client.post(
                "/v1/batch", content=body, headers={"Content-Type": "application/json"}
            )
        ).json()["code"]
        for body in bodies
    ]

    assert codes == ["validation-failed", "malformed"]


async def test_every_answer_has_the_security_headers(
    ann: Person, anybody: httpx.AsyncClient
) -> None:
    responses = [
        await ann.client.get("/v1/me"),
        await ann.client.post("/v1/tasks", json={"title": "Flour"}),
        await anybody.get("/v1/me"),
        await anybody.get("/no-such-thing"),
        await anybody.get("/health/live"),
    ]

    for response in responses:
        assert {name: response.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
