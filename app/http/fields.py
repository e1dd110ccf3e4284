"""The fields of requests: what text, numbers, days and the like may be.

Limits repeat the checks of `sql/`, for better messages; a test holds the two together. What a JSON
Schema cannot know of a validator stands beside it as `json_schema_extra`.
"""

import re
import zoneinfo
from contextlib import suppress
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, cast

import idna
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from typing_extensions import TypeAliasType


def _has_no_nul(text: str) -> str:
    # PostgreSQL's text cannot hold it.
    if "\x00" in text:
        raise ValueError("must not contain the character U+0000")
    return text


def _is_line(text: str) -> str:
    if not re.search(_SEEN, text):
        raise ValueError("must not be blank")
    # What Python strips is what app.is_line has for blanks.
    if text != text.strip():
        raise ValueError("must not begin or end with a blank")
    return text


def _read_address(email: str) -> str:
    # One form of a domain: the ASCII of IDNA 2008, of whatever UTS 46 takes for the same. What
    # cannot be seen it would leave out.
    name, _, domain = email.rpartition("@")
    if not domain.isascii() and not re.search(f"[{_BLANK}{_UNSEEN}]", domain):
        try:
            email = f"{name}@{idna.encode(domain, uts46=True).decode()}"
        except idna.IDNAError:
            raise ValueError("must have a domain that can be written in ASCII (IDNA)") from None
    if not re.fullmatch(_ADDRESS, email):
        raise ValueError("must look like name@host, without blanks or invisible characters")
    return email


NUMBER = "^[1-9][0-9]{0,8}$"
DAY = "^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}$"


def day_of(text: str) -> date:
    """Return the day that a text stands for.

    Raises:
        ValueError: It stands for none, or for one of another millennium.
    """
    with suppress(ValueError):
        if re.fullmatch(DAY, text):
            return date.fromisoformat(text)
    raise ValueError("must be a day from 1900-01-01 to 2999-12-31")


def number_of(text: str) -> int:
    """Return the number that a text stands for.

    Raises:
        ValueError: It stands for none, or for one that is not from 1 to 999999999.
    """
    if not re.fullmatch(NUMBER, text, re.ASCII):
        raise ValueError("must be a whole number from 1")
    return int(text)


def _read_day(value: object) -> object:
    # Pydantic takes a number in a string for seconds since 1970.
    return day_of(value) if isinstance(value, str) else value


# As in app.is_time_zone, which decides.
_ZONE = (
    "UTC|[A-Z][A-Za-z]*(/[A-Z][A-Za-z_]*(-[A-Za-z]+)*)+"
    r"|Etc/GMT(\+([0-9]|1[0-2])|-([0-9]|1[0-4]))?"
)


@cache
def time_zones() -> frozenset[str]:
    """Return the names of the time zones that there are, without the aliases of old."""
    return frozenset(name for name in zoneinfo.available_timezones() if re.fullmatch(_ZONE, name))


def _is_time_zone(name: str) -> str:
    if name not in time_zones():
        raise ValueError("must be a time zone such as Europe/Vienna")
    return name


def _read_flag(value: object) -> object:
    # Pydantic takes yes, on and 1 as well.
    if isinstance(value, str) and value not in {"true", "false"}:
        raise ValueError("must be true or false")
    return value


def read_number(value: object) -> object:
    # Pydantic takes 1_0, +10 and 10.0 as well.
    if isinstance(value, str) and not re.fullmatch("[0-9]{1,9}", value):
        raise ValueError("must be a whole number")
    return value


def _read_whole(value: object) -> object:
    # JSON and its schemas know one kind of number: 3.0 is a whole one too.
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_read_whole)


def hundredths_to(most: int) -> BeforeValidator:
    def read(value: object) -> object:
        # Pydantic takes a number in a string as well, and true for 1.
        if type(value) in (int, float) and 0.01 <= cast(float, value) <= most:
            return Decimal(str(value))
        raise ValueError(f"must be a number from 0.01 to {most}")

    return BeforeValidator(read)


def number_schema(most: int, about: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "number", "minimum": 0.01, "maximum": most, "description": about}
    )


# The patterns of fields, and what is told where one does not match.
PATTERNS: dict[str, str] = {}


def pattern(regex: str, words: str) -> str:
    """Return a pattern for a field; what does not match is told in these words."""
    PATTERNS[regex] = words
    return regex


