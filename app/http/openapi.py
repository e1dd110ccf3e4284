"""The OpenAPI document, made from the resources, their models and the problem types.

Nothing is told twice: what an operation takes, responds and may refuse follows from its row. A row
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

from app.http import fields, models, problems
from app.http.endpoint import Endpoint, Resource
from app.http.handler import id_of_created, tells_location
from app.http.problems import ProblemType

Json = dict[str, Any]

ABOUT = """\
A backend for households: families, tasks, routines, habits, exercise, points, conversations.

**Tokens.** Sign up or in, and send the `access_token` as `Authorization: Bearer …`. It is for one
family; `/v1/families/{family_id}/token` switches to another. `/v1/auth/refresh` renews it.

**Lists** respond with `{"items": […], "next": "…"}`: hand `next` back as `cursor` for the page
after it.

**Changes** heed `If-Match` with the `ETag` that was seen, so that nobody overwrites what they have
not read. Where a field of a PATCH is absent, it keeps its value; null empties it. A PUT makes what
is to be at its URL (201) or replaces it (200); with `If-Match` it makes nothing (404).

**Retries.** A POST with an `Idempotency-Key` is done once within a day, however often it is sent.
What a batch only reads is not kept but read again: its result is then as things are now.
A PUT or a DELETE comes to the same without one.

**Errors** are problem documents (RFC 9457); [every type has a page](/problems)."""

# The headers that a request may carry. No examples: the page would send them unasked.
PARAMETERS: Mapping[str, Json] = {
    "X-Request-Id": {
        "description": "A UUID to find the request by in responses, log and audit trail; made up if"
        " there is none.",
        "schema": {"type": "string"},
    },
    "If-None-Match": {
        "description": 'The `ETag` at hand, such as `"1"`: 304 if it is still the one.',
        "schema": {"type": "string"},
    },
    "If-Match": {
        "description": 'The `ETag` that was seen, such as `"1"`: 412 if it is another by now.',
        "schema": {"type": "string", "format": "entity-tags", "pattern": fields.ENTITY_TAGS},
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
        "description": "Responses are not kept.",
        "required": True,
        "schema": {"type": "string", "const": "no-store"},
    },
    "Server-Timing": {
        "description": "What it took, in milliseconds; where somebody is signed in.",
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "The version of the thing.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"([0-9a-f]{32}-)?[0-9]+"$'},
    },
    "Location": {
        "description": "The URL of what was created.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Idempotency-Replayed": {
        "description": "Whether the response was given before, to the same request.",
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

# What responses of a status have beside what all have.
_HEADERS_OF_STATUS = {
    304: ("ETag",),
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


# What the convertors of paths take.
_IN_PATH: Mapping[str, Json] = {
    "uuid": {"type": "string", "format": "uuid"},
    "day": {"type": "string", "format": "date", "pattern": fields.DAY},
    "number": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
}


class _Schema(GenerateJsonSchema):
    """JSON Schema in which a page of tasks is a `TaskList`, and no title repeats a field's name."""

    def normalize_name(self, name: str) -> str:
        return super().normalize_name(re.sub(r"^Page\[(.+)\]$", r"\1List", name))

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def document(resources: Sequence[Resource]) -> Json:
    """Return the document that describes the resources.

    Raises:
        ValueError: A row lacks what describes it.
    """
    table = [row for resource in resources for row in resource.endpoints]
    schemas, components = _schemas(table)
    paths: dict[str, Json] = {}
    names: set[str] = set()
    for resource in resources:
        for row in resource.endpoints:
            operation = _operation(row, resource.name, table, schemas)
            if operation["operationId"] in names:
                raise ValueError(f"{operation['operationId']}: two rows have this name")
            names.add(operation["operationId"])
            paths.setdefault(path_of(row), {})[row.method.lower()] = operation
    by_status = {_together(types): types for row in table for types in _by_status(row).values()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hearth", "version": version("hearth"), "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": part.name, "description": part.about} for part in resources],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
            "parameters": {
                name: {"name": name, "in": "header", **about} for name, about in PARAMETERS.items()
            },
            "headers": dict(HEADERS),
            "responses": {name: _problem_response(types) for name, types in by_status.items()},
            "examples": {type_.code: _problem_example(type_) for type_ in problems.PROBLEM_TYPES},
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
        raise ValueError(f"{model.__name__} needs an example") from None


def problems_of(row: Endpoint) -> list[ProblemType]:
    """Return the problem types that an operation can meet."""
    finds_nothing = (
        "{" in row.path
        or row.existence_check is not None
        or (row.method == "GET" and row.is_versioned)
        or row.when_empty is not problems.NOT_FOUND
    )
    follows = {
        problems.MALFORMED: True,  # a header that does not go with the method
        problems.UNAUTHENTICATED: row.signed_in,
        problems.OUTDATED_TOKEN: row.signed_in,
        problems.FORBIDDEN: row.existence_check is not None,
        problems.NO_FAMILY: row.signed_in and (row.in_family or row.is_idempotent),
        row.when_empty: finds_nothing,
        problems.PRECONDITION_FAILED: row.is_conditional,
        problems.CONTENT_TOO_LARGE: row.body is not None,
        problems.UNSUPPORTED_MEDIA: row.body is not None,
        problems.VALIDATION_FAILED: row.body is not None
        or row.parameters is not None
        or _reads_path(row),
        problems.IDEMPOTENCY_KEY_REUSED: row.is_idempotent,
        problems.RATE_LIMIT_EXCEEDED: row.is_idempotent,
        problems.HEADERS_TOO_LARGE: True,
        problems.INTERNAL: True,
        problems.UNAVAILABLE: True,
        problems.TIMEOUT: True,
        problems.OUTCOME_UNKNOWN: row.method != "GET",
    }
    return [
        type_ for type_ in problems.PROBLEM_TYPES if type_ in row.problems or follows.get(type_)
    ]


def _schemas(table: Sequence[Endpoint]) -> tuple[Mapping[Any, Json], Json]:
    bodies = {row.body for row in table if row.body}
    responses = {row.response for row in table if row.response} | {models.Problem}
    used: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in bodies),
        *((model, "serialization") for model in responses),
    ]
    schemas, rest = models_json_schema(
        sorted(used, key=lambda model: model[0].__name__),
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schema,
    )
    return {model: schema for (model, _), schema in schemas.items()}, rest["$defs"]


