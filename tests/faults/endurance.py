"""What stays behind after many requests: connections, settings, memory."""

import asyncio
import random
import re
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg

from app.db.session import PINNED
from tests.faults.clients import Client, Gone, crowd
from tests.faults.stage import POOL, Stage
from tests.support.pooler import pooled_url

CLIENTS = 16

# MiB by which the service may grow once it has seen each kind of request a thousand times.
GROWTH = 16

CONTEXT = ("user_id", "session_id", "family_id", "member_role", "request_id")
LEFT = ", ".join(f"nullif(current_setting('app.{name}', true), '')" for name in CONTEXT)

# asyncpg turns jit off and on where it looks up a type; the others are said by each connection.
SESSION = (
    "select coalesce(string_agg(name || '=' || setting, ', '), '') from pg_settings"
    " where source = 'session' and lower(name) <> all"
    f" ('{{application_name, client_encoding, jit, transaction_isolation, {', '.join(PINNED)}}}')"
)


@dataclass
class Report:
    """What was done and what stayed behind."""

    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def tell(self, what: str, *, is_well: bool = True) -> None:
        """Note a line, and whether it is as it should be."""
        self.lines.append(what)
        if not is_well:
            self.failures.append(what)


class _Anybody:
    """A client who sends whatever there is to be sent, and some of it wrong."""

    def __init__(self, client: Client, chance: random.Random) -> None:
        self._client = client
        self._chance = chance
        self._tasks: list[str] = []

    async def act(self) -> None:
        client, title = self._client, uuid4().hex
        one = self._chance.choice(self._tasks) if self._tasks else str(uuid4())
        path = f"/v1/tasks/{one}"
        kinds = {
            "create": ("POST", "/v1/tasks", {"title": title}, {"Idempotency-Key": f'"{title}"'}),
            "list": ("GET", "/v1/tasks", None, None),
            "read": ("GET", path, None, None),
            "change": ("PATCH", path, {"title": title}, None),
            "delete": ("DELETE", path, None, None),
            "today": ("GET", "/v1/today", None, None),
            "wrong": ("POST", "/v1/tasks", {"title": ""}, None),
            "unknown": ("GET", f"/v1/tasks/{uuid4()}", None, None),
            "nowhere": ("GET", "/v1/nowhere", None, None),
        }
        kind = self._chance.choice(list(kinds))
        answer = await client.send(*kinds[kind])
        if answer.status == 401:
            await client.sign_in_again()
        if kind == "create" and answer.status == 201:
            self._tasks.append(re.findall(r'"id":"([^"]+)"', answer.body.decode())[0])
        if kind == "delete" and one in self._tasks:
            self._tasks.remove(one)


async def _send(stage: Stage, requests: int, *, cancelled: float) -> None:
    """Send requests, of which a share is given up by the client, whenever."""
    people = await crowd(stage.service.port, stage.ledger, CLIENTS)
    chance = random.Random(14)  # noqa: S311 - no secret
    left = requests

    async def work(client: Client) -> None:
        nonlocal left
        anybody = _Anybody(client, chance)
        while left > 0:
            left -= 1
            task = asyncio.create_task(anybody.act())
            if chance.random() < cancelled:
                asyncio.get_running_loop().call_later(chance.uniform(0, 0.03), task.cancel)
            with suppress(asyncio.CancelledError, Gone):
                await task
        client.close()

    await asyncio.gather(*(work(person) for person in people))


async def _in_use(stage: Stage) -> int:
    answer = await Client(stage.service.operators, stage.ledger).send("GET", "/metrics")
    found = re.search(rb'hearth_pool_connections\{which="in_use"\} ([0-9.]+)', answer.body)
    assert found is not None, answer.body
    return int(float(found[1]))


async def mixed(stage: Stage, requests: int) -> Report:
    """Send mixed requests, a third of them cancelled; look what stays behind on connections."""
    report = Report()
    await _send(stage, requests, cancelled=1 / 3)
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            while await _in_use(stage):
                pass  # each look is a round trip, in which the last ones are rolled back
    in_use = await _in_use(stage)
    statuses = stage.ledger.statuses
    told = ", ".join(f"{what}: {count}" for what, count in sorted(statuses.items()))
    report.tell(f"{requests} requests, a third of them given up: {told}")
    is_well = not any(status.startswith("500") for status in statuses)
    report.tell("no answer of 500" if is_well else "an answer of 500", is_well=is_well)
    report.tell(f"{in_use} connections in use afterwards", is_well=in_use == 0)
    states = Counter(
        row[0]
        for row in await asyncio.to_thread(
            stage.root,
            "select state from pg_stat_activity where usename = 'app_api'",
            database="postgres",
        )
    )
    # The monitor may be looking.
    is_well = states.keys() <= {"idle", "active"} and states.total() <= POOL + 1
    report.tell(f"states of the server's connections: {dict(states)}", is_well=is_well)
    left = await asyncio.to_thread(_left, stage, states.total())
    report.tell(f"left on {states.total()} connections: {left or 'nothing'}", is_well=not left)
    return report


def _left(stage: Stage, connections: int) -> set[str]:
    """Return what is set on any of the pooler's connections, all of which are held at once."""
    assert stage.pooler is not None
    url, found = pooled_url(stage.pooler.home, stage.hearth.name), set()
    with ExitStack() as stack:
        for _ in range(connections):
            connection = stack.enter_context(psycopg.connect(url))
            context = connection.execute(f"select {LEFT}").fetchone()
            session = connection.execute(SESSION).fetchone()
            assert context is not None
            assert session is not None
            found |= {str(value) for value in (*context, *session) if value}
    return found


def _resident(stage: Stage) -> float:
    status = Path(f"/proc/{stage.service.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


async def memory(stage: Stage, requests: int) -> Report:
    """Send mixed requests, and compare the memory after a fifth of them and after all."""
    report = Report()
    sizes = [_resident(stage)]
    for _ in range(5):
        await _send(stage, requests // 5, cancelled=0)
        sizes.append(_resident(stage))
    told = ", ".join(f"{size:.0f}" for size in sizes)
    is_well = sizes[-1] - sizes[1] < GROWTH
    report.tell(f"MiB before, and after each fifth of {requests} requests: {told}", is_well=is_well)
    return report
