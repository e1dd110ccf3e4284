"""Properties: whatever is sent, the service answers as its OpenAPI document says."""

import copy
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import count
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import strategies as st
from schemathesis import Case, Response
from schemathesis.specs.openapi.checks import positive_data_acceptance

from app.http import fields
from app.resources import ENDPOINTS
from tests.support.documented import DOCUMENT
from tests.support.examples import BODIES, DAY, creating, id_from, path_to
from tests.support.fixtures import PASSWORD, NewHearth, Serve
from tests.support.tally import tally

pytestmark = [
    pytest.mark.newest,
    pytest.mark.no_judge,
    pytest.mark.first,
    pytest.mark.straight("it is about the document; what each operation does is tested elsewhere"),
]

SETTINGS = hypothesis.settings(
    max_examples=50,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

# Links are added to it below; the document of the other tests stays as it is.
SCHEMA = schemathesis.openapi.from_dict(copy.deepcopy(DOCUMENT))

TASK = {"title": "Sweep"}
MESSAGE = {"role": "user", "content": "And then?"}

OPERATIONS = {
    operation["operationId"]
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
}

# What can be restored, by the names that paths have for it, with the row that creates it.
RESTORED = {
    found[1]: row
    for row in ENDPOINTS
    for other in ENDPOINTS
    if row.body and row.method == "POST"
    if (found := re.fullmatch(re.escape(row.path) + r"/{(\w+):uuid}/restore", other.path))
}

_numbers = count(1)
_cases: Counter[str] = Counter()
_done: Counter[str] = Counter()


# Whose operations may end the session, or change what the family is.
OF_PEOPLE = {"Accounts", "Sessions", "Families", "Invitations", "Batch"}


class Visitor:
    """Somebody with an account, and with a new one once a request may have ended it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.ids: dict[str, str] = {}
        self.retired: dict[str, str] = {}
        self._token: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers of somebody who is signed in."""
        if self._token is None:
            self.move_in()
        return {"Authorization": f"Bearer {self._token}"}

    def move_in(self) -> None:
        """Sign up, and make one of each thing: `ids`, by the names that paths have for them."""
        number = next(_numbers)
        # From a network of their own: attempts to sign in and up are counted by it.
        self.session.headers["X-Forwarded-For"] = f"10.255.{number >> 8}.{number & 255}"
        body = {
            "email": f"visitor{number}@example.com",
            "password": PASSWORD,
            "full_name": "A Visitor",
        }
        response = self.session.post(f"{self.url}/v1/auth/signup", json=body, timeout=30).json()
        self._token = response["access_token"]
        self.ids = {"member_id": response["user_id"], "family_id": response["family_id"]}
        ids: dict[str, object] = {**self.ids}
        for row in creating(ids):
            made = self.send(row.method, path_to(row, ids), BODIES[row.body] if row.body else None)
            ids |= id_from(row, made.headers.get("Location"), made.json())
        self.ids = {name: str(id_) for name, id_ in ids.items()} | {"date": DAY, "version": "1"}
        self.retired = {name: self.retire_one(name) for name in RESTORED}

    def retire_one(self, name: str) -> str:
        """Create another of what can be restored, by another name, and retire it; return its id."""
        row = RESTORED[name]
        body = dict(row.body.example if row.body else {})
        if "name" in body:
            body["name"] = "Another"
        path = path_to(row, self.ids)
        (id_,) = self.make(path, body)
        self.send("DELETE", f"{path}/{id_}")
        return id_

    def send(
        self, method: str, path: str, body: object = None, **headers: str | bytes
    ) -> requests.Response:
        """Send a request, the body as JSON in which everything but ASCII is escaped."""
        return self.session.request(
            method,
            self.url + path,
            data=None if body is None else json.dumps(body),
            headers={
                "Content-Type": "application/json",
                **self.headers(),
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
            timeout=30,
        )

    def make(self, path: str, *bodies: dict[str, Any]) -> list[str]:
        """Make things, in one transaction, and return their ids."""
        operations = [{"method": "POST", "path": path, "body": body} for body in bodies]
        response = self.send("POST", "/v1/batch", {"operations": operations})
        return [done["body"]["id"] for done in response.json()["results"]]

    def invite(self, email: str) -> str:
        """Invite an address, and return the invitation's id."""
        return str(
            self.send("POST", "/v1/invitations", {"email": email}).json()["invitation"]["id"]
        )

    def look_after(self, case: Case[Any], response: Response) -> None:
        """Count the case, and see whether the token is still good."""
        name = case.operation.definition.raw["operationId"]
        _cases[name] += 1
        _done[name] += response.status_code < 400
        said = f"{_cases.total():,} cases, {_done.total():,} of them done, {len(_cases)} operations"
        tally("schemathesis", said)
        if case.operation.definition.raw["security"] and response.status_code == 401:
            # Schemathesis leaves the token out at times; with it, nobody is turned away.
            assert f"Bearer {self._token}" not in str(response.request.headers), "it is good"
        is_at_home = not OF_PEOPLE & set(case.operation.tags or ())
        is_read = case.method == "GET" or response.status_code >= 400
        if not is_read and (case.method == "DELETE" or not is_at_home):
            self._token = None


@pytest.fixture(scope="module")
def service(new_hearth: NewHearth, serve: Serve) -> Iterator[str]:
    """Yield a service on a database of its own: thousands of rows are no place for other tests."""
    with new_hearth("properties") as hearth, serve(hearth.settings()) as url:
        yield url


@pytest.fixture(scope="module")
def visitor(service: str) -> Iterator[Visitor]:
    """Yield somebody who tries everything."""
    visitor = Visitor(service)
    yield visitor
    visitor.session.close()


def _headers(case: Case[Any], headers: dict[str, str]) -> dict[str, str]:
    """Return the headers of a case: without the token where that is what is wrong with it."""
    mutations = getattr(case.meta.phase.data, "mutations", ()) if case.meta else ()
    is_left_out = any(
        "required" in mutation.keywords and "Authorization" in str(mutation.original_value)
        for mutation in mutations
    )
    return {name: value for name, value in headers.items() if not is_left_out}


# What no schema can say, for it depends on what is there.
STATE = {
    "change_password": b"is not the current password",
    "update_habit": b"The schedule|The target|The unit",
    "put_habit_log": b"/value|/is_done",
    "update_exercise_log": b"A log needs reps",
}


def _is_refused_beyond_the_schema(case: Case[Any], response: Response) -> bool:
    """Say whether what is valid may be refused here.

    For the version, a password that is wrong or easily guessed; for what does not go with
    the type of the habit that is there; for a day to come, or a log that is left without measures.
    And an operation of a batch for whatever its own endpoint refuses.
    """
    name = case.operation.definition.raw["operationId"]
    return (
        response.status_code == 412
        # Schemathesis takes 0 for covering any pattern of a header.
        or bool(case.headers and case.headers.get("If-Match") == "0")
        or b"must not be after tomorrow" in response.content
        or name == "run_batch"
        or (name in STATE and re.search(STATE[name], response.content) is not None)
        or b"everybody guesses first" in response.content
        or b"characters in a row" in response.content
    )


def _validate(
    case: Case[Any], response: Response, visitor: Visitor, headers: dict[str, str]
) -> None:
    case.validate_response(
        response,
        excluded_checks=(
            [positive_data_acceptance] if _is_refused_beyond_the_schema(case, response) else []
        ),
        headers=headers,
        transport_kwargs={"base_url": visitor.url, "headers": headers},
    )


@SCHEMA.parametrize()
@SETTINGS
def test_an_operation_answers_as_documented(
    case: Case[Any], visitor: Visitor, cheap_passwords: None
) -> None:
    headers = _headers(case, visitor.headers())
    if case.meta is None or case.meta.generation.mode.is_positive:
        ids = {**visitor.ids}
        if restores := re.search(r"{(\w+_id)}/restore$", case.operation.path):
            ids[restores[1]] = visitor.retired.get(restores[1], ids[restores[1]])
        case.path_parameters.update({name: ids[name] for name in case.path_parameters})
    response = case.call(visitor.url, visitor.session, headers)
    visitor.look_after(case, response)
    _validate(case, response, visitor, headers)


def test_what_is_made_can_be_used_until_it_is_gone(visitor: Visitor, cheap_passwords: None) -> None:
    # A life can be lived again only if it depends on nothing that was before: so in a family of
    # its own, and without sign-up, which takes an address once.
    class Life(SCHEMA.exclude(path_regex="^/v1/auth").as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            visitor.move_in()
            self.headers = visitor.headers()

        def get_call_kwargs(self, case: Case[Any]) -> dict[str, Any]:
            headers = _headers(case, self.headers)
            return {"headers": headers, "base_url": visitor.url, "session": visitor.session}

        def validate_response(self, response: Response, case: Case[Any], **_: Any) -> None:
            visitor.look_after(case, response)
            _validate(case, response, visitor, _headers(case, self.headers))
            self.headers = visitor.headers()

    Life.run(settings=hypothesis.settings(SETTINGS, stateful_step_count=8))


def test_nearly_every_operation_was_done_and_not_only_refused() -> None:
    if not set(_cases) >= OPERATIONS:
        pytest.skip("the tests above have not run")

    # They take a password or a token that nobody can invent, or a family with a second owner.
    out_of_reach = {
        *("sign_in", "refresh", "change_password", "accept_invitation"),
        *("retire_member", "restore_member"),
    }
    assert {name for name in OPERATIONS if not _done[name]} <= out_of_reach


# What is stored comes back, or is refused with a reason; nothing breaks.

TEXTS = st.text(st.characters(exclude_categories=()), max_size=210)


def _status_of_title(text: str) -> int:
    if any("\ud800" <= character <= "\udfff" for character in text):
        return 400  # half a character is no JSON
    is_line = text == text.strip() and re.search(fields._SEEN, text) and "\0" not in text
    return 201 if is_line and len(text) <= 200 else 422


@SETTINGS
@given(TEXTS)
@example("\ud83c\udfe1")
@example("\udfe1\ud83c")
@example("a\0b")
@example("\u202e\ufeff\u0301\ufffe\u2028\uffff\U0010ffff")
@example("\u200b\u202e\ufeff")
@example(" Sweep")
@example("Sweep\u3000")
@example("\x85\x1c")
@example("x" * 200)
@example("🏡" * 201)
def test_any_text_comes_back_as_it_was_or_is_refused(
    visitor: Visitor, cheap_passwords: None, text: str
) -> None:
    made = visitor.send("POST", "/v1/tasks", {"title": text})

    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    is_paired = json.loads(json.dumps(text)) != text
    assert made.status_code == _status_of_title(whole if is_paired else text), made.text
    if made.status_code == 201:
        shown = visitor.send("GET", f"/v1/tasks/{made.json()['id']}")
        assert shown.json()["title"] == made.json()["title"] == json.loads(json.dumps(text))


@SETTINGS
@given(st.dates())
@example(date.min)
@example(date(1899, 12, 31))
@example(date(1900, 1, 1))
@example(date(2000, 2, 29))
@example(date(2999, 12, 31))
@example(date(3000, 1, 1))
@example(date.max)
def test_any_day_comes_back_as_it_was_or_is_refused(
    visitor: Visitor, cheap_passwords: None, day: date
) -> None:
    made = visitor.send("POST", "/v1/tasks", {"title": "Sweep", "due_on": day.isoformat()})
    found = visitor.send("GET", f"/v1/tasks?limit=100&due_from={day}&due_to={day}")

    if not 1900 <= day.year <= 2999:
        assert [made.status_code, found.status_code] == [422, 422]
        return
    assert made.json()["due_on"] == day.isoformat()
    assert made.json() in found.json()["items"]
    assert {item["due_on"] for item in found.json()["items"]} == {day.isoformat()}


NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(min_value=-(10**400), max_value=10**400).map(str),
    st.floats().map(repr),
    st.sampled_from(["1e400", "-1e-400", "-0", "1E+2", "1_0", "+1", "05", "0x10", " 7", "٣"]),
)


@SETTINGS
@given(NUMBERS)
def test_a_limit_is_a_whole_number_from_1_to_100(
    visitor: Visitor, cheap_passwords: None, number: str
) -> None:
    response = visitor.session.get(
        f"{visitor.url}/v1/tasks", params={"limit": number}, headers=visitor.headers(), timeout=30
    )

    is_one = number.isascii() and number.isdigit() and 1 <= int(number) <= 100
    assert response.status_code == (200 if is_one else 422), response.text


@SETTINGS
@given(NUMBERS, st.sampled_from(["title", "due_on", "visibility", "is_completed", "x"]))
def test_a_number_is_no_value_of_a_task(
    visitor: Visitor, cheap_passwords: None, number: str, field: str
) -> None:
    response = visitor.session.post(
        f"{visitor.url}/v1/tasks",
        data=f'{{"title": "Sweep", "{field}": {number}}}'.encode(),
        headers={"Content-Type": "application/json", **visitor.headers()},
        timeout=30,
    )

    assert response.status_code in {400, 422}, response.text


# What a header's value can be on the wire, control characters aside, which the server takes for
# the end of HTTP.
HEADERS = st.one_of(
    st.binary(max_size=300).map(
        lambda value: bytes(byte for byte in value if byte >= 32 and byte != 127).strip()
    ),
    st.lists(st.sampled_from(['"1"', 'W/"1"', "*", '"99999999999999999999"', '""', ",", "1"])).map(
        lambda tags: ",".join(tags).encode()
    ),
)


@SETTINGS
@given(HEADERS, HEADERS, HEADERS, HEADERS)
def test_no_header_breaks_anything(
    visitor: Visitor,
    cheap_passwords: None,
    if_match: bytes,
    if_none_match: bytes,
    key: bytes,
    request_id: bytes,
) -> None:
    made = visitor.send(
        "POST", "/v1/tasks", {"title": "Sweep"}, Idempotency_Key=key, X_Request_Id=request_id
    )
    path = f"/v1/tasks/{made.json().get('id', '019a9f41-0c6d-7e11-8b44-c0ffee15600d')}"
    shown = visitor.send("GET", path, If_None_Match=if_none_match)
    changed = visitor.send("PATCH", path, {"title": "Mop"}, If_Match=if_match)

    assert made.status_code in {201, 400}, made.text
    assert shown.status_code in {200, 304, 404}, shown.text
    assert changed.status_code in {200, 400, 404, 412}, changed.text


# Cursors.


def _walk(visitor: Visitor, path: str, limit: int) -> Iterator[list[str]]:
    """Yield the ids on each page of a list."""
    cursor = ""
    while True:
        page = visitor.send("GET", f"{path}?limit={limit}{cursor}").json()
        yield [item["id"] for item in page["items"]]
        if page["next"] is None:
            return
        assert not cursor.endswith(page["next"]), "the cursor leads nowhere"
        cursor = f"&cursor={page['next']}"


@hypothesis.settings(SETTINGS, max_examples=15, phases=[Phase.generate])  # to shrink takes long
@given(
    st.sampled_from(["tasks", "messages"]),
    st.integers(1, 30),
    st.integers(1, 7),
    st.lists(st.integers(0, 5), max_size=10),
)
def test_who_walks_through_a_list_sees_every_row_once_whatever_is_added(
    visitor: Visitor, cheap_passwords: None, kind: str, rows: int, limit: int, added: list[int]
) -> None:
    (conversation_id,) = visitor.make("/v1/conversations", {"title": "Dinner"})
    path = "/v1/tasks" if kind == "tasks" else f"/v1/conversations/{conversation_id}/messages"
    body = TASK if kind == "tasks" else MESSAGE
    visitor.make(path, *[body] * rows)
    before = [id_ for page in _walk(visitor, path, 100) for id_ in page]

    seen: list[str] = []
    adding = iter(added)
    for page in _walk(visitor, path, limit):
        seen += page
        if more := next(adding, 0):
            visitor.make(path, *[body] * more)

    assert len(seen) == len(set(seen))
    assert [id_ for id_ in seen if id_ in set(before)] == before


def test_who_walks_through_a_list_sees_every_row_once_while_others_write(
    visitor: Visitor, cheap_passwords: None
) -> None:
    before = visitor.make("/v1/tasks", *[TASK] * 60)
    others = [Visitor(visitor.url) for _ in range(2)]
    headers = visitor.headers()
    is_over = threading.Event()

    def write(other: Visitor) -> None:
        while not is_over.is_set():
            other.session.post(f"{visitor.url}/v1/tasks", json=TASK, headers=headers, timeout=30)

    writers = [threading.Thread(target=write, args=[other]) for other in others]
    for writer in writers:
        writer.start()
    try:
        walks = [[id_ for page in _walk(visitor, "/v1/tasks", 3) for id_ in page] for _ in range(3)]
    finally:
        is_over.set()
        for writer, other in zip(writers, others, strict=True):
            writer.join()
            other.session.close()

    assert all(len(walk) == len(set(walk)) for walk in walks)
    assert all(set(before) <= set(walk) for walk in walks)
    assert len(walks[2]) > len(walks[0])  # there were writes in between
