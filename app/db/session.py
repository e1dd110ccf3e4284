"""What every session of ours depends on, pinned here and nowhere else.

Anybody may set these for the server, the database, a role or, by the environment, for a client:
they change what texts mean, how values are written, what a catalog says and what a name finds. The
migrator sets them before anything else and after every file, the service and the other commands in
each transaction.

`client_encoding` is not among them: asyncpg always asks for UTF-8, and the migrator's connection
does.
"""

from collections.abc import Mapping

PINNED: Mapping[str, str] = {
    # How dates and intervals are written and read; in which zone a time without one is.
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    # What a text of SQL means.
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "array_nulls": "on",
    # How values and definitions are written.
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    # What a name finds; nothing of ours is found without its schema.
    "search_path": "pg_catalog",
    # Off, a query whose rows a policy would hide fails.
    "row_security": "on",
    # What a BEGIN that says nothing means.
    "default_transaction_isolation": "read committed",
}

_QUOTED = {"default_transaction_isolation": "'read committed'"}

# Servers' own encoding: another holds no text of ours, or does not know what its bytes are.
ENCODING = "UTF8"


def pins(command: str = "SET") -> str:
    """Return the statements that pin them.

    Args:
        command: `SET`, or `SET LOCAL` for one transaction.
    """
    # Not in quotes: "ISO, MDY" is a list, and so may a search path be.
    values = {**PINNED, **_QUOTED}
    return "".join(f"{command} {name} = {value};" for name, value in values.items())