# What If-Match may be (RFC 9110, 13.1.1): a star, or a list of entity tags, in which elements may
# be empty. A comma ends the blanks before it, so that there is one way to read any text: of two
# repetitions side by side that take the same blanks, every way to share them out would be tried.
_ENTITY_TAG = r'(W/)?"[!#-~\u0080-\u00ff]*"'
ENTITY_TAGS = rf"^([ \t]*[*][ \t]*|[ \t,]*{_ENTITY_TAG}([ \t]*,[ \t,]*{_ENTITY_TAG})*[ \t,]*)$"

# Blanks, and what draws nothing, as in app.visible; a test holds the two together. Listed, because
# dialects of regular expressions differ in \s, and none knows the rest.
_BLANK = r"\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_UNSEEN = (
    r"\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    r"\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0"
    r"\ufff0-\ufffb"
    # Dialects differ in how to write these, so they stand here themselves.
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_SEEN = f"[^{_BLANK}{_UNSEEN}]"
# One way to read any text: what is unseen up to the first that is seen, then words behind blanks.
_NO_NUL = _UNSEEN.replace(r"\u0000", r"\u0001")
_LINE = rf"^([{_NO_NUL}][{_BLANK}{_NO_NUL}]*)?{_SEEN}([{_BLANK}]*[^\u0000{_BLANK}])*$"

# No other @, in any width, and no accent by itself: app.text_key makes an @ of the one, and of the
# other an accent on a blank.
_OTHER_AT = r"\ufe6b\uff20"
_BARE_ACCENT = (
    r"\u00a8\u00af\u00b4\u00b8\u02d8-\u02dd\u037a\u0384\u0385\u1fbd\u1fbf-\u1fc1\u1fcd-\u1fcf\u1fdd-\u1fdf"
    r"\u1fed\u1fee\u1ffd\u1ffe\u2017\u203e\u309b\u309c\ufc5e-\ufc63\ufdfa\ufdfb\ufe49-\ufe4c\ufe70\ufe72"
    r"\ufe74\ufe76\ufe78\ufe7a\ufe7c\ufe7e\uffe3"
)
_ADDRESS = (
    rf"^[^@{_OTHER_AT}{_BARE_ACCENT}{_BLANK}{_UNSEEN}]+"
    r"@[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*$"
)


def matching(pattern: str) -> Any:
    """Return what puts into the schema of a field a pattern that its validator goes by."""
    return Field(json_schema_extra={"pattern": pattern})


Text = Annotated[str, AfterValidator(_has_no_nul), matching(r"^[^\u0000]*$")]
Line = Annotated[Text, AfterValidator(_is_line), matching(_LINE)]
Title = Annotated[Line, StringConstraints(min_length=1, max_length=200)]
Name = Annotated[Line, StringConstraints(min_length=1, max_length=100)]
FullName = Annotated[Line, StringConstraints(min_length=1, max_length=200)]
Description = Annotated[Text, StringConstraints(max_length=1000)]
# By a name of its own, so that the document lists the zones once.
TimeZone = TypeAliasType(
    "TimeZone",
    Annotated[
        str,
        AfterValidator(_is_time_zone),
        Field(
            description="the name of a time zone of the IANA database",
            json_schema_extra=lambda schema: schema.update(enum=sorted(time_zones())),
        ),
    ],
)
Email = Annotated[
    Text,
    StringConstraints(max_length=254),
    AfterValidator(_read_address),
    matching(_ADDRESS),
]
Day = Annotated[
    date,
    BeforeValidator(_read_day),
    Field(description="a day from 1900-01-01 to 2999-12-31"),
    matching(DAY),
]
Flag = Annotated[bool, BeforeValidator(_read_flag)]
Visibility = Annotated[
    Literal["private", "family"],
    Field(description="who sees it: the owner alone, or everybody in the family"),
]
Points = Annotated[int, Field(ge=0, le=1000, description="what doing it is worth"), WHOLE]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# The limits go first, or the schema does not show them.
Limit = Annotated[
    int,
    Field(ge=1, le=100, description="how many items at most"),
    BeforeValidator(read_number),
]
NOT_A_CURSOR = "must be `next` of the page before"
UUID_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# NIST SP 800-63B: at least 8 characters, no rules of composition; an end, so that hashing has one.
Password = Annotated[
    str,
    StringConstraints(min_length=8, max_length=256),
    Field(
        description="not one that everybody guesses first, and with 8 characters besides your name,"
        " your address and `hearth`",
        json_schema_extra={"not": {"pattern": r"^(.)\1*$"}},
    ),
]
