"""What is asked of every peer: requests, and the people in whose name they are sent."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from bench.population import PASSWORD, SENDERS, Population

# So many requests are sent before they begin anew.
REQUESTS = 20_000


@dataclass(frozen=True)
class Request:
    """A request, in which names in braces are filled in.

    Args:
        method: The HTTP method.
        path: The path with its query string.
        body: JSON text; empty for none.
        headers: Others than the token and the content type.
        has_token: Whether it carries an access token.
    """

    method: str
    path: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    has_token: bool = True

    def filled(self, values: Mapping[str, str]) -> "Request":
        """Return it with its names filled in."""
        headers = {name: fill(value, values) for name, value in self.headers.items()}
        if self.has_token:
            headers["Authorization"] = f"Bearer {values['token']}"
        if self.body:
            headers["Content-Type"] = "application/json"
        return Request(
            self.method, fill(self.path, values), fill(self.body, values), headers, self.has_token
        )

    @property
    def line(self) -> str:
        """The line of it that `wrk.lua` reads."""
        headers = "|".join(f"{name}: {value}" for name, value in self.headers.items())
        return "\t".join((self.method, self.path, headers, self.body))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace the names in braces that there are values for; other braces are JSON's."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


_CREATE = {
    "title": "Take out the rubbish {number}",
    "description": "Paper and glass, not the rest",
    "due_on": "2030-02-28",
    "visibility": "family",
}

REQUESTS_OF: Mapping[str, Request] = {
    "list_20": Request("GET", "/v1/tasks?limit=20"),
    "list_100": Request("GET", "/v1/tasks?limit=100"),
    "one": Request("GET", "/v1/tasks/{task_id}"),
    "me": Request("GET", "/v1/me"),
    "create": Request("POST", "/v1/tasks", json.dumps(_CREATE)),
    "patch": Request("PATCH", "/v1/tasks/{task_id}", json.dumps({"title": "Renamed {number}"})),
    "complete": Request("PATCH", "/v1/tasks/{task_id}", '{"is_completed": {is_completed}}'),
    "habit_log": Request("PUT", "/v1/habits/{habit_id}/logs/{day}", '{"value": {value}}'),
    "today": Request("GET", "/v1/today"),
    "stats": Request("GET", "/v1/habits/{habit_id}/stats"),
    "leaderboard": Request("GET", "/v1/leaderboard"),
    "sign_in": Request(
        "POST",
        "/v1/auth/signin",
        json.dumps({"email": "{email}", "password": PASSWORD}),
        has_token=False,
    ),
}

# Of a hundred requests; four of five read.
MIXED = {
    "list_20": 45,
    "one": 15,
    "me": 10,
    "today": 5,
    "list_100": 5,
    "create": 8,
    "patch": 6,
    "complete": 3,
    "habit_log": 3,
}

WORKLOADS = (*REQUESTS_OF, "mixed")


def values(
    population: Population, tokens: Mapping[int, str], seed: int, number: int = REQUESTS
) -> Sequence[Mapping[str, str]]:
    """Return what is filled into so many requests.

    The second half is about the tasks of the first, which it opens again where that completed them.

    Args:
        population: Who there is.
        tokens: Access tokens, by the number of a person.
        seed: The same gives the same.
        number: Of requests; even.
    """
    chance = Random(seed)
    people = population.some_people(SENDERS, chance)
    today = date.today()  # noqa: DTZ011 - a day is enough
    drawn: list[dict[str, str]] = []
    for index in range(number // 2):
        person = people[index % len(people)]
        day = today - timedelta(days=chance.randrange(75))
        drawn.append(
            {
                "token": tokens[person.number],
                "email": person.email,
                "task_id": population.own_task(person, chance),
                "habit_id": person.pages_habit,
                "day": day.isoformat(),
                "value": str(chance.randrange(30)),
                "number": str(chance.randrange(10**6)),
                "is_completed": "true",
            }
        )
    again = [
        {**each, "is_completed": "false", "number": str(chance.randrange(10**6))} for each in drawn
    ]
    return [*drawn, *again]


def tape(
    workload: str, requests: Mapping[str, Request], drawn: Sequence[Mapping[str, str]], seed: int
) -> str:
    """Return the lines of a workload that `wrk.lua` sends in turn.

    Args:
        workload: One of `WORKLOADS`.
        requests: A peer's, by workload.
        drawn: What `values` returns.
        seed: Of the mixed workload's order.
    """
    kinds = kinds_of(workload, len(drawn), seed)
    pairs = zip(kinds, drawn, strict=True)
    return "".join(requests[kind].filled(each).line + "\n" for kind, each in pairs)


def kinds_of(workload: str, number: int, seed: int) -> Sequence[str]:
    """Return the kinds of so many requests of a workload, in order."""
    if workload != "mixed":
        return [workload] * number
    return Random(seed).choices(list(MIXED), list(MIXED.values()), k=number)
