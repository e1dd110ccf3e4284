"""Two reports that are SQL by hand in any framework: Hearth's own, whose :names text() reads."""

import re
from pathlib import Path

from sqlalchemy import TextClause, text

# The working copy is as deep below the checkout as the peer's directory.
QUERIES = Path(__file__).parents[4] / "sql/queries/service"


def report(file: str, name: str) -> TextClause:
    """Return a query of one of Hearth's files."""
    content = (QUERIES / file).read_text("utf-8")
    blocks = dict(re.findall(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", content, re.M | re.S))
    statement = re.sub(r"^ *--.*$", "", blocks[name], flags=re.M)
    # text() takes :name::type for no parameter.
    return text(re.sub(r"(?<!:):([a-z_]+)", r"(:\1)", statement))


TODAY = report("today.sql", "get_today")
HABIT_STATS = report("habits.sql", "get_habit_stats")
