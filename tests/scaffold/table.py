"""What is asked of a new table: its name, its fields, who sees it, and where it hangs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal
from uuid import NAMESPACE_OID, uuid5

from pglast.keywords import RESERVED_KEYWORDS, TYPE_FUNC_NAME_KEYWORDS

Visibility = Literal["private", "family", "both"]


class RefusedError(Exception):
    """What was asked cannot be made; one line that names the option, and why."""


# The columns that every table has, and those that some have.
BASE_COLUMNS = {
    *("family_id", "id", "user_id", "visibility"),
    *("created_at", "updated_at", "row_version", "deleted_at", "is_active"),
}

# Names that the queries and endpoints have for something else.
TAKEN_NAMES = {
    *("limit", "cursor", "patch", "if_match", "may_create", "after_at", "after_id", "n", "shown"),
}

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_FIELD = re.compile(r"(?P<name>[^:]+):(?P<type>[a-z]+)(:(?P<limit>[0-9]+))?(?P<null>\?)?")

# What a resource's module imports, and what it calls its own types.
_IMPORTED = {
    *("Annotated", "Day", "Description", "Field", "Line", "Name", "Page", "Patch"),
    *("Request", "Resource", "Text", "Title", "Versioned", "Visibility"),
}

# Texts that app/http/fields.py has, by length and whether they may be null.
_TEXTS = {(200, False): "Title", (100, False): "Name", (1000, True): "Description"}

# PostgreSQL cuts names at 63 bytes; the longest that is made of a table's has some 30 more.
LONGEST_NAME = 30

# What PostgreSQL does not take as a bare name.
RESERVED = {*RESERVED_KEYWORDS, *TYPE_FUNC_NAME_KEYWORDS}


@dataclass(frozen=True)
class Field:
    """A column of the new table, and a field of its models.

    Args:
        name: Its name.
        type: `text`, `date`, `integer` or `boolean`.
        limit: How many characters a text may have.
        is_null: Whether it may be null.
    """

    name: str
    type: Literal["text", "date", "integer", "boolean"]
    limit: int
    is_null: bool

    @property
    def words(self) -> str:
        """Its name as a sentence has it."""
        return self.name.removesuffix("_on").removesuffix("_at").replace("_", " ")

    @property
    def column(self) -> str:
        """Its column, as `create table` has it."""
        return f"{self.name} {self.type}" + ("" if self.is_null else " not null")

    @property
    def check(self) -> tuple[str, str, str] | None:
        """The name of its check without the table's, the condition and the sentence."""
        name, limit, words = self.name, self.limit, self.words
        if self.type == "text" and self.is_null:
            return (
                f"{name}_is_at_most_{limit}_characters",
                f"length({name}) <= {limit}",
                f"The {words} must have at most {limit} characters.",
            )
        if self.type == "text":
            return (
                f"{name}_is_1_to_{limit}_characters",
                f"app.is_line({name}) and length({name}) <= {limit}",
                f"The {words} must have 1 to {limit} characters, not all invisible, and no blank at"
                " its ends.",
            )
        if self.type == "date":
            return (
                f"{name}_is_in_the_calendar",
                f"{name} between '1900-01-01' and '2999-12-31'",
                f"The {words} date must lie between the years 1900 and 2999.",
            )
        if self.type == "integer":
            return (
                f"{name}_is_0_to_1000000",
                f"{name} between 0 and 1000000",
                f"The {words} must be a whole number from 0 to 1000000.",
            )
        return None

    @property
    def model(self) -> str:
        """Its type in a model of a request."""
        if self.type == "text":
            return _TEXTS.get((self.limit, self.is_null), self.alias)
        return {"date": "Day", "integer": self.alias, "boolean": "bool"}[self.type]

    @property
    def alias(self) -> str:
        """The name of its type, where the model has one of its own."""
        name = "".join(part.capitalize() for part in self.name.split("_"))
        return f"{name}Value" if name in _IMPORTED else name

    @property
    def definition(self) -> str | None:
        """What its own type is, if it has one."""
        if self.model != self.alias:
            return None
        if self.type == "integer":
            return "Annotated[int, Field(ge=0, le=1_000_000), WHOLE]"
        if self.is_null:
            return f"Annotated[Text, StringConstraints(max_length={self.limit})]"
        return f"Annotated[Line, StringConstraints(min_length=1, max_length={self.limit})]"

    @property
    def shown(self) -> str:
        """Its type in the model of the response."""
        plain = {"text": "str", "date": "date", "integer": "int", "boolean": "bool"}[self.type]
        return f"{plain} | None" if self.is_null else plain

    @property
    def cast(self) -> str:
        """What its text in a JSON document is cast to."""
        return "" if self.type == "text" else f"::{self.type}"

    def example(self, number: int) -> str | int | bool:
        """Return a value of it, another one for each number."""
        if self.type == "text":
            return f"{self.words.capitalize()} {number}"[: self.limit]
        if self.type == "date":
            return f"2030-0{number}-28"
        return number if self.type == "integer" else number % 2 == 0

    def literal(self, number: int) -> str:
        """Return the same as SQL."""
        value = self.example(number)
        return str(value).lower() if self.type in {"integer", "boolean"} else f"'{value}'"


