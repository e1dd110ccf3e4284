"""Proportion: twice as long an input costs twice the work, however it was made to cost more.

Work is counted and not timed: for patterns the steps that a backtracking matcher takes, for whole
requests the calls of Python and from Python. What a call into C does is not seen; bounds hold that
(of parameters, bytes and errors: test_problems.py, test_limits.py).
"""

import ast
import asyncio
import base64
import gc
import importlib
import json
import pkgutil
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from inspect import getsource
from itertools import product
from types import FrameType
from typing import Any
from urllib.parse import quote, unquote
from uuid import UUID

import pytest
import uvicorn
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message
from uvicorn.lifespan.on import LifespanOn

import app.auth
import app.http
import app.resources
from app.health.monitor import Monitor
from app.http import fields, openapi
from app.http.server import Drain
from app.main import create_app
from app.resources import ENDPOINTS, RESOURCES
from tests.support.examples import path_to
from tests.support.fixtures import Hearth, Person
from tests.support.tally import tally

# What Python's own parser finds in a pattern is walked here.
from re import _constants as kinds  # isort: skip
from re import _parser as parser  # isort: skip

pytestmark = [
    pytest.mark.newest,
    pytest.mark.no_judge,
    pytest.mark.straight("it counts what Python does with a request"),
]

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


# Requests.

TIMES = (300, 600)

PUMPS = (
    *(
        '"1",',
        ", ",
        "W/",
        '"',
        '"" ',
        ";q=0 ",
        "a",
        ".",
        "{",
        "\t ",
        "urn:uuid:",
        "%41",
        "=",
        "\xe9",
    ),
    *("a=b; ", "-", "/", "*,", "\x85", "gzip;q=0.0 ,"),
)

TEXT = (
    "a",
    "\u00e9",
    "\U0001f3e1",
    "A/",
    "-a",
    "a@",
    " ",
    "1",
    "%41",
    "\\",
    '"',
    "\x00",
    "2026-03-29",
)


