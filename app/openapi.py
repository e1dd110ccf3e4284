"""The OpenAPI document, made from the table of endpoints, the models and the kinds of problem.

Nothing is told twice: what an operation takes, answers and may refuse follows from its row. A row
that this cannot describe (no tag for its path, no example for its model) stops the service, and so
every test.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from app import errors, models
from app.errors import Kind
from app.operations import Endpoint

Json = dict[str, Any]

# What each part is about, and the first segments of its paths.
TAGS = {
    "Accounts": ("Sign up, in and out, and the signed-in user.", {"auth", "me"}),
    "Families": ("Households, and who belongs to them.", {"families", "family", "members"}),
    "Invitations": ("Asking somebody into the family.", {"invitations"}),
    "Tasks": ("What is to be done: private, or the family's.", {"tasks"}),
    "Routines": ("What is done again and again, step by step.", {"routines"}),
    "Habits": ("What is done again and again, and how well.", {"habits"}),
    "Conversations": ("Conversations and messages: only one's own.", {"conversations"}),
    "Exercises": ("The family's exercises, and one's own logs of them.", {"exercises"}),
    "Today": ("Everything that is due, in one request.", {"today"}),
    "Scores": ("Points for what was done, and who leads.", {"scores", "leaderboard"}),
    "Audit": ("Who changed what, for owners and admins.", {"audit"}),
    "Batch": ("Several operations in one transaction.", {"batch"}),
}

ABOUT = """\
A backend for households: families, tasks, routines, habits, exercise, points, conversations.

**Tokens.** Sign up or in, and send the `access_token` as `Authorization: Bearer …`. It is for one
family; `/v1/families/{family_id}/token` switches to another. `/v1/auth/refresh` renews it.

**Lists** answer `{"items": […], "next": "…"}`: hand `next` back as `cursor` for the page after it.

**Changes** heed `If-Match` with the `ETag` that was seen, so that nobody overwrites what they have
not read. Where a field of a PATCH is absent, it keeps its value; null empties it. A PUT makes what
is to be at its URL (201) or replaces it (200); with `If-Match` it makes nothing (404).

**Retries.** A POST with an `Idempotency-Key` is done once within a day, however often it is sent.
A PUT or a DELETE comes to the same without one.

**Errors** are problem documents (RFC 9457); [every kind has a page](/problems)."""

_TAG = '(W/)?"[!#-~]*"'

# The headers that a request may carry. No examples: the page would send them unasked.
PARAMETERS: Mapping[str, Json] = {
    "X-Request-Id": {
        "description": "A UUID to find the request by in answers, logs and audit trail; made up if"
        " there is none.",
        "schema": {"type": "string"},
    },
    "If-None-Match": {
        "description": 'The `ETag` at hand, such as `"1"`: 304 if it is still the one.',
        "schema": {"type": "string"},
    },
    "If-Match": {
        "description": 'The `ETag` that was seen, such as `"1"`: 412 if it is another by now.',
        "schema": {"type": "string", "pattern": f"^([*]|{_TAG}(, *{_TAG})*)$"},
    },
    "Idempotency-Key": {
        "description": "Any text that is new for every new request: sent again, it is done once.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
}

HEADERS: Mapping[str, Json] = {
    "X-Request-Id": {
        "description": "The id of the request.",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    },
    "Cache-Control": {
        "description": "Answers are not kept.",
        "required": True,
        "schema": {"type": "string", "const": "no-store"},
    },
    "ETag": {
        "description": "The version of the thing.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"([0-9a-f]{32}-)?[0-9]+"$'},
    },
    "Idempotency-Replayed": {
        "description": "Whether the answer was given before, to the same request.",
        "schema": {"type": "string", "const": "true"},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate (RFC 6750).",
        "required": True,
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "In how many seconds to try again.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
}

# What answers of a status bring beside what all bring.
_HEADERS_OF_STATUS = {
    304: ("ETag",),
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


# What the convertors of paths take.
_IN_PATH: Mapping[str, Json] = {
    "uuid": {"type": "string", "format": "uuid"},
    "day": {"type": "string", "format": "date", "pattern": models.DAY},
    "number": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}


class _Schema(GenerateJsonSchema):
    """JSON Schema in which a page of tasks is a `TaskList`, and no title repeats a field's name."""

    def normalize_name(self, name: str) -> str:
        return super().normalize_name(re.sub(r"^List\[(.+)\]$", r"\1List", name))

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def document(table: Sequence[Endpoint]) -> Json:
    """Return the document that describes the table.

    Raises:
        ValueError: A row lacks what describes it.
    """
    schemas, components = _schemas(table)
    paths: dict[str, Json] = {}
    names: set[str] = set()
    for row in table:
        operation = _operation(row, table, schemas)
        if operation["operationId"] in names:
            raise ValueError(f"{operation['operationId']}: stands in the table twice")
        names.add(operation["operationId"])
        paths.setdefault(path_of(row), {})[row.method.lower()] = operation
    by_status = {_together(kinds): kinds for row in table for kinds in _by_status(row).values()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hearth", "version": version("hearth"), "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": about} for name, (about, _) in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
            "parameters": {
                name: {"name": name, "in": "header", **about} for name, about in PARAMETERS.items()
            },
            "headers": dict(HEADERS),
            "responses": {name: _problem_response(kinds) for name, kinds in by_status.items()},
            "examples": {kind.code: _problem_example(kind) for kind in errors.KINDS},
            "schemas": components,
        },
    }