@dataclass(frozen=True, kw_only=True)
class Parent:
    """The table that the new one hangs on.

    Args:
        table: Its name.
        retires: Whether its rows are retired.
        path: The path of its list.
        body: A body that creates one.
        fact: The text of its id in tests/examples, in which {} is the person.
    """

    table: str
    retires: bool
    path: str
    body: Mapping[str, object]
    fact: str

    @property
    def singular(self) -> str:
        return singular_of(self.table)

    @property
    def word(self) -> str:
        return self.singular.replace("_", " ")

    @property
    def a_word(self) -> str:
        return with_article(self.word)

    @property
    def example_id(self) -> str:
        """An id for the examples of the API document."""
        return example_id(self.table)


@dataclass(frozen=True, kw_only=True)
class Table:
    """The new table.

    Args:
        name: Its name, a plural.
        fields: Its fields, of which at least one is a text that is not null.
        visibility: Who sees a row: its owner, the family, or as the row says.
        retires: Whether rows are retired, restored and purged, or deleted at once.
        parent: What it hangs on, if anything.
        number: The number of its migration.
        before: The migration before it.
    """

    name: str
    fields: Sequence[Field] = field(repr=False)
    visibility: Visibility
    retires: bool
    parent: Parent | None
    number: str
    before: str

    @cached_property
    def singular(self) -> str:
        return singular_of(self.name)

    @property
    def migration(self) -> str:
        return f"{self.number}_{self.name}"

    @property
    def words(self) -> str:
        return self.name.replace("_", " ")

    @property
    def word(self) -> str:
        return self.singular.replace("_", " ")

    @property
    def a_word(self) -> str:
        return with_article(self.word)

    @property
    def model(self) -> str:
        return "".join(part.capitalize() for part in self.singular.split("_"))

    @property
    def title(self) -> str:
        """Its tag in the API document."""
        return self.words.capitalize()

    @property
    def alias(self) -> str:
        """Its alias in queries, where n is a row's number or its new values, and p its parent."""
        return "e" if self.parent or self.name[0] in "np" else self.name[0]

    @property
    def path(self) -> str:
        """The path of its list."""
        own = self.name.replace("_", "-")
        if self.parent is None:
            return f"/v1/{own}"
        return f"{self.parent.path}/{{{self.parent.singular}_id:uuid}}/{own}"

    @property
    def about(self) -> str:
        """What it is, in a sentence."""
        whose = {
            "private": "Each member's own; nobody else sees them.",
            "family": "The family's, for every member to see.",
            "both": "One's own, private or shared with the family.",
        }
        return whose[self.visibility]

    @property
    def example_id(self) -> str:
        """An id for the examples of the API document."""
        return example_id(self.name)

    @property
    def has_visibility(self) -> bool:
        return self.visibility == "both"

    @property
    def is_private(self) -> bool:
        return self.visibility == "private"

    @property
    def nullable(self) -> Sequence[str]:
        return [column.name for column in self.fields if column.is_null]

    @property
    def written(self) -> Sequence[str]:
        """The columns that a client writes, in their order."""
        return [*(f.name for f in self.fields), *(["visibility"] if self.has_visibility else [])]

    @property
    def head(self) -> Field:
        """The first text that is not null: what a row is known by."""
        return next(f for f in self.fields if f.type == "text" and not f.is_null)

    def example(self, number: int) -> Mapping[str, object]:
        """Return a body, another one for each number."""
        values: dict[str, object] = {f.name: f.example(number) for f in self.fields}
        return {**values, "visibility": "family"} if self.has_visibility else values


