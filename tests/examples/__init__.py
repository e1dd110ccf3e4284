"""Examples of every table: the `Example` values of the modules here, found and not listed."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pkgutil import iter_modules

from tests.support.example import Example

EXAMPLES: Sequence[Example] = [
    value
    for module in iter_modules(__path__, f"{__name__}.")
    for value in vars(import_module(module.name)).values()
    if isinstance(value, Example)
]

EXAMPLE_OF: Mapping[str, Example] = {example.table: example for example in EXAMPLES}
