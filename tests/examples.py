"""An example of every request body, as the document has it, for tests of the whole table."""

from collections.abc import Mapping
from typing import Any

from app import models
from app.endpoints import TABLE

BODIES: Mapping[type[models.Request], Mapping[str, Any]] = {
    row.body: row.body.example for row in TABLE if row.body
}