def path_of(row: Endpoint) -> str:
    """Return the path in OpenAPI's notation."""
    return re.sub(r":\w+}", "}", row.path)


def operation_id(row: Endpoint) -> str:
    """Return the operation's name: that of the query, or of the handler."""
    return row.query or str(getattr(row.handler, "__name__", None))


def example_of(model: type[BaseModel]) -> Any:
    """Return a model's example.

    Raises:
        ValueError: It has none.
    """
    try:
        return model.example  # type: ignore[attr-defined]
    except AttributeError:
        raise ValueError(f"{model.__name__} in app/models.py: needs an example") from None


def problems_of(row: Endpoint) -> list[Kind]:
    """Return the kinds of problem that an operation can meet."""
    finds_nothing = (
        "{" in row.path
        or row.visible_by is not None
        or (row.method == "GET" and row.is_versioned)
        or row.nothing is not errors.NOT_FOUND
    )
    follows = {
        errors.MALFORMED: True,  # a header that does not go with the method
        errors.UNAUTHENTICATED: row.signed_in,
        errors.STALE_CONTEXT: row.signed_in,
        errors.FORBIDDEN: row.visible_by is not None,
        errors.NO_FAMILY: row.signed_in and (row.in_family or row.is_idempotent),
        row.nothing: finds_nothing,
        errors.STALE: row.is_conditional,
        errors.TOO_LARGE: row.body is not None,
        errors.UNSUPPORTED_MEDIA: row.body is not None,
        errors.INVALID: row.body is not None or row.parameters is not None or _reads_path(row),
        errors.KEY_REUSED: row.is_idempotent,
        errors.HEADERS_TOO_LARGE: True,
        errors.INTERNAL: True,
        errors.UNAVAILABLE: True,
        errors.TIMEOUT: True,
    }
    return [kind for kind in errors.KINDS if kind in row.problems or follows.get(kind)]


def _schemas(table: Sequence[Endpoint]) -> tuple[Mapping[Any, Json], Json]:
    bodies = {row.body for row in table if row.body}
    answers = {row.answer for row in table if row.answer} | {models.Problem}
    used: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in bodies),
        *((model, "serialization") for model in answers),
    ]
    schemas, rest = models_json_schema(
        sorted(used, key=lambda model: model[0].__name__),
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schema,
    )
    return {model: schema for (model, _), schema in schemas.items()}, rest["$defs"]


def _operation(row: Endpoint, table: Sequence[Endpoint], schemas: Mapping[Any, Json]) -> Json:
    segment = row.path.split("/")[2]
    tags = [name for name, (_, segments) in TAGS.items() if segment in segments]
    if not tags:
        raise ValueError(f"TAGS in app/openapi.py: none has {segment}")
    if not row.summary:
        raise ValueError(f"{operation_id(row)}: its row needs a summary")
    headers = {
        "If-None-Match": row.method == "GET" and row.is_versioned,
        "If-Match": row.is_conditional,
        "Idempotency-Key": row.is_idempotent,
        "X-Request-Id": True,
    }
    operation: Json = {
        "operationId": operation_id(row),
        "summary": row.summary,
        "tags": tags,
        "security": [{"bearer": []}] if row.signed_in else [],
        "parameters": [
            *_path_parameters(row),
            *_query_parameters(row),
            *(_ref("parameters", name) for name, is_heeded in headers.items() if is_heeded),
        ],
    }
    if row.body is not None:
        content = {"schema": schemas[row.body], "example": example_of(row.body)}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    operation["responses"] = {
        str(status): _success(row, status, table, schemas)
        for status in ((row.status, 201) if row.is_upsert else (row.status,))
    }
    if headers["If-None-Match"]:
        about = "The version at hand is still the one."
        operation["responses"]["304"] = {"description": about, "headers": _headers(304)}
    for status, kinds in _by_status(row).items():
        operation["responses"][str(status)] = _ref("responses", _together(kinds))
    return operation


