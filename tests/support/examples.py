"""An example of every request, bodies as the document has them, for tests of the whole table."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from app.http import models
from app.http.endpoint import Endpoint
from app.resources import ENDPOINTS

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
