"""The OpenAPI document: it is valid, complete, and good enough to make a client from."""

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from app.http import fields, models, openapi, problems
from app.http.endpoint import Endpoint, Resource
from app.resources import ENDPOINTS, RESOURCES
from tests.support.documented import DOCUMENT, resolve
from tests.support.fixtures import PASSWORD, Hearth, Serve
from tests.support.tally import tally

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

OPERATIONS: dict[str, Any] = {
    operation["operationId"]: operation
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
}
ROWS = {openapi.operation_id(row): row for row in ENDPOINTS}


def test_it_is_a_valid_openapi_document() -> None:
    found = [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()]

    assert found == []
    tally("OpenAPI document", f"{len(OPERATIONS)} operations, {len(json.dumps(DOCUMENT)):,} bytes")


def test_every_row_is_an_operation_with_a_name_of_its_own() -> None:
    assert len(OPERATIONS) == len(ENDPOINTS) == len(ROWS)
    assert all(name.isidentifier() for name in OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_says_all_there_is_to_say(name: str) -> None:
    operation, row = OPERATIONS[name], ROWS[name]

    assert re.fullmatch(r"[A-Z].{4,}[^.]", operation["summary"]), f"{name} needs a summary"
    assert operation["tags"] == [tag for tag, names in TAGS.items() if name in names]
    assert operation["security"] == ([{"bearer": []}] if row.signed_in else [])
    for parameter in operation["parameters"]:
        assert "$ref" in parameter or parameter["in"] == "path" or parameter["description"]
    for status in operation["responses"]:
        response = resolve(operation, status)
        assert response["description"]
        assert {"X-Request-Id", "Cache-Control"} <= set(response["headers"])
        for media in response.get("content", {}).values():
            assert media.get("example") or media.get("examples"), f"{name}: {status} needs one"


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_examples_are_what_the_models_say(name: str) -> None:
    row = ROWS[name]
    shown: list[type[BaseModel]] = [model for model in (row.body, row.response) if model]

    for model in shown:
        model.model_validate_json(json.dumps(openapi.example_of(model)), strict=True)


def test_the_examples_of_problems_are_such() -> None:
    for example in DOCUMENT["components"]["examples"].values():
        models.Problem.model_validate_json(json.dumps(example["value"]), strict=True)


class _Undescribed(models.Request):
    """A body without an example."""


class _Unshown(models.Response):
    """An answer without one."""


TAGS = {part.name: {openapi.operation_id(row) for row in part.endpoints} for part in RESOURCES}
GOOD = next(row for row in ENDPOINTS if row.query == "create_task")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (replace(GOOD, body=_Undescribed), "example"),
        (replace(GOOD, response=_Unshown), "example"),
        (replace(GOOD, summary=""), "summary"),
        (replace(GOOD, path="/v1/tasks/again"), "create_task: two rows"),
    ],
)
def test_a_row_that_is_not_documented_stops_everything(row: Endpoint, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        openapi.document([*RESOURCES, Resource("More", "More.", (row,))])


def test_what_is_created_leads_to_all_that_can_be_done_with_it() -> None:
    paths = DOCUMENT["paths"]

    for path, operations in paths.items():
        links = _links(operations["post"]) if "post" in operations else {}
        below = {
            operation["operationId"]
            for other, ways in paths.items()
            if other.startswith(path + "/{") and other.count("{") == path.count("{") + 1
            for operation in ways.values()
        }
        is_creation = "201" in operations.get("post", {}).get("responses", {})
        assert set(links) == (below if is_creation else set()), path


def test_a_link_leads_to_the_id_wherever_the_response_has_it() -> None:
    (name,) = _links(OPERATIONS["create_invitation"])["get_invitation"]["parameters"].items()

    assert name == ("invitation_id", "$response.body#/invitation/id")


def test_what_is_created_has_a_location_where_it_is_shown() -> None:
    located = {
        name
        for name, operation in OPERATIONS.items()
        if "Location" in operation["responses"].get("201", {}).get("headers", {})
    }

    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            assert not any(
                "Location" in resolve(operation, status)["headers"]
                for status in set(operation["responses"]) - {"201"}
            )
        if "put" in operations:
            assert ("201" in operations["put"]["responses"]) == (
                operations["put"]["operationId"] in located
            )
        links = _links(operations.get("post", {"responses": {"": {}}}))
        is_shown = any(ROWS[name].method == "GET" and _is_one(name, path) for name in links)
        assert ("post" in operations and operations["post"]["operationId"] in located) == is_shown


def _is_one(name: str, path: str) -> bool:
    """Say whether an operation is about one thing below a path, and nothing below that."""
    return openapi.path_of(ROWS[name]).count("/") == path.count("/") + 1


def test_a_link_to_what_is_below_another_thing_names_that_as_well() -> None:
    link = _links(OPERATIONS["create_exercise_log"])["get_exercise_log"]

    assert link["parameters"] == {
        "exercise_id": "$request.path.exercise_id",
        "log_id": "$response.body#/id",
    }


def _links(operation: Any) -> Any:
    return next(iter(operation["responses"].values())).get("links", {})


def test_a_problem_that_a_row_tells_of_itself_is_documented() -> None:
    row = replace(GOOD, problems=(problems.PRECONDITION_FAILED,))

    responses = openapi.document([Resource("One", "One.", (row,))])["paths"]["/v1/tasks"]["post"][
        "responses"
    ]

    assert set(responses) - set(OPERATIONS["create_task"]["responses"]) == {"412"}


def test_a_put_makes_or_replaces_what_is_to_be_on_a_day() -> None:
    row = replace(GOOD, method="PUT", path="/v1/tasks/{date:day}", status=200)

    operation = openapi.document([Resource("One", "One.", (row,))])["paths"]["/v1/tasks/{date}"][
        "put"
    ]

    assert {"200", "201", "404", "412", "422"} <= set(operation["responses"])
    assert operation["parameters"][0] == {
        "name": "date",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "format": "date", "pattern": fields.DAY},
    }


