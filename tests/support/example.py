"""What the sweeps must know of a table that neither the catalog nor the models tell.

The tests that go through all tables, all queries and all endpoints name none of them. What a table
adds to them stands in its own file, tests/examples/<resource>.py, which is found and not listed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import md5
from typing import Literal
from uuid import UUID

# Pages of 8 kB that a call may touch, in the functions it calls as well: a few descents of an index
# and the rows of a page of twenty.
BUDGET = 60

# Rows that may be read, by what it sets off as well; and of those dropped, and sorted.
ROWS = 100
DROPPED = 20
SORTED = 50


@dataclass(frozen=True, kw_only=True)
class Leave:
    """What a call may take: pages and rows; where it is more than others, why.

    What two tables add to one call is added up: a row takes what hangs on it with it.
    """

    budget: int = BUDGET
    rows: int = ROWS
    dropped: int = DROPPED
    sorted: int = SORTED
    why: str = ""

    def __add__(self, other: "Leave") -> "Leave":
        return Leave(
            budget=self.budget + other.budget - BUDGET,
            rows=self.rows + other.rows - ROWS,
            dropped=self.dropped + other.dropped - DROPPED,
            sorted=self.sorted + other.sorted - SORTED,
            why=f"{self.why} {other.why}",
        )


@dataclass(frozen=True, kw_only=True)
class Example:
    """Examples of a table's rows, and what is said of it beside the code.

    Args:
        table: Its name.
        private: Whose a row is within the family: of its user alone, unless it is shared, or
            everybody's. The proofs hold this against the policies, so it is not read from them.
        seen_if: Where that is not all there is to it: who sees a row, in SQL.
        household: An insert of rows of each person of a household. It reads from people (role,
            user_id, session_id, family_id) and, by their names, from what it inserts into other
            tables. What is done is worth nothing, else the ledger of points would have ids that
            differ from one household to the other. Empty where triggers make the rows.
        crowd: An insert of rows for tests/sql/crowd.sql, whose temporary tables and functions it
            uses; after those that stand before it in the module.
        seven: A statement that makes seven rows of person $2 in family $1, some of them in one
            microsecond, for the pages of its list.
        facts: What a person has of it, by the names that paths and parameters have for it. In a
            text, which `id_of` makes an id, {} is the person: their role in a household, their
            number in the crowd.
        variants: What is asked of a query that can be asked more than one thing: by the query and
            a name, the query string.
        leaves: What "query" or "query, variant" may take, where it is more than others: also what
            this table adds to a query of another.
        unread: Indexes that no call would miss, and why they are there.
    """

    table: str
    private: Literal["always", "by visibility", "never"]
    seen_if: str = ""
    household: str
    crowd: str = ""
    seven: str = ""
    facts: Mapping[str, str | int | date] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    leaves: Mapping[str, Leave] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)

    def facts_of(self, person: str | int) -> Mapping[str, object]:
        """Return the facts about a person."""
        return {
            name: id_of(fact.format(person)) if isinstance(fact, str) else fact
            for name, fact in self.facts.items()
        }


def id_of(thing: str) -> UUID:
    """Return the id of a thing, such as "task of owner, 1"; SQL makes it by `md5(…)::uuid`."""
    return UUID(md5(thing.encode(), usedforsecurity=False).hexdigest())


def after(at: datetime) -> Mapping[str, str]:
    """Return the query string of the page that begins after a moment."""
    return {"cursor": f"{round(at.timestamp() * 1_000_000)}_{id_of('any')}"}


# The first and a deep page of a list in the order in which the crowd made its rows.
PAGES: Mapping[str, Mapping[str, str]] = {
    "first page": {},
    "deep page": after(datetime(2026, 1, 1, 0, 3, tzinfo=UTC)),
}

# When the nth of seven rows was made: some fall on one microsecond, then the id decides.
MADE_AT = "now() + (n / 3) * interval '1 microsecond'"
