"""Where the statements of a SQL file begin, found as psql finds it: in one pass, never by a parser.

Strings, quoted names, comments (which nest) and dollar quotes are passed over whole. A semicolon
ends a statement unless it stands in parentheses or in the `begin atomic … end` of a function.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# What follows an alternative that has matched is never tried with another one: every quantifier
# is possessive, so the work grows with the text.
_TOKEN = re.compile(
    r"""
    (?P<skip>--[^\n]*+ | [eE]'(?:[^'\\]|\\.|'')*+' | '[^']*+' | "[^"]*+")
    | (?P<open>[eE]'|['"])
    | (?P<word>[^\W\d][\w$]*+)
    | (?P<number>\d\w*+)
    | (?P<dollar>\$(?:[^\W\d]\w*+)?+\$)
    | (?P<comment>/\*)
    | (?P<sign>[;()])
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")

# How many words of a statement are kept: `create or replace constraint trigger`.
_HEAD = 5

_ROUTINES = (
    ("create", "function"),
    ("create", "procedure"),
    ("create", "or", "replace", "function"),
    ("create", "or", "replace", "procedure"),
)


class UnfinishedError(ValueError):
    """A string, a comment or a quoted name has no end; its message says which."""


@dataclass(frozen=True)
class Statement:
    """Its first words, in lower case; fewer if a sign or a string comes before them."""

    words: tuple[str, ...]

    def begins(self, *words: str) -> bool:
        """Tell whether it begins with these words."""
        return self.words[: len(words)] == words


def statements(text: str) -> Iterator[Statement]:
    """Yield each statement of a SQL text, empty ones left out.

    Raises:
        UnfinishedError: Something that was opened is not closed.
    """
    words: list[str] = []
    is_empty, parentheses, blocks, position = True, 0, 0, 0
    while found := _TOKEN.search(text, position):
        kind, sign, position = found.lastgroup, found[0], found.end()
        if kind == "comment":
            position = _after_comment(text, position)
            continue
        if sign.startswith("--"):
            continue
        if sign == ";" and parentheses <= 0 and blocks == 0:
            if not is_empty:
                yield Statement(tuple(words))
            words, is_empty, parentheses = [], True, 0
            continue
        is_empty = False
        if kind == "word":
            word = sign.lower()
            if len(words) < _HEAD:
                words.append(word)
            if parentheses <= 0 and word in ("begin", "case", "end"):
                blocks = _blocks(words, word, blocks)
        elif kind == "dollar":
            position = _after(text, sign, position)
        elif kind == "open":
            raise UnfinishedError(f"a {sign} is not closed")
        elif kind == "sign":
            parentheses += {"(": 1, ")": -1, ";": 0}[sign]
    if not is_empty:
        yield Statement(tuple(words))


def _blocks(words: list[str], word: str, blocks: int) -> int:
    """Count how deep a routine's body is in `begin atomic` and `case`, as psql does."""
    if not any(tuple(words[: len(head)]) == head for head in _ROUTINES):
        return 0
    if word == "end":
        return max(0, blocks - 1)
    return blocks + 1 if word == "begin" or blocks else blocks


def _after(text: str, tag: str, position: int) -> int:
    end = text.find(tag, position)
    if end < 0:
        raise UnfinishedError(f"a {tag} is not closed")
    return end + len(tag)


def _after_comment(text: str, position: int) -> int:
    depth = 1
    while depth:
        if not (found := _COMMENT.search(text, position)):
            raise UnfinishedError("a /* is not closed")
        depth += 1 if found[0] == "/*" else -1
        position = found.end()
    return position
