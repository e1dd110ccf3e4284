"""Proportion: twice as long an input costs twice the work, however it was made to cost more.

Work is counted and not timed: for patterns the steps that a backtracking matcher takes, for the
parsers the lines of Python and the calls from it.
"""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from inspect import getsource
from itertools import product
from typing import Any

import pytest
from starlette.routing import compile_path

import app.auth
import app.http
import app.resources
from app.http import fields, openapi
from app.resources import ENDPOINTS, RESOURCES

# What Python's own parser finds in a pattern is walked here.
from re import _constants as kinds  # type: ignore[attr-defined]  # isort: skip
from re import _parser as parser  # type: ignore[attr-defined]  # isort: skip

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

LENGTHS = (24, 48)  # repetitions of what is repeated
ENOUGH = 20_000  # steps: whoever takes so many for so little would take them for ever


class _Steps:
    """A matcher that backtracks as Python's does, and counts the characters it looks at."""

    def __init__(self, pattern: str) -> None:
        self._tree = parser.parse(pattern)
        self._text = ""
        self.taken = 0

    def match(self, text: str) -> int:
        """Return how many steps it takes to say whether the pattern is the whole text."""
        self._text, self.taken = text, 0
        with suppress(_TooManyError):
            any(end == len(text) for end in self._ends(list(self._tree), 0))
        return self.taken

    def _ends(self, nodes: Sequence[Any], at: int) -> Iterator[int]:
        if not nodes:
            yield at
            return
        kind, about = nodes[0]
        for end in self._ends_of(kind, about, at):
            yield from self._ends(nodes[1:], end)

    def _ends_of(self, kind: Any, about: Any, at: int) -> Iterator[int]:
        if kind in {kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT}:
            least, most, item = about
            yield from self._repeated(least, most, item, at)
        elif kind is kinds.SUBPATTERN:
            yield from self._ends(list(about[3]), at)
        elif kind is kinds.BRANCH:
            for branch in about[1]:
                yield from self._ends(list(branch), at)
        elif kind is kinds.AT:
            if at == (0 if about is kinds.AT_BEGINNING else len(self._text)):
                yield at
        elif self._step() and at < len(self._text) and _takes(kind, about, ord(self._text[at])):
            yield at + 1

    def _repeated(self, least: int, most: int, item: Any, at: int) -> Iterator[int]:
        if len(item) == 1 and item[0][0] in {kinds.IN, kinds.LITERAL, kinds.NOT_LITERAL, kinds.ANY}:
            ends = [at]  # without a level of Python for each character
            kind, about = item[0]
            while len(ends) <= most and (after := [*self._ends_of(kind, about, ends[-1])]):
                ends += after
            for end in reversed(ends[least:]):
                self._step()
                yield end
            return
        if most:
            for end in self._ends(list(item), at):
                if end > at:
                    yield from self._repeated(max(least - 1, 0), most - 1, item, end)
        if least == 0:
            yield at

    def _step(self) -> bool:
        self.taken += 1
        if self.taken > ENOUGH:
            raise _TooManyError
        return True


class _TooManyError(Exception):
    pass


def _takes(kind: Any, about: Any, character: int) -> bool:
    if kind is kinds.IN:
        is_negated = about[0][0] is kinds.NEGATE
        return is_negated != any(_takes(kind, part, character) for kind, part in about[is_negated:])
    if kind is kinds.RANGE:
        return bool(about[0] <= character <= about[1])
    if kind is kinds.CATEGORY:
        name = str(about).removeprefix("CATEGORY_")
        letter = {"SPACE": r"\s", "DIGIT": r"\d", "WORD": r"\w"}[name.removeprefix("NOT_")]
        return (re.match(letter, chr(character)) is None) == name.startswith("NOT_")
    if kind is kinds.ANY:
        return character != ord("\n")
    return bool((character == about) == (kind is kinds.LITERAL))