def with_article(word: str) -> str:
    """Return a word with its article."""
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def example_id(table: str) -> str:
    """Return an id, always the same for the same table."""
    return str(uuid5(NAMESPACE_OID, table))


def singular_of(plural: str) -> str:
    """Return the singular of a table's name.

    Raises:
        RefusedError: It is no plural.
    """
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh")):
        if plural.endswith(ending):
            return plural.removesuffix(ending) + instead
    if plural.endswith("xes"):
        return plural.removesuffix("es")
    if not plural.endswith("s") or plural.endswith("ss"):
        raise RefusedError(f"NAME: {plural} is no plural; a table is called after its rows")
    return plural.removesuffix("s")


def read_name(name: str) -> str:
    """Return a table's name.

    Raises:
        RefusedError: It is none.
    """
    if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise RefusedError(
            f"NAME: {name!r} is no name; write 1 to {LONGEST_NAME} small letters, digits and _,"
            " such as shopping_items"
        )
    if name in RESERVED or singular_of(name) in RESERVED:
        raise RefusedError(f"NAME: {name} is a word of SQL")
    return name


def read_fields(text: str) -> Sequence[Field]:
    """Return the fields that a text such as `title:text:200 due_on:date?` lists.

    Raises:
        RefusedError: It lists none, one twice, or one that cannot be.
    """
    fields: list[Field] = []
    for word in text.split():
        found = _FIELD.fullmatch(word)
        if found is None or found["type"] not in {"text", "date", "integer", "boolean"}:
            raise RefusedError(
                f"FIELDS: {word!r} is no field; write name:type, where the type is text:200, date,"
                " integer or boolean, with ? behind it if it may be null"
            )
        name = found["name"]
        if not _NAME.fullmatch(name) or len(name) > LONGEST_NAME or name in RESERVED:
            raise RefusedError(f"FIELDS: {name!r} is no name for a column")
        if name in BASE_COLUMNS | TAKEN_NAMES or name in {f.name for f in fields}:
            raise RefusedError(f"FIELDS: {name} is taken")
        if (found["limit"] is not None) != (found["type"] == "text"):
            raise RefusedError(f"FIELDS: {name}: a text, and only a text, has a length: text:200")
        limit = int(found["limit"] or 0)
        if found["type"] == "text" and not 1 <= limit <= 10_000:
            raise RefusedError(f"FIELDS: {name}: a text has 1 to 10000 characters")
        if found["type"] == "date" and not name.endswith("_on"):
            raise RefusedError(f"FIELDS: {name}: a date is called {name}_on")
        if found["type"] == "boolean" and not name.startswith("is_"):
            raise RefusedError(f"FIELDS: {name}: a boolean is called is_{name}")
        fields.append(Field(name, found["type"], limit, found["null"] is not None))  # type: ignore[arg-type]
    if not any(f.type == "text" and not f.is_null for f in fields):
        raise RefusedError("FIELDS: need a text that is not null, such as title:text:200")
    return fields
