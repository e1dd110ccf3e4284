"""What every session of ours depends on: `sql/session.sql`, for a session or a transaction."""

import re
from collections.abc import Mapping

from app.settings import sql_directory

# Servers' own encoding: another holds no text of ours, or does not know what its bytes are.
ENCODING = "UTF8"

_LINES = re.findall(
    r"^(set (\w+) = '(.*)';)$", (sql_directory() / "session.sql").read_text("utf-8"), re.MULTILINE
)

PINNED: Mapping[str, str] = {name: value for _, name, value in _LINES}


def pins(command: str = "set") -> str:
    """Return the statements that pin them.

    Args:
        command: `set`, or `set local` for one transaction.
    """
    return "".join(line.replace("set", command, 1) for line, _, _ in _LINES)