def _pieces(nodes: Any) -> Iterator[str]:
    """Yield each literal of a pattern, and a character of each of its classes."""
    for kind, about in nodes:
        if kind in {kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT}:
            yield from _pieces(about[2])
        elif kind is kinds.SUBPATTERN:
            yield from _pieces(about[3])
        elif kind is kinds.BRANCH:
            for branch in about[1]:
                yield from _pieces(branch)
        elif kind is not kinds.AT:
            taken = (chr(one) for one in range(32, 127) if _takes(kind, about, one))
            yield from list(taken)[:1]


def _matching(nodes: Any, repetitions: int) -> str:
    """Return a text that a pattern takes, with so many of what may be repeated or left out."""
    text = ""
    for kind, about in nodes:
        if kind in {kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT}:
            least, most, item = about
            text += _matching(item, repetitions) * min(max(least, repetitions), most)
        elif kind is kinds.SUBPATTERN:
            text += _matching(about[3], repetitions)
        elif kind is kinds.BRANCH:
            text += _matching(about[1][-1], repetitions)
        elif kind is not kinds.AT:
            text += next(iter(_pieces([(kind, about)])), "")
    return text


def _hostile(pattern: str, times: int) -> Iterator[str]:
    """Yield texts that begin as the pattern has it, go on with its parts, and end wrong."""
    tree = parser.parse(pattern)
    pieces = sorted({*_pieces(tree), " "})
    repeated = [*pieces, *("".join(pair) for pair in product(pieces, repeat=2))]
    repeated += [_matching(tree, 1)]
    for start, part in product({"", _matching(tree, 0), _matching(tree, 1)}, repeated):
        yield start + part * times + "\x00"


def _modules() -> Iterator[Any]:
    for package in (app.auth, app.http, app.resources):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(module.name)


def _patterns() -> Iterator[tuple[str, str]]:
    """Yield every pattern of the service: of its code, its document and its routes."""
    for module in _modules():
        for node in ast.walk(ast.parse(getsource(module))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr != "escape"
            ):
                try:
                    pattern = eval(ast.unparse(node.args[0]), vars(module))  # noqa: S307
                except NameError:
                    continue  # made of a path of our own, before there is a request
                yield module.__name__, pattern
    for pattern in fields.PATTERNS:
        yield "fields", pattern
    yield from (("document", pattern) for pattern in _in_schema(openapi.document(RESOURCES)))
    for row in ENDPOINTS:
        yield "routes", re.sub(r"\?P<\w+>", "", compile_path(row.path)[0].pattern)


def _in_schema(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        for value in part.values():
            yield from _in_schema(value)
    if isinstance(part, list):
        for value in part:
            yield from _in_schema(value)


PATTERNS = sorted({pattern: place for place, pattern in _patterns()}.items())


def _worst(pattern: str) -> list[tuple[str, tuple[int, int]]]:
    """Return the texts that cost more than their length says, with the steps of either length."""
    steps = _Steps(pattern)
    pairs = zip(*(_hostile(pattern, times) for times in LENGTHS), strict=True)
    taken = [(short, steps.match(short), steps.match(long)) for short, long in pairs]
    return [
        (text, (once, twice))
        for text, once, twice in taken
        if twice > min(2.5 * once + 100, ENOUGH)
    ]


@pytest.mark.parametrize(
    "pattern",
    [pattern for pattern, _ in PATTERNS],
    ids=[f"{p} {n}" for n, (_, p) in enumerate(PATTERNS)],
)
def test_a_pattern_takes_steps_in_proportion_to_the_text(pattern: str) -> None:
    assert _worst(pattern) == []


@pytest.mark.parametrize(
    "pattern",
    [
        r'[\s,]*(W/)?"([!#-~]*)"\s*(,\s*((W/)?"([!#-~]*)")?\s*)*',  # once ours: 17 s for 52 bytes
        r"(a+)+b",
        r"\s*,?\s*",
        r"(a|a)*",
    ],
)
def test_a_pattern_that_takes_more_is_found(pattern: str) -> None:
    assert _worst(pattern) != []
