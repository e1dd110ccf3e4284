"""Connections: slow, silent, or ahead of what they read, they are bounded and then closed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from app.http import protocol
from app.http.protocol import Protocol
from tests.support.fixtures import Hearth, Serve

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
NOT_FOUND = b"POST /v1/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "headers_within", 0.3)
    monkeypatch.setattr(Protocol, "read_within", 0.3)


@contextmanager
def _connected(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as client:
        yield client


def _read_on(client: socket.socket) -> bytes:
    """Return all that comes until the connection ends."""
    received = b""
    while content := client.recv(65_536):
        received += content
    return received


def _read_once(client: socket.socket) -> bytes:
    received = b""
    while b"}" not in received:
        received += client.recv(65_536)
    return received


@pytest.mark.parametrize(
    "sent",
    [b"", b"G", GET[:-2], b"\r\n", b"GET /health/live HTTP/1.1\r\nX-Endless: " + b"a" * 5000],
    ids=["nothing", "a byte", "half", "blank", "long"],
)
def test_headers_that_do_not_come_are_not_waited_for(service: str, sent: bytes) -> None:
    with _connected(service) as client:
        client.sendall(sent)

        assert _read_on(client) == b""


@pytest.mark.parametrize("sent", [b"G", b"\r\n"])
def test_nor_are_those_of_a_second_request(service: str, sent: bytes) -> None:
    with _connected(service) as client:
        client.sendall(GET)
        assert _read_once(client).startswith(b"HTTP/1.1 200")
        client.sendall(sent)

        assert _read_on(client) == b""


def test_nor_is_the_rest_of_a_body_that_was_refused(service: str) -> None:
    with _connected(service) as client:
        client.sendall(NOT_FOUND)
        assert _read_once(client).startswith(b"HTTP/1.1 404")
        client.sendall(b"a")

        assert _read_on(client) == b""


def test_a_byte_at_a_time_gains_no_time(service: str) -> None:
    with _connected(service) as client, pytest.raises(ConnectionError):
        while True:  # until it is closed, which only a limit on the whole does
            client.sendall(b"a")
            client.settimeout(0.05)
            try:
                if client.recv(1) == b"":
                    raise ConnectionResetError
            except TimeoutError:
                continue


def test_headers_without_an_end_are_refused_before_they_end(service: str) -> None:
    with _connected(service) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Endless: ")
        client.sendall(b"a" * 40_000)

        received = _read_on(client)

    assert received.startswith(b"HTTP/1.1 431")
    assert b'"code":"headers-too-large"' in received


def test_what_is_no_http_gets_a_problem(service: str) -> None:
    with _connected(service) as client:
        client.sendall(b"HELLO\r\n\r\n")

        received = _read_on(client)

    assert received.startswith(b"HTTP/1.1 400")
    assert b"application/problem+json" in received


def test_requests_sent_ahead_are_answered_and_few_are_held(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    parse = Protocol._parse

    def watched(connection: Protocol) -> None:
        parse(connection)
        held.append(len(connection.pipeline))

    monkeypatch.setattr(Protocol, "_parse", watched)
    times = 1_000
    with _connected(service) as client:
        client.settimeout(60)
        sender = threading.Thread(target=client.sendall, args=(GET * times,))
        sender.start()
        answered = 0
        while answered < times:
            answered += client.recv(65_536).count(b"HTTP/1.1 200")
        sender.join()

    assert answered == times
    assert 0 < max(held) <= protocol.MAX_PIPELINED + protocol.SLICE // len(GET)


def test_who_never_reads_is_let_go(hearth: Hearth, serve: Serve) -> None:
    with serve(hearth.settings()) as url, _connected(url) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        document = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"

        with pytest.raises(ConnectionError):
            while True:  # and never reads
                client.sendall(document * 20)