@dataclass(frozen=True)
class _Sent:
    """A request, as far as it is hostile."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    def __str__(self) -> str:
        said = {name: f"{value:.20}" for name, value in self.headers.items()}
        return f"{self.method} {self.path:.80} {said} {self.content[:60]!r}"


def _headers(times: int) -> Iterator[_Sent]:
    """Yield requests with each header that something reads, full of each pump."""
    carried: Mapping[str, _Sent] = {
        **dict.fromkeys(
            ("If-None-Match", "X-Request-Id", "Authorization", "Host", "X-Forwarded-For", "Cookie"),
            _Sent("GET", "/v1/me"),
        ),
        **dict.fromkeys(
            ("If-Match", "Content-Type", "Content-Encoding"),
            _Sent("PATCH", "/v1/me", content=b'{"is_notified": true}'),
        ),
        "Idempotency-Key": _Sent("POST", "/v1/tasks", content=b'{"title": "Flour"}'),
        **dict.fromkeys(("Accept-Encoding", "Range"), _Sent("GET", "/docs")),
        **dict.fromkeys(
            ("Access-Control-Request-Headers", "Access-Control-Request-Method", "Origin"),
            _Sent(
                "OPTIONS",
                "/v1/tasks",
                {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"},
            ),
        ),
    }
    for name, sent in carried.items():
        for start, pump in product(("", '"1"', "Bearer "), PUMPS):
            yield replace(sent, headers={**sent.headers, name: start + pump * times + "x"})
    yield _Sent("GET", "/v1/me", {f"X-{n}": "" for n in range(times)})
    for part in (b"[", b'{"a":', b"1", b'"a",'):
        token = base64.urlsafe_b64encode(part * times).decode().rstrip("=")
        for whole in (f"{token}.e30.", f"eyJhbGciOiJIUzI1NiJ9.{token}.", f"e30.e30.{token}"):
            yield _Sent("GET", "/v1/me", {"Authorization": f"Bearer {whole}"})


def _urls(times: int) -> Iterator[_Sent]:
    """Yield requests with long paths and query strings, to every pattern of a path."""
    for pump in ("x/", "/", "%2F", "..", "%", "a"):
        yield _Sent("GET", f"/v1/{pump * times}")
    for row in ENDPOINTS:
        for name, part in product(re.findall(r"{(\w+):\w+}", row.path), ("0", "2026-", "a", "%41")):
            yield _Sent(row.method, path_to(row, {name: part * times}), content=b"{}")
        for parameter in row.parameters.model_json_schema()["properties"] if row.parameters else ():
            for pump in (*TEXT, "+", "&", ";"):
                yield _Sent(row.method, f"{path_to(row)}?{parameter}={quote(pump, '&;+%') * times}")
            yield _Sent(row.method, f"{path_to(row)}?{f'{parameter}=1&' * times}")
        if row.parameters:
            yield _Sent(row.method, f"{path_to(row)}?{'&'.join(f'x{n}' for n in range(times))}")


def _bodies(times: int) -> Iterator[_Sent]:
    """Yield requests with bodies that are deep, wide or long, to every row that takes one."""
    for row in ENDPOINTS:
        if row.body is None:
            continue
        wide = {f"x{n}": n for n in range(times)}
        good = {**row.body.example}
        contents = [
            *("[" * times, '{"a":' * times, "[" + "1," * times + "1]", "1" * times, " " * times),
            *(json.dumps(wide), json.dumps({**good, **wide}), json.dumps([good] * times)),
            "{" + '"title":1,' * times + '"x":1}',
        ]
        for name in row.body.model_fields:
            inner = [*(text * times for text in TEXT), [wide], [{}] * times, wide, 10**times]
            contents += [json.dumps({**good, name: value, "x": 1}) for value in inner]
        for content in contents:
            yield _Sent(row.method, path_to(row), content=content.encode())


def _batches(times: int) -> Iterator[_Sent]:
    """Yield batches of operations that are hostile, or many."""
    task = {"method": "PATCH", "path": f"/v1/tasks/{UUID(int=0)}", "body": {"title": "Mop"}}
    for start, pump in product(("", '"1"'), PUMPS):
        yield _batch({**task, "if_match": (start + pump * times)[:999] + "x"})
    for pump in (*TEXT, "x/", "/", "?", "a&", "limit=1&"):
        for path in ("/v1/", "/v1/tasks?", "/v1/tasks/"):
            yield _batch({"method": "GET", "path": (path + pump * times)[:2000]})
    yield _batch({**task, "body": {f"x{n}": n for n in range(times)}})
    yield _batch(*[{"method": "GET", "path": "/v1/me"}] * (times // 10), task)
    yield _batch(*[task] * times)


def _batch(*operations: Mapping[str, object]) -> _Sent:
    return _Sent("POST", "/v1/batch", content=json.dumps({"operations": operations}).encode())


@dataclass
class _Service:
    """The application in this thread, where its work can be counted."""

    app: ASGIApp
    state: Mapping[str, Any]
    token: str

    async def work(self, sent: _Sent) -> tuple[int, int]:
        """Send a request; return how many calls it took, and the status."""
        with _counting() as counted:
            status = await self.send(sent)
        return counted[0], status

    async def send(self, sent: _Sent) -> int:
        """Send a request and return the status."""
        headers = {
            "Host": "x",
            "Authorization": self.token,
            "Content-Type": "application/json",
            **sent.headers,
        }
        path, _, query = sent.path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": sent.method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": [
                (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()
            ],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 1),
            "state": dict(self.state),
        }
        body = iter([{"type": "http.request", "body": sent.content, "more_body": False}])
        statuses: list[int] = []

        async def receive() -> Message:
            for message in body:
                return message
            return await asyncio.Future()  # the client stays

        async def send(message: Message) -> None:
            statuses.append(message.get("status", 0))

        await self.app(scope, receive, send)
        return statuses[0]


@contextmanager
def _counting() -> Iterator[list[int]]:
    counted = [0]

    def count(_frame: object, event: str, _argument: object) -> None:
        counted[0] += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield counted
    finally:
        sys.setprofile(before)


@pytest.fixture
async def in_process(
    hearth: Hearth, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[_Service]:
    """Yield the application, with the token of somebody who has a family."""
    at_rest = asyncio.Event()

    class Resting(Monitor):
        """A monitor that looks no more: a look is no work of a request."""

        async def look(self) -> None:
            at_rest.set()
            await asyncio.Event().wait()

    # Not its interval, which is that of the shared service in this process as well.
    monkeypatch.setattr("app.main.Monitor", Resting)
    ready = asyncio.Event()
    application = create_app(hearth.settings(), Drain(), on_ready=ready.set)
    lifespan = LifespanOn(uvicorn.Config(application, log_config=None))
    await lifespan.startup()
    await asyncio.wait_for(ready.wait(), timeout=30)
    await asyncio.wait_for(at_rest.wait(), timeout=30)
    gc.freeze()  # as `hearth serve` does
    yield _Service(application, lifespan.state, ann.client.headers["Authorization"])
    gc.unfreeze()
    await lifespan.shutdown()


@pytest.mark.parametrize("requests", [_headers, _urls, _bodies, _batches])
async def test_a_request_takes_calls_in_proportion_to_its_length(
    requests: Callable[[int], Iterator[_Sent]], in_process: _Service
) -> None:
    pairs = list(zip(*(requests(times) for times in TIMES), strict=True))

    taken = []
    for once, twice in pairs:
        await in_process.work(once)  # what is made at the first use and kept is no work of it
        taken.append((str(once), await in_process.work(once), await in_process.work(twice)))

    assert len(taken) > 50
    assert [one for one in taken if _grows_faster(one[1][0], one[2][0])] == []
    assert [one for one in taken if max(one[1][1], one[2][1]) >= 500] == []


# Repetitions that fill the headers, and most bodies, to their bounds.
LONGEST = 4_000

# Calls of one turn of the loop, in which nobody else is served: some milliseconds. To take a task
# costs 1,600.
MAX_PAUSE = 30_000


@contextmanager
def _watching() -> Iterator[list[int]]:
    """Yield the calls of each turn of the event loop."""
    turns = [0]

    def count(frame: FrameType, event: str, _argument: object) -> None:
        if frame.f_code is asyncio.Handle._run.__code__ and event == "call":
            turns.append(0)
        turns[-1] += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield turns
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("requests", [_headers, _urls, _bodies, _batches])
async def test_no_request_keeps_the_loop_from_the_others(
    requests: Callable[[int], Iterator[_Sent]], in_process: _Service
) -> None:
    taken, longest = [], (0.0, "")
    for sent in requests(LONGEST):
        started = time.thread_time()
        await in_process.send(sent)
        longest = max(longest, (time.thread_time() - started, f"{sent.method} {sent.path:.40}"))
        with _watching() as turns:
            await in_process.send(sent)
        taken.append((max(turns), str(sent)))

    tally(
        f"event loop and hostile {requests.__name__.lstrip('_')}",
        f"{len(taken)} sent; {longest[1]} took longest: {longest[0] * 1000:.0f} ms of CPU in all",
    )
    assert [one for one in taken if one[0] > MAX_PAUSE] == []


async def test_a_turn_that_takes_long_is_found() -> None:
    with _watching() as turns:
        await asyncio.sleep(0)
        [abs(number) for number in range(MAX_PAUSE)]
        await asyncio.sleep(0)

    assert max(turns) > MAX_PAUSE


def _grows_faster(once: int, twice: int) -> bool:
    return twice > 2.5 * once + 1000


def test_calls_that_grow_faster_are_found() -> None:
    def work(times: int) -> int:
        names = [f"x{n}" for n in range(times)]
        with _counting() as counted:
            [name for name in names if sum(other.startswith(name) for other in names) > 1]
        return counted[0]

    once, twice = map(work, TIMES)

    assert _grows_faster(once, twice)
