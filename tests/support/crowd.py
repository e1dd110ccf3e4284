"""People who write, and follow the answers."""

import asyncio
from itertools import count
from uuid import UUID

from tests.support.fixtures import Person


class Crowd:
    """People who write, and send again what was not acknowledged, under the same key."""

    def __init__(self, people: list[Person]) -> None:
        self.statuses: set[int] = set()
        self.codes: set[str] = set()
        self.acknowledged: dict[UUID, list[str]] = {person.user_id: [] for person in people}
        self.may_end = False
        self._more = asyncio.Condition()

    def _done(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    async def more(self, number: int) -> None:
        """Wait until so many more writes were acknowledged."""
        wanted = self._done() + number
        async with self._more:
            await self._more.wait_for(lambda: self._done() >= wanted)

    async def write(self, person: Person) -> None:
        for index in count():
            if self.may_end:
                return
            key = {"Idempotency-Key": f'"{person.user_id}-{index}"'}
            body = {"title": f"Task {index:05}"}
            while True:
                answer = await person.client.post("/v1/tasks", json=body, headers=key)
                self.statuses.add(answer.status_code)
                if answer.status_code == 201:
                    break
                self.codes.add(answer.json()["code"])
            async with self._more:
                self.acknowledged[person.user_id].append(body["title"])
                self._more.notify_all()


async def titles(person: Person) -> list[str]:
    """Return the titles of all tasks that somebody sees, in order."""
    found: list[str] = []
    path: str | None = "/v1/tasks?limit=100"
    while path:
        page = (await person.client.get(path)).json()
        found += [item["title"] for item in page["items"]]
        path = f"/v1/tasks?limit=100&cursor={page['next']}" if page["next"] else None
    return sorted(found)