async def test_a_page_elsewhere_may_use_every_header_that_is_documented(
    hearth: Hearth, serve: Serve, anybody: httpx.AsyncClient
) -> None:
    origin = {"Origin": "https://elsewhere.example"}
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ", ".join(openapi.PARAMETERS),
    }
    with serve(hearth.settings(cors_origins=("https://elsewhere.example",))) as url:
        preflight = await anybody.options(f"{url}/v1/tasks", headers={**origin, **asked})
        response = await anybody.get(f"{url}/health/live", headers=origin)

    assert preflight.status_code == 200, preflight.text
    exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
    assert exposed == list(openapi.HEADERS)


# A client that others would generate.


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Yield what imports a module of the client that openapi-python-client makes."""
    place = tmp_path_factory.mktemp("client")
    (place / "openapi.json").write_text(json.dumps(DOCUMENT), "utf-8")
    beside = Path(sys.executable).parent  # where the generator finds its formatter
    done = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            *("--path", place / "openapi.json", "--output-path", place / "hearth_client"),
            *("--meta", "none"),
        ],
        env={**os.environ, "PATH": f"{beside}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    sys.path.insert(0, str(place))
    yield lambda name: importlib.import_module(f"hearth_client.{name}")
    sys.path.remove(str(place))


async def test_a_generated_client_works(
    generated: Callable[[str], Any], service: str, cheap_passwords: None
) -> None:
    made, tasks = generated("models"), "api.tasks"
    account = made.SignUp(email=f"{uuid4()}@example.com", password=PASSWORD, full_name="Ann")

    with generated("client").Client(service) as nobody:
        signed_up = generated("api.accounts.sign_up").sync(client=nobody, body=account)
    with generated("client").AuthenticatedClient(service, signed_up.access_token) as client:
        task = generated(f"{tasks}.create_task").sync(
            client=client, body=made.TaskCreate(title="Sweep")
        )
        listed = generated(f"{tasks}.list_tasks").sync(client=client, limit=5)
        patched, stale = (
            generated(f"{tasks}.update_task").sync_detailed(
                task.id, client=client, body=made.TaskPatch(title="Mop"), if_match='"1"'
            )
            for _ in range(2)
        )
        deleted = generated(f"{tasks}.delete_task").sync_detailed(task.id, client=client)
        missing = generated(f"{tasks}.get_task").sync(task.id, client=client)
        wrong = generated(f"{tasks}.create_task").sync(
            client=client, body=made.TaskCreate(title=" ")
        )

    assert listed == made.TaskList(items=[task], next_=None)
    assert (patched.parsed.title, patched.parsed.row_version) == ("Mop", 2)
    assert (int(stale.status_code), stale.parsed.code) == (412, "precondition-failed")
    assert int(deleted.status_code) == 204
    assert isinstance(missing, made.Problem)
    assert missing.code == "not-found"
    assert [(error.pointer, error.detail) for error in wrong.errors] == [
        ("/title", "must not be blank")
    ]
