"""What one database says: what is marked, what is recorded and what lives in schema app."""

from dataclasses import dataclass

from app.migrations.sources import Key


@dataclass(frozen=True)
class Record:
    """A row of yoyo.files: what was run, and what the catalog said afterwards."""

    kind: str
    name: str
    state: str
    sha256: str
    requires: str | None
    made_on: str | None
    definition: str | None


@dataclass(frozen=True)
class Live:
    """An object of schema app. `version` is new after any change, `strip` is SQL to bare it."""

    kind: str
    name: str
    object: str
    version: str
    definition: str
    strip: str
    is_used: bool


@dataclass(frozen=True)
class Part:
    """An object of the structure, as it is or as `migration` left it; no definition: gone."""

    object: str
    parent: str | None
    definition: str | None
    migration: str = ""
    made_on: str = ""


@dataclass(frozen=True)
class State:
    """What one database says: migrations marked, files recorded, objects living in schema app.

    `structure` is what migrations made, by name, and `recorded` what it was when they had run.
    """

    marked: frozenset[str]
    records: dict[Key, Record]
    live: dict[Key, list[Live]]
    structure: dict[str, Part]
    recorded: dict[str, Part]
    made_on: str

    @property
    def server(self) -> str:
        return self.made_on.partition(",")[0]

    @property
    def is_recorded(self) -> bool:
        """Tell whether the structure can be compared with its records, word by word."""
        return {part.made_on for part in self.recorded.values()} == {self.server}

    def definition(self, key: Key) -> str | None:
        return "\n".join(item.definition for item in self.live.get(key, [])) or None

    def by_hand(self, key: Key) -> str | None:
        """Return the definition that is about to be lost, if it is not the one recorded."""
        record, live = self.records.get(key), self.definition(key)
        return live if record and record.definition != live else None

    def of(self, migration: str) -> str:
        """Return `pending`, `applying`, `applied`, `rolling back` or `rolled back`."""
        if migration in self.marked:
            return "applied"
        record = self.records.get(("migration", migration))
        return record.state if record and record.state != "applied" else "pending"

    def is_interrupted(self, migration: str) -> bool:
        """Tell whether it broke off outside a transaction, and may have left something behind."""
        return self.of(migration) in ("applying", "rolling back")

    def stands(self, migration: str) -> bool:
        """Tell whether there may be something of it to roll back."""
        return migration in self.marked or self.is_interrupted(migration)
