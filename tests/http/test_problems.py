"""Problems: every error is a document that says what is wrong, and says no more than that."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from inspect import isclass
from typing import Any, get_args
from uuid import UUID, uuid4

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from structlog.typing import EventDict

from app.http import models, problems
from app.http.batch import Batch
from app.http.endpoint import Endpoint
from app.http.problems import PROBLEM_TYPES, SQLSTATES, problem_response
from app.resources import ENDPOINTS
from app.settings import sql_directory
from tests.support.documented import DOCUMENT
from tests.support.examples import BODIES, path_to
from tests.support.fixtures import (
    PASSWORD,
    AsRole,
    Hearth,
    Join,
    NewPerson,
    Person,
    Serve,
    wait_until_requests_block,
)
from tests.support.rows import all_rows, by_hand

SCHEMAS = DOCUMENT["components"]["schemas"]
PAGE = (sql_directory().parent / "docs/reference/error-codes.md").read_text("utf-8")
TITLE = {kind.code: kind.title for kind in PROBLEM_TYPES}
JSON = {"Content-Type": "application/json"}
STATUS = {kind.code: kind.status for kind in PROBLEM_TYPES}


def _code(response: httpx.Response) -> str:
    """Return the code of a problem, after a look at all that every problem has."""
    document = response.json()
    code = str(document["code"])
    assert response.headers["Content-Type"] == "application/problem+json"
    assert document["type"] == f"/problems/{code}"
    assert document["title"] == TITLE[code]
    assert document["status"] == response.status_code == STATUS[code]
    assert document["request_id"] == response.headers["X-Request-Id"]
    assert set(document) <= {
        *("type", "title", "status", "code", "request_id"),
        *("detail", "errors"),
    }
    assert ("WWW-Authenticate" in response.headers) == (response.status_code == 401)
    assert ("Retry-After" in response.headers) == (response.status_code in {429, 503})
    return code


# The registry.


def test_every_kind_is_documented_as_it_is_and_nothing_else_is() -> None:
    documented = re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \| (.+) \|$", PAGE, re.M)

    assert documented == [(kind.code, str(kind.status), kind.when) for kind in PROBLEM_TYPES]


def test_every_sqlstate_is_documented_with_its_code_and_nothing_else_is() -> None:
    documented = re.findall(r"^\| `([0-9A-Z]{2,5})` \| .* \| `([a-z-]+)` \|$", PAGE, re.M)

    assert documented == [(state, kind.code) for state, kind in SQLSTATES.items()]


def test_every_error_of_ours_is_raised_somewhere_and_registered() -> None:
    texts = [path.read_text("utf-8") for path in (sql_directory() / "functions").rglob("*.sql")]

    raised = {state for text in texts for state in re.findall(r"errcode = '(ZH\d{3})'", text)}

    assert raised == {state for state in SQLSTATES if state.startswith("ZH")}


# Every kind.


async def test_every_kind_of_problem_has_the_same_shape(
    ann: Person, bob: Person, join: Join, anybody: httpx.AsyncClient
) -> None:
    await join(bob, ann, "member")
    credentials = {"email": ann.email, "password": PASSWORD}
    kept = {"Idempotency-Key": "autumn"}
    await ann.client.post("/v1/tasks", json={"title": "Sweep"}, headers=kept)

    responses = [
        await ann.client.post("/v1/tasks", content=b"{", headers=JSON),
        await anybody.get("/v1/me"),
        await anybody.post("/v1/auth/signin", json={**credentials, "password": "wrong"}),
        await anybody.post("/v1/auth/refresh", json={"refresh_token": "wrong"}),
        await bob.client.get("/v1/audit"),
        await bob.client.post("/v1/invitations/accept", json={"token": "guessed"}),
        await ann.client.get(f"/v1/tasks/{uuid4()}"),
        await ann.client.get("/v1/no-such-thing"),
        await ann.client.put("/v1/tasks"),
        await anybody.post("/v1/auth/signup", json={**credentials, "full_name": "Ann"}),
        await ann.client.delete(f"/v1/members/{ann.user_id}"),
        await ann.client.post("/v1/tasks", content=b" " * 1_048_577, headers=JSON),
        await ann.client.post("/v1/tasks", json={}),
        await ann.client.patch("/v1/me", json={"is_notified": False}, headers={"If-Match": '"9"'}),
        await ann.client.post("/v1/tasks", content=b"title=Cake"),
        await ann.client.get("/v1/tasks", headers={"X-Long": "x" * 16_385}),
        await ann.client.post("/v1/tasks", json={"title": "Rake"}, headers=kept),
    ]
    await ann.client.delete("/v1/family")
    responses.append(await ann.client.get("/v1/me"))
    ann.take((await anybody.post("/v1/auth/signin", json=credentials)).json())
    responses.append(await ann.client.get("/v1/tasks"))

    assert [_code(response) for response in responses] == [
        "malformed",
        "unauthenticated",
        "invalid-credentials",
        "invalid-refresh-token",
        "forbidden",
        "invalid-invitation",
        "not-found",
        "not-found",
        "method-not-allowed",
        "conflict",
        "last-owner",
        "content-too-large",
        "validation-failed",
        "precondition-failed",
        "unsupported-media-type",
        "headers-too-large",
        "idempotency-key-reused",
        "outdated-token",
        "no-family",
    ]
    # Below, in test_rate_limits.py and in test_unavailable.py.
    others = {
        problems.INTERNAL,
        problems.UNAVAILABLE,
        problems.TIMEOUT,
        problems.OUTCOME_UNKNOWN,
        problems.RATE_LIMIT_EXCEEDED,
    }
    assert {_code(response) for response in responses} == {
        kind.code for kind in {*PROBLEM_TYPES} - others
    }


async def test_a_request_has_one_id_everywhere_and_may_bring_it_along(ann: Person) -> None:
    path = f"/v1/tasks/{uuid4()}"
    own = str(uuid4())

    made = [await ann.client.get(path) for _ in range(2)]
    brought = await ann.client.get(path, headers={"X-Request-Id": own.upper()})
    nonsense = await ann.client.get(path, headers={"X-Request-Id": "1; drop table app.tasks"})

    ids = [UUID(response.json()["request_id"]) for response in (*made, brought, nonsense)]
    assert len(set(ids)) == 4
    assert ids[2] == UUID(own)
    assert [response.headers["X-Request-Id"] for response in (*made, brought, nonsense)] == [
        str(id_) for id_ in ids
    ]


# What the database says.


@pytest.fixture
async def clumsy(own_hearth: Hearth, serve: Serve, new_person: NewPerson) -> AsyncIterator[Person]:
    """Yield somebody whose tasks fail: the title is the SQLSTATE that the database raises."""
    await by_hand(
        own_hearth,
        """
        create or replace function app.task_json(t app.tasks) returns setof json language plpgsql
        as $$
        begin
            raise exception '%', t.description using
                errcode = t.title, detail = t.description, hint = t.description;
        end
        $$
        """,
    )
    with serve(own_hearth.settings()) as url:
        person = await new_person(at=url)
        person.client.event_hooks = {}  # the document knows no task that fails like this
        yield person


async def test_every_sqlstate_becomes_its_problem(clumsy: Person) -> None:
    whole = {"22": "22003", "40": "40001", "53": "53300", "57": "57P01", "08": "08006"}
    whole |= {"28": "28P01", "3D": "3D000"}
    raised = {whole.get(state, state): kind.code for state, kind in SQLSTATES.items()}
    raised |= {
        "P0001": "internal",
        "XX000": "internal",
        "42P01": "internal",
        "40P01": "unavailable",
    }

    responses = {
        state: _code(
            await clumsy.client.post("/v1/tasks", json={"title": state, "description": "x"})
        )
        for state in raised
    }

    assert responses == raised
    assert (await clumsy.client.get("/v1/tasks")).json()["items"] == []


async def test_what_the_database_says_reaches_neither_client_nor_log(
    clumsy: Person,
    logged: list[EventDict],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    responses = [
        await clumsy.client.post(
            "/v1/tasks?cursor=hunter2", json={"title": state, "description": "hunter2"}
        )
        for state in ("23514", "22003", "40001", "XX000")
    ]
    await clumsy.client.get("/health/live")

    text = "".join(response.text for response in responses)
    assert "hunter2" not in text + str(logged) + caplog.text + "".join(capfd.readouterr())
    failure = next(line for line in logged if line["event"] == "internal")
    assert failure["error"] == "InternalServerError"
    assert failure["request_id"] == responses[-1].headers["X-Request-Id"]
    assert any("pool.py" in frame for frame in failure["where"])


async def test_a_request_is_one_line_of_log_without_its_values(
    ann: Person, logged: list[EventDict]
) -> None:
    response = await ann.client.get(f"/v1/tasks/{uuid4()}?title=hunter2")
    await ann.client.get("/health/live")

    lines = [line for line in logged if line["request_id"] == response.headers["X-Request-Id"]]
    assert len(lines) == 1
    assert {name: lines[0][name] for name in ("event", "method", "route", "status")} == {
        "event": "request",
        "method": "GET",
        "route": "/v1/tasks/{task_id:uuid}",
        "status": 404,
    }
    assert "hunter2" not in str(logged)


@pytest.mark.parametrize(
    ("setting", "code"), [("lock_timeout_ms", "unavailable"), ("statement_timeout_ms", "timeout")]
)
async def test_who_waits_too_long_is_told_so(
    setting: str, code: str, ann: Person, hearth: Hearth, serve: Serve, as_role: AsRole
) -> None:
    holder = await as_role("app_api", **as_role.of(ann))
    await holder.execute("update app.families set name = 'The house'")

    with serve(hearth.settings(**{setting: 100})) as url:
        response = await ann.client.patch(f"{url}/v1/family", json={"name": "The cabin"})

    assert _code(response) == code


async def test_a_request_without_a_free_connection_is_told_to_come_back(
    ann: Person, hearth: Hearth, serve: Serve, as_role: AsRole
) -> None:
    holder = await as_role("app_api", **as_role.of(ann))
    await holder.execute("update app.families set name = 'The house'")
    one = hearth.settings(pool_min_size=1, pool_max_size=1, pool_acquire_timeout=0.1)
    with serve(one) as url:
        path = f"{url}/v1/family"
        first = asyncio.create_task(ann.client.patch(path, json={"name": "The cabin"}))
        await wait_until_requests_block(holder, 1)

        response = await ann.client.get(path)

        await holder.execute("commit")
        assert _code(response) == "unavailable"
        assert (await first).status_code == 200
        assert (await ann.client.get(path)).json()["name"] == "The cabin"


async def test_a_connection_that_breaks_costs_one_request(
    ann: Person, as_role: AsRole, hearth: Hearth
) -> None:
    holder = await as_role("app_api", **as_role.of(ann))
    await holder.execute("update app.families set name = 'The house'")
    request = asyncio.create_task(ann.client.patch("/v1/family", json={"name": "The cabin"}))
    await wait_until_requests_block(holder, 1)

    await by_hand(
        hearth,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0",
    )

    assert _code(await request) == "unavailable"
    assert (await ann.client.get("/v1/family")).status_code == 200


# Bad input.

NO_OBJECTS: tuple[object, ...] = ([], None, "text", 7)

# Values at which most fields take offence: what a field refuses of them, its schema says.
HOSTILE: tuple[object, ...] = (
    *(None, True, 0, -1, 1.5, 0.0001, 1e300, 20300101),
    *("", "  ", "a\0", "7", "true", "nonsense", "0", "2030-02-30", "1899-12-31", "3000-01-01"),
    *("ann@", "a nn@example.com", "a\0@b.c", "a@" + "b" * 253, "FAMILY", "OWNER", "../etc/passwd"),
    *([], ["text"], [None], [0], [8], {}, {"a": 1}),
)

# What no schema can say.
BEYOND_SCHEMAS: dict[str, tuple[object, ...]] = {
    "time_zone": ("Mars/Olympus", "Nowhere", "UTC\0"),
}


def _just_beyond(schema: Mapping[str, Any]) -> Iterator[object]:
    """Yield values that lie as closely as can be beyond the limits of a schema."""
    for part in (schema, *schema.get("anyOf", ())):
        if "maxLength" in part:
            yield "a" * (part["maxLength"] + 1)
        if part.get("minLength", 0) > 1:
            yield "a" * (part["minLength"] - 1)
        if "minimum" in part:
            yield part["minimum"] - 1
        if "maximum" in part:
            yield part["maximum"] + 1
        if "maxItems" in part:
            yield [1] * (part["maxItems"] + 1)


def _wrong_values(model: type[models.Request]) -> Mapping[str, list[object]]:
    """Return what each field of a body refuses, by the OpenAPI document."""
    place = f"/components/schemas/{model.__name__}/properties"
    wrong: dict[str, list[object]] = {}
    for name, schema in SCHEMAS[model.__name__]["properties"].items():
        validator = Draft202012Validator(
            {"$ref": f"#{place}/{name}", "components": DOCUMENT["components"]},
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )
        tried = (*HOSTILE, *_just_beyond(schema))
        wrong[name] = [value for value in tried if not validator.is_valid(value)]
        wrong[name] += BEYOND_SCHEMAS.get(name, ())
    return {name: values for name, values in wrong.items() if values}


def _bad_bodies(model: type[models.Request]) -> Iterator[tuple[object, str, set[str]]]:
    """Yield bodies, each with the code of the response and the fields that it points at."""
    example, wrong = BODIES[model], _wrong_values(model)
    for n in range(max(map(len, wrong.values()))):
        body = {name: values[n % len(values)] for name, values in wrong.items()}
        yield body, "validation-failed", set(wrong)
    yield {**example, next(iter(wrong)): "\ud800"}, "malformed", set()  # half a character
    if required := set(SCHEMAS[model.__name__].get("required", ())):
        rest = {name: example[name] for name in set(example) - required}
        yield rest, "validation-failed", required
    yield {**example, "x/~y": 1}, "validation-failed", {"x~1~0y"}
    if issubclass(model, models.Patch):
        yield {}, "validation-failed", {""}
    for no_object in NO_OBJECTS:
        yield no_object, "validation-failed", {""}


@pytest.mark.parametrize(
    "row", [row for row in ENDPOINTS if row.body], ids=lambda row: f"{row.method} {row.path}"
)
async def test_a_wrong_value_is_pointed_at_and_nothing_is_written(
    row: Endpoint, ann: Person, hearth: Hearth
) -> None:
    assert row.body is not None
    path = path_to(row)
    bad = list(_bad_bodies(row.body))
    before = await all_rows(hearth)

    responses = [
        await ann.client.request(row.method, path, content=json.dumps(body), headers=JSON)
        for body, *_ in bad
    ]

    for (body, code, fields), response in zip(bad, responses, strict=True):
        pointers = [error["pointer"] for error in response.json().get("errors", [])]
        said = {pointer.partition("/")[2].partition("/")[0] for pointer in pointers}
        assert (body, _code(response), said) == (body, code, fields)
    assert await all_rows(hearth) == before


@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: f"{row.method} {row.path}")
def test_what_is_wrong_with_a_value_is_told_in_our_words(row: Endpoint) -> None:
    refusals = list(_refusals(row))

    # What our own validators say pydantic repeats; of the rest it would have its own sentence.
    broken = [
        f"{error['loc']}, {error['input']!r:.50}: {words} ({error['msg']})"
        for error, words in refusals
        if words == problems.UNKNOWN
        or not re.match(r"must |is ", words)
        or (words in error["msg"] and error["type"] != "value_error")
        or words.endswith("items" if isinstance(error["input"], str) else "characters")
    ]
    assert broken == []
    assert refusals or not (row.body or row.parameters)


def _refusals(row: Endpoint) -> Iterator[tuple[ErrorDetails, str]]:
    """Yield what pydantic finds in hostile values of each field, with what the client is told."""
    if row.body:
        bodies = [{**row.body.example, name: value} for name, value in _hostile(row.body)]
        for body in (*bodies, {"x": 1}, *NO_OBJECTS):
            yield from _told(row.body.model_validate_json, json.dumps(body), "body", strict=True)
    if row.parameters:
        for name, value in (*_hostile(row.parameters), ("x", 1)):
            field = row.parameters.model_fields.get(name)
            query = {(field and field.alias) or name: str(value)}
            yield from _told(row.parameters.model_validate, query, "query")


def _hostile(model: type[BaseModel]) -> Iterator[tuple[str, object]]:
    """Yield hostile values of each field, and such within the items of its lists."""
    schemas = model.model_json_schema(by_alias=False)["properties"]
    for name, field in model.model_fields.items():
        for value in (*HOSTILE, *_just_beyond(schemas[name])):
            yield name, value
        for inner in _models_in(field.annotation):
            for part, value in _hostile(inner):
                yield name, [{part: value}]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _told(
    read: Callable[..., object], value: object, inside: str, **options: bool
) -> Iterator[tuple[ErrorDetails, str]]:
    try:
        read(value, **options)
    except ValidationError as failed:
        errors = failed.errors()
        problem = problems.from_validation(failed, inside=inside, fields=())
        yield from zip(errors, (entry["detail"] for entry in problem.errors), strict=True)


async def test_every_wrong_value_of_a_body_is_pointed_at(ann: Person) -> None:
    response = await ann.client.post(
        "/v1/tasks", json={"description": 7, "due_on": "soon", "colour": "red"}
    )

    pointers = [error["pointer"] for error in response.json()["errors"]]
    assert pointers == ["/title", "/description", "/due_on", "/colour"]


async def test_the_longest_values_are_taken(new_person: NewPerson) -> None:
    long = "🏡"
    ann = await new_person(
        email=f"{uuid4()}{'a' * 206}@example.com",
        password=(long + "🔑") * 128,
        full_name=long * 200,
        family_name=long * 100,
    )
    conversation = await ann.client.post("/v1/conversations", json={"title": long * 200})
    conversation_id = conversation.json()["id"]

    responses = [
        conversation,
        await ann.client.post(
            "/v1/tasks",
            json={"title": long * 200, "description": long * 1000, "due_on": "2999-12-31"},
        ),
        await ann.client.post(
            f"/v1/conversations/{conversation_id}/messages",
            json={"role": "assistant", "content": long * 5000},
        ),
        await ann.client.patch(f"/v1/members/{ann.user_id}", json={"display_name": long * 100}),
    ]

    assert len(ann.email) == 254
    assert [response.status_code for response in responses] == [201, 201, 201, 200]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b'{"title": "\xff"}', b"{'title': 'x'}", b"[" * 10_000]
)
async def test_what_is_not_json_is_malformed(content: bytes, anybody: httpx.AsyncClient) -> None:
    response = await anybody.post("/v1/auth/signin", content=content, headers=JSON)

    assert _code(response) == "malformed"


async def test_a_batch_has_as_many_bytes_as_configured_and_no_more(
    ann: Person, hearth: Hearth
) -> None:
    limit = hearth.settings().max_body_bytes
    operation = {"method": "POST", "path": "/v1/tasks", "body": {"title": "Dust"}}
    body = json.dumps({"operations": [operation]}).encode()

    responses = [
        await ann.client.post("/v1/batch", content=body.ljust(limit + more), headers=JSON)
        for more in (0, 1)
    ]

    assert responses[0].status_code == 200
    assert _code(responses[1]) == "content-too-large"
    assert len((await ann.client.get("/v1/tasks")).json()["items"]) == 1


@pytest.mark.parametrize(
    "row",
    [row for row in ENDPOINTS if row.body not in {None, Batch}],
    ids=lambda row: f"{row.method} {row.path}",
)
async def test_a_body_has_as_many_bytes_as_its_values_need_and_no_more(
    row: Endpoint, ann: Person
) -> None:
    assert row.body is not None
    schema = row.body.model_json_schema()

    longest = json.dumps(_longest(schema, schema))
    beyond = await ann.client.request(
        row.method, path_to(row), content=b" " * (row.body.max_bytes + 1), headers=JSON
    )

    assert len(longest) <= row.body.max_bytes <= 4 * max(len(longest), 4096)
    assert (beyond.status_code, _code(beyond)) == (413, "content-too-large")


def _longest(schema: Mapping[str, Any], root: Mapping[str, Any]) -> object:
    """Return a value as long as a schema has room for, in characters that JSON escapes twice."""
    if "$ref" in schema:
        return _longest(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema and "properties" not in schema:
        return max((_longest(part, root) for part in schema["anyOf"]), key=_size)
    if "properties" in schema:
        return {name: _longest(part, root) for name, part in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_longest(schema["items"], root)] * schema["maxItems"]
    if schema.get("type") == "string" and not schema.keys() & {"enum", "const", "format"}:
        return "🏡" * schema["maxLength"]
    return "a value of some other kind, which is short"


def _size(value: object) -> int:
    return len(json.dumps(value))


async def test_so_many_wrong_values_are_told_and_no_more(anybody: httpx.AsyncClient) -> None:
    told = [
        await anybody.post("/v1/auth/signin", json={f"x{n}": 0 for n in range(unknown)})
        for unknown in (48, 49, 900, 1100)
    ]

    assert [len(response.json().get("errors", ())) for response in told] == [50, 50, 50, 0]
    assert [response.json().get("detail") for response in told] == [
        None,
        "51 values are wrong; these are the first.",
        "902 values are wrong; these are the first.",
        "1102 values are wrong.",
    ]
    assert {_code(response) for response in told} == {"validation-failed"}


async def test_a_query_string_has_so_many_parameters_and_no_more(ann: Person) -> None:
    responses = [
        await ann.client.get("/v1/tasks?" + "&".join(f"x{n}" for n in range(count)))
        for count in (50, 51, 2000)
    ]

    assert [_code(response) for response in responses] == ["validation-failed"] * 3
    assert [len(response.json().get("errors", ())) for response in responses] == [50, 0, 0]
    assert {response.json().get("detail") for response in responses} == {
        None,
        "The query string may have 50 parameters.",
    }


async def test_a_parameter_that_is_given_twice_is_pointed_at(ann: Person) -> None:
    response = await ann.client.get("/v1/tasks?limit=1&is_completed=true&limit=2")

    assert _code(response) == "validation-failed"
    assert [error["parameter"] for error in response.json()["errors"]] == ["limit"]


@pytest.mark.parametrize("value", ["yes", "on", "1", "t", "True", "", "null"])
async def test_a_flag_of_a_query_is_true_or_false(ann: Person, value: str) -> None:
    response = await ann.client.get("/v1/tasks", params={"is_completed": value})

    assert _code(response) == "validation-failed"
    assert [error["parameter"] for error in response.json()["errors"]] == ["is_completed"]


def test_what_is_unavailable_says_when_to_come_back_whatever_the_reason() -> None:
    response = problem_response(problems.Problem(problems.UNAVAILABLE, "Not now."), None)

    assert response.headers["Retry-After"] == "1"
