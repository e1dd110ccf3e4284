"""Clients that do as the answers tell them, and a ledger of what was acknowledged to them."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

PASSWORD = "correct horse battery"

# Seconds between two requests of a client, so that the machine is not what breaks.
PAUSE = 0.01

# Seconds for which any answer is waited for, far beyond what any may take.
PATIENCE = 60.0


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem; empty where it is none."""
        if "problem" not in self.headers.get("content-type", ""):
            return ""
        return str(json.loads(self.body)["code"])

    @property
    def pause(self) -> float:
        """Seconds to wait before it is sent again."""
        return float(self.headers.get("retry-after", "0"))


class Gone(Exception):  # noqa: N818 - what has become of the connection
    """There was no answer.

    Args:
        is_sent: Whether the request may have been read.
    """

    def __init__(self, *, is_sent: bool) -> None:
        super().__init__("reset" if is_sent else "refused")
        self.is_sent = is_sent


@dataclass
class Ledger:
    """What was sent, and what became of it."""

    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    missed: set[str] = field(default_factory=set)  # acknowledged, and not there when asked for
    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[float] = field(default_factory=list)  # when, by time.monotonic()
    successes: list[float] = field(default_factory=list)
    slowest: float = 0.0

    @property
    def requests(self) -> int:
        """How many requests there were, each attempt counted."""
        return self.statuses.total()

    def note(self, what: str, seconds: float, *, is_failure: bool) -> None:
        """Note what became of a request, after so many seconds."""
        self.statuses[what] += 1
        self.slowest = max(self.slowest, seconds)
        (self.failures if is_failure else self.successes).append(time.monotonic())

    def forget(self) -> None:
        """Forget how people signed up: a password takes longer than a task."""
        self.statuses.clear()
        self.failures.clear()
        self.successes.clear()
        self.slowest = 0.0

    def compare(self, there: Iterable[str]) -> tuple[list[str], list[str]]:
        """Return what was acknowledged and is lost, and what is there more than once.

        Args:
            there: The titles of all tasks that are there.
        """
        counts = Counter(title for title in there if title in self.sent)
        lost = self.missed | {title for title in self.acknowledged if not counts[title]}
        return sorted(lost), sorted(title for title, count in counts.items() if count > 1)


class Client:
    """Somebody with an account, who creates tasks and reads them, one request after the other."""

    def __init__(self, port: int, ledger: Ledger) -> None:
        self.email = f"{uuid4().hex}@example.com"
        self.tokens: dict[str, str] = {}
        self.is_to_refresh = False  # set to have it take new tokens next
        self._port = port
        self._ledger = ledger
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._number = 0

    async def sign_up(self) -> None:
        """Make the account."""
        body = {
            "email": self.email,
            "password": PASSWORD,
            "full_name": "Somebody",
            "family_name": "Somebodies",
        }
        while True:
            answer = await self.send("POST", "/v1/auth/signup", body)
            if answer.status == 201:
                break
            assert answer.status in {503, 504}, answer.body  # a machine that is busy
        self.tokens = json.loads(answer.body)

    async def work(self, over: asyncio.Event) -> None:
        """Create and read until it is over; what is under way then is brought to its end."""
        while not over.is_set():
            if self.is_to_refresh:
                self.is_to_refresh = False
                await self.sign_in_again()
            task_id = await self.create()
            if task_id is not None:
                await self.read(*task_id)
            await asyncio.sleep(PAUSE)  # the load that is wanted
        self.close()

    async def create(self) -> tuple[str, str] | None:
        """Create a task, by as many requests as it takes.

        Every other one has an Idempotency-Key. Without, what may have been done is left alone.

        Returns:
            Its title and id; `None` if nobody knows whether it is there.
        """
        title, self._number = uuid4().hex, self._number + 1
        headers = {"Idempotency-Key": f'"{title}"'} if self._number % 2 else {}
        self._ledger.sent.add(title)
        while True:
            try:
                answer = await self.send("POST", "/v1/tasks", {"title": title}, headers)
            except Gone as gone:
                if gone.is_sent and not headers:
                    return None
                await asyncio.sleep(0.1)  # nobody said when
                continue
            if answer.status == 201:
                self._ledger.acknowledged.add(title)
                return title, str(json.loads(answer.body)["id"])
            if answer.status == 401:
                await self.sign_in_again()
            elif answer.status not in {429, 503, 504} or (
                answer.code == "outcome-unknown" and not headers
            ):
                return None
            await asyncio.sleep(answer.pause)

    async def read(self, title: str, task_id: str) -> None:
        """Read a task that was acknowledged."""
        with suppress(Gone):
            answer = await self.send("GET", f"/v1/tasks/{task_id}")
            if answer.status == 404:
                self._ledger.missed.add(title)
            if answer.status == 401:
                await self.sign_in_again()

    async def sign_in_again(self) -> None:
        """Take new tokens, for the refresh token or for the password."""
        with suppress(Gone):
            token = {"refresh_token": self.tokens["refresh_token"]}
            answer = await self.send("POST", "/v1/auth/refresh", token)
            if answer.status == 401:
                body = {"email": self.email, "password": PASSWORD}
                answer = await self.send("POST", "/v1/auth/signin", body)
            if answer.status in {200, 201}:
                self.tokens = json.loads(answer.body)

    async def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request, once.

        Raises:
            Gone: There was no answer.
        """
        started, is_sent = time.monotonic(), False
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = self._streams = self._streams or await asyncio.open_connection(
                    "127.0.0.1", self._port
                )
                is_sent = True
                writer.write(self._request(method, path, body, headers or {}))
                answer = await _answer(reader)
        except (OSError, EOFError, TimeoutError):
            self.close()
            gone = Gone(is_sent=is_sent)
            self._ledger.note(str(gone), time.monotonic() - started, is_failure=True)
            raise gone from None
        except BaseException:
            self.close()
            raise
        if answer.headers.get("connection") == "close":
            self.close()
        what = f"{answer.status} {answer.code}".strip() if answer.status >= 500 else answer.status
        seconds = time.monotonic() - started
        self._ledger.note(str(what), seconds, is_failure=answer.status in {429, *range(500, 600)})
        return answer

    def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        headers: Mapping[str, str],
    ) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        token = self.tokens.get("access_token")
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: x",
            *([f"Authorization: Bearer {token}"] if token else []),
            *(["Content-Type: application/json"] if content else []),
            *([f"Content-Length: {len(content)}"] if content else []),
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content

    def close(self) -> None:
        """Close the connection, if there is one."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    headers = {name.lower(): value for name, value in re.findall(r"\n([^:]+): ([^\r]*)", head)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(head.split()[1]), headers, body)


async def crowd(port: int, ledger: Ledger, clients: int) -> Sequence[Client]:
    """Return clients who have signed up."""
    people = [Client(port, ledger) for _ in range(clients)]
    await asyncio.gather(*(person.sign_up() for person in people))
    for person in people:
        person.close()  # who was first has not been heard for some time
    return people
