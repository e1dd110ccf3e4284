"""The resources: a module each, with its models and its rows of endpoints.

They are found, not listed: a new module here is served, documented and tested.
"""

import pkgutil
from collections.abc import Sequence
from importlib import import_module

from app.http.endpoint import Endpoint, Resource

RESOURCES: Sequence[Resource] = tuple(
    value
    for module in pkgutil.iter_modules(__path__, f"{__name__}.")
    for value in vars(import_module(module.name)).values()
    if isinstance(value, Resource)
)

ENDPOINTS: Sequence[Endpoint] = tuple(row for part in RESOURCES for row in part.endpoints)
