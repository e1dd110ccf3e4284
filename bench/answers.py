"""Whether a peer answers what Hearth answers: each kind of request is sent once to both.

What is compared are the keys and values of the JSON. A time is a moment, however it is written. Of
what is written, ids and times are made anew each time, so of those only that they are there is; but
so is what the write left behind it, the rows of the trail and of the points.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import psycopg

from bench.data import Loaded
from bench.errors import BenchError
from bench.population import Person
from bench.services import Peer, sent

READS = ("list_20", "list_100", "one", "me", "today", "stats", "leaderboard")

# In this order: what the first makes, the others change.
WRITES = ("create", "patch", "complete", "habit_log", "sign_in")

# What is made anew by each write.
_MADE = frozenset(
    {
        *("id", "created_at", "updated_at", "completed_at", "row_version"),
        *("access_token", "refresh_token"),
    }
)

_COUNT = "select (select count(*) from app.audit_log), (select count(*) from app.score_entries)"

# As if the writes had not been: whoever is asked next answers from the same rows.
_UNDO = (
    "set session_replication_role = replica",
    "delete from app.score_entries where created_at >= %(since)s",
    "delete from app.audit_log where occurred_at >= %(since)s",
    "delete from app.tasks where created_at >= %(since)s",
    "delete from app.habit_logs where created_at >= %(since)s",
    "reset session_replication_role",
)


@dataclass(frozen=True)
class Answers:
    """What a peer answered.

    Args:
        bodies: JSON, by workload and caller.
        left: How many rows a write left in the trail and in the ledger, by the same.
    """

    bodies: Mapping[str, Any] = field(default_factory=dict)
    left: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def ask(peer: Peer, data: Loaded, port: int, tokens: Mapping[int, str]) -> Answers:
    """Send each kind of request that a peer has, in the name of three people.

    Raises:
        BenchError: One of them was refused.
    """
    bodies: dict[str, Any] = {}
    left: dict[str, tuple[int, int]] = {}
    with psycopg.connect(data.url("postgres"), autocommit=True) as root:
        people = sorted(tokens)
        # The first is of the family that has most.
        for person in map(Person, (people[0], people[len(people) // 2], people[-1])):
            chance = Random(person.number)
            values = {
                "token": tokens[person.number],
                "email": person.email,
                "habit_id": person.pages_habit,
                # Of three days one is not logged.
                "day": (date.today() - timedelta(days=30)).isoformat(),  # noqa: DTZ011
                "value": "12.5",
                "number": "1",
                "is_completed": "true",
                "task_id": data.population.own_task(person, chance),
            }
            for workload in READS:
                if workload not in peer.absent:
                    key = f"{workload}, person {person.number}"
                    bodies[key] = _framed(peer, workload, _send(peer, workload, port, values))
            [since] = root.execute("select clock_timestamp()").fetchone() or (None,)
            try:
                before = root.execute(_COUNT).fetchone() or (0, 0)
                for workload in WRITES:
                    if workload in peer.absent:
                        continue
                    key = f"{workload}, person {person.number}"
                    answer = _framed(peer, workload, _send(peer, workload, port, values))
                    after = root.execute(_COUNT).fetchone() or (0, 0)
                    bodies[key] = without_made(answer)
                    left[key] = (after[0] - before[0], after[1] - before[1])
                    before = after
                    if workload == "create":
                        values["task_id"] = answer["id"]
            finally:
                for statement in _UNDO:
                    has_value = "%" in statement
                    root.execute(statement, {"since": since} if has_value else None)
    return Answers(bodies, left)


def differences(expected: Answers, found: Answers) -> Sequence[str]:
    """Return what a peer answered otherwise, a line each."""
    lines = []
    for key, body in found.bodies.items():
        ours = expected.bodies[key]
        if isinstance(body, list) and isinstance(ours, dict):
            ours = ours["items"]  # of a peer whose pages have another frame
        lines += [f"{key}: {line}" for line in _different(ours, body, "")]
    for key, rows in found.left.items():
        if rows != expected.left[key]:
            lines.append(
                f"{key}: leaves {rows[0]} records in the trail and {rows[1]} entries of points,"
                f" not {expected.left[key][0]} and {expected.left[key][1]}"
            )
    return lines


def _different(expected: Any, found: Any, where: str) -> list[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        lines = []
        for name in sorted(expected.keys() | found.keys()):
            if name not in found:
                lines.append(f"{where}/{name} is missing")
            elif name not in expected:
                lines.append(f"{where}/{name} is too much")
            else:
                lines += _different(expected[name], found[name], f"{where}/{name}")
        return lines
    if isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            return [f"{where} has {len(found)} items, not {len(expected)}"]
        pairs = enumerate(zip(expected, found, strict=True))
        return [
            line for index, pair in pairs for line in _different(*pair, where=f"{where}/{index}")
        ]
    if type(_plain(expected)) is type(_plain(found)) and _plain(expected) == _plain(found):
        return []
    return [f"{where} is {_short(found)}, not {_short(expected)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def _plain(value: Any) -> Any:
    """Return a time as the moment it is, and a number as it compares with others."""
    if isinstance(value, str) and len(value) > 18:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        return moment if moment.tzinfo is not None else value
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def without_made(body: Any) -> Any:
    """Return JSON in which ids and times are told by their kind only."""
    if isinstance(body, dict):
        return {
            name: type(value).__name__ if name in _MADE else without_made(value)
            for name, value in body.items()
        }
    if isinstance(body, list):
        return [without_made(item) for item in body]
    return body


def _framed(peer: Peer, workload: str, body: Any) -> Any:
    """Return the part that is compared: of a peer whose JSON has another frame, what is in it."""
    path = peer.answers.get(workload, "")
    try:
        for name in filter(None, path.split(".")):
            body = body[name]
    except (KeyError, TypeError):
        raise BenchError(
            f"{peer.title}, {workload}: the answer has no {path}: {str(body)[:300]}"
        ) from None
    return body


def _send(peer: Peer, workload: str, port: int, values: Mapping[str, str]) -> Any:
    request = peer.all_requests[workload].filled(values)
    status, text = sent(port, request)
    if not 200 <= status < 300:
        raise BenchError(f"{peer.title}, {workload}: {status} {text[:500]}")
    return json.loads(text)