def _reads_path(row: Endpoint) -> bool:
    # What is no id is no path of ours; what is no day or number is told so.
    return re.search(r":(?!uuid)\w+}", row.path) is not None


def _path_parameters(row: Endpoint) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _IN_PATH[convertor]}
        for name, convertor in re.findall(r"{(\w+):(\w+)}", row.path)
    ]


def _query_parameters(row: Endpoint) -> list[Json]:
    if row.parameters is None:
        return []
    fields = row.parameters.model_json_schema(schema_generator=_Schema)["properties"]
    return [_query_parameter(name, dict(field)) for name, field in fields.items()]


def _query_parameter(name: str, field: Json) -> Json:
    about = field.pop("description")
    if "anyOf" in field:  # what may be absent is null in the model; a query string has no null
        field = {**field["anyOf"][0]}
        field.pop("description", None)
    return {"name": name, "in": "query", "description": about, "schema": field}


def _success(
    row: Endpoint, status: int, table: Sequence[Endpoint], schemas: Mapping[Any, Json]
) -> Json:
    brings = {"ETag": row.is_versioned, "Idempotency-Replayed": row.is_idempotent}
    response: Json = {
        "description": HTTPStatus(status).phrase,
        "headers": _headers(status, *(name for name, is_so in brings.items() if is_so)),
    }
    if row.answer is not None:
        content = {"schema": schemas[row.answer], "example": example_of(row.answer)}
        response["content"] = {"application/json": content}
    if links := _links(row, table):
        response["links"] = links
    return response


def _links(row: Endpoint, table: Sequence[Endpoint]) -> Json:
    """Return the way from what was made to what can be done with it."""
    if row.status != 201 or row.answer is None or "id" not in row.answer.model_fields:
        return {}
    above = {name: f"$request.path.{name}" for name in re.findall(r"{(\w+):uuid}", row.path)}
    below = re.compile(re.escape(row.path) + r"/{(\w+):uuid}[^{]*")
    return {
        operation_id(other): {
            "operationId": operation_id(other),
            "parameters": {**above, found[1]: "$response.body#/id"},
        }
        for other in table
        if (found := below.fullmatch(other.path))
    }


def _by_status(row: Endpoint) -> Mapping[int, tuple[Kind, ...]]:
    problems = problems_of(row)
    return {
        status: tuple(kind for kind in problems if kind.status == status)
        for status in dict.fromkeys(kind.status for kind in problems)
    }


def _together(kinds: Sequence[Kind]) -> str:
    return "_or_".join(kind.code for kind in kinds)


def _problem_response(kinds: Sequence[Kind]) -> Json:
    content = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "examples": {kind.code: _ref("examples", kind.code) for kind in kinds},
    }
    return {
        "description": " Or: ".join(kind.title for kind in kinds),
        "headers": _headers(kinds[0].status),
        "content": {"application/problem+json": content},
    }


def _problem_example(kind: Kind) -> Json:
    value = {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
        "request_id": models.AuditRecord.example["metadata"]["request_id"],
    }
    if kind is errors.INVALID:
        value["errors"] = [{"pointer": "/title", "detail": "must not be blank"}]
    return {"summary": kind.title, "description": kind.when, "value": value}


def _headers(status: int, *names: str) -> Json:
    every = ("X-Request-Id", "Cache-Control")
    return {
        name: _ref("headers", name)
        for name in (*names, *_HEADERS_OF_STATUS.get(status, ()), *every)
    }


def _ref(component: str, name: str) -> Json:
    return {"$ref": f"#/components/{component}/{name}"}