def _operation(
    row: Endpoint, tag: str, table: Sequence[Endpoint], schemas: Mapping[Any, Json]
) -> Json:
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
        "tags": [tag],
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
    for status, types in _by_status(row).items():
        operation["responses"][str(status)] = _ref("responses", _together(types))
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
    brings = {
        "ETag": row.is_versioned,
        "Location": status == 201 and tells_location(row, table),
        "Idempotency-Replayed": row.is_idempotent,
    }
    response: Json = {
        "description": HTTPStatus(status).phrase,
        "headers": _headers(status, *(name for name, is_so in brings.items() if is_so)),
    }
    if row.response is not None:
        content = {"schema": schemas[row.response], "example": example_of(row.response)}
        response["content"] = {"application/json": content}
    if links := _links(row, table):
        response["links"] = links
    return response


def _links(row: Endpoint, table: Sequence[Endpoint]) -> Json:
    """Return the way from what was created to what can be done with it."""
    way = id_of_created(row)
    if way is None:
        return {}
    created = f"$response.body#/{'/'.join(way)}"
    above = {name: f"$request.path.{name}" for name in re.findall(r"{(\w+):uuid}", row.path)}
    below = re.compile(re.escape(row.path) + r"/{(\w+):uuid}[^{]*")
    return {
        operation_id(other): {
            "operationId": operation_id(other),
            "parameters": {**above, found[1]: created},
        }
        for other in table
        if (found := below.fullmatch(other.path))
    }


def _by_status(row: Endpoint) -> Mapping[int, tuple[ProblemType, ...]]:
    problems = problems_of(row)
    return {
        status: tuple(type_ for type_ in problems if type_.status == status)
        for status in dict.fromkeys(type_.status for type_ in problems)
    }


def _together(types: Sequence[ProblemType]) -> str:
    return "_or_".join(type_.code for type_ in types)


def _problem_response(types: Sequence[ProblemType]) -> Json:
    content = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "examples": {type_.code: _ref("examples", type_.code) for type_ in types},
    }
    return {
        "description": " Or: ".join(type_.title for type_ in types),
        "headers": _headers(types[0].status),
        "content": {"application/problem+json": content},
    }


def _problem_example(type_: ProblemType) -> Json:
    value = {
        "type": type_.uri,
        "title": type_.title,
        "status": type_.status,
        "code": type_.code,
        "request_id": "3f7c0f9e-8a4e-4b0e-9d53-6f3ad0f1b2c4",
    }
    if type_ is problems.VALIDATION_FAILED:
        value["errors"] = [{"pointer": "/title", "detail": "must not be blank"}]
    return {"summary": type_.title, "description": type_.when, "value": value}


def _headers(status: int, *names: str) -> Json:
    every = ("X-Request-Id", "Cache-Control", "Server-Timing")
    return {
        name: _ref("headers", name)
        for name in (*names, *_HEADERS_OF_STATUS.get(status, ()), *every)
    }


def _ref(component: str, name: str) -> Json:
    return {"$ref": f"#/components/{component}/{name}"}
