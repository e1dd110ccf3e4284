"""An example of every request, bodies as the document has them, for tests of the whole table.

And one of each thing that the requests create, so that there is something to ask about.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from app.http import models
from app.http.endpoint import Endpoint
from app.resources import ENDPOINTS
from tests.support.fixtures import Person

BODIES: Mapping[type[models.Request], Mapping[str, Any]] = {
    row.body: row.body.example for row in ENDPOINTS if row.body
}

DAY = "2026-03-29"


def path_to(row: Endpoint, ids: Mapping[str, object] | None = None) -> str:
    """Return a path of a row: to these things, by the names that paths have for them.

    An id that is not given is invented; the day is `DAY`, and the number 1.
    """
    known = ids or {}

    def value(found: re.Match[str]) -> str:
        name, convertor = found.groups()
        invented = {"uuid": uuid4(), "day": DAY, "number": 1}
        return str(known.get(name, invented[convertor]))

    return re.sub(r"{(\w+):(\w+)}", value, row.path)


def creating(ids: Mapping[str, object], *, but: Endpoint | None = None) -> Iterator[Endpoint]:
    """Yield the rows that create one of each thing in a family.

    Args:
        ids: What there is, by the names that paths have for it. Whoever sends what is yielded adds
            what `id_from` says; what is below a thing comes once that is there.
        but: A row to leave out, and with it what is below the thing that it would create.
    """
    waiting = [
        row
        for row in ENDPOINTS
        if row.in_family
        and row.signed_in
        and row is not but
        and (row.is_upsert or (row.method == "POST" and row.status == 201))
    ]
    while ready := next(
        (row for row in waiting if set(re.findall(r"{(\w+):uuid}", row.path)) <= set(ids)), None
    ):
        waiting.remove(ready)
        yield ready


def id_from(row: Endpoint, location: str | None, body: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the id of what a row has created, by the name that paths have for it.

    Args:
        row: The row.
        location: The header that leads to the thing, if it has a URL.
        body: The response.
    """
    below = re.compile(re.escape(row.path) + r"/{(\w+):uuid}")
    names = [found[1] for other in ENDPOINTS if (found := below.fullmatch(other.path))]
    if names and location:
        return {names[0]: location.rpartition("/")[2]}
    return {f"{str(row.query).removeprefix('create_')}_id": body["id"]} if "id" in body else {}


async def furnish(person: Person, *, but: Endpoint | None = None) -> dict[str, object]:
    """Create one of each thing in a person's family; return the ids as paths name them.

    Args:
        person: Who creates it.
        but: A row to leave out.
    """
    ids: dict[str, object] = {"family_id": person.family_id, "member_id": person.user_id}
    for row in creating(ids, but=but):
        body = BODIES[row.body] if row.body else None
        response = await person.client.request(row.method, path_to(row, ids), json=body)
        assert response.status_code == 201, f"{row.method} {row.path}: {response.text}"
        ids |= id_from(row, response.headers.get("Location"), response.json())
    return ids
