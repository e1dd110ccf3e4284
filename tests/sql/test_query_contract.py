"""What the queries and the service have agreed on, read from both sides.

A query of `sql/queries` takes parameters of certain types and gives rows or one JSON document. The
service knows that from its models. Nothing but these tests holds the one against the other: each
lists what breaks the contract, by file and query.
"""

import ast
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from inspect import isclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

import annotated_types
import asyncpg
import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

import app
from app.auth.rate_limits import RateLimit
from app.auth.tokens import hash_token
from app.db.context import MemberRole
from app.http import models
from app.http.batch import Batch
from app.http.endpoint import Endpoint
from app.http.models import Response
from app.ops import purge
from app.resources import ENDPOINTS
from app.resources.accounts import SignUp
from app.resources.families import FamilyCreate
from app.resources.invitations import InvitationCreate, InvitationToken
from app.resources.routines import RoutineStepCreate
from app.resources.sessions import SignIn
from tests.examples import EXAMPLES
from tests.sql.plans import VARIANTS
from tests.support.calls import OF_ENDPOINTS, OF_OPS, OUTSIDE, PLACES, QUERIES, example
from tests.support.documented import DOCUMENT
from tests.support.example import after, id_of
from tests.support.examples import BODIES
from tests.support.fixtures import Hearth
from tests.support.households import Household, act_as, columns, row_id
from tests.support.tally import tally

# What a type of Python is in PostgreSQL; an enum is the set of its labels in both.
TYPES = {
    UUID: "uuid",
    str: "text",
    bool: "bool",
    int: "int4",
    date: "date",
    datetime: "timestamptz",
    timedelta: "interval",
    Decimal: "numeric",
    bytes: "bytea",
    dict: "jsonb",
    float: "float8",
    list: "int8[]",
}

Kind = str | frozenset[str]


class Standing(Response):
    """For whom tokens are made: what accounts.py reads."""

    session_id: UUID | None
    user_id: UUID
    family_id: UUID | None
    role: MemberRole | None


class Looked(Response):
    """What the monitor sees: of each check the reason, and more."""

    database: dict[str, Any]
    role: dict[str, Any]
    finds_statements: bool
    writable: dict[str, Any]
    clock: dict[str, Any]
    migrations: dict[str, Any]
    trail: dict[str, Any]
    replication: dict[str, Any]


class Explained(Response):
    """What access.py puts into words."""

    verdict: str
    role: str
    grants: dict[str, list[str]]
    settings: dict[str, str | None]
    row: dict[str, Any]
    policies: list[dict[str, Any]]


class Row(dict[str, Kind]):
    """The columns of rows, where a query gives no JSON."""


class Done:
    """The text `true`: the write was done, and there is nothing to show."""


class Nothing:
    """Rows that nobody reads: what was written is all there is to it."""


@dataclass(frozen=True)
class Contract:
    """What a query that no endpoint runs by itself takes, by name, and what it gives."""

    takes: Mapping[str, type | Kind]
    gives: type[Response] | Row | type[Done] | type[Nothing] | type[dict[str, str]]


_TOKEN: Mapping[str, type] = {"token_hash": bytes, "lifetime": timedelta}
_CREDENTIALS = Row(user_id="uuid", password_hash="text")

_DEMO: Mapping[str, type | Kind] = {
    "family_id": UUID,
    "user_id": UUID,
    "is_owner": bool,
    "days": int,
    "key": str,
}

_ATTEMPT: Mapping[str, type | Kind] = {
    "rate_limit": frozenset(get_args(RateLimit)),
    "subject_hash": bytes,
}
_ANSWER = Row(request_hash="bytea", status="int8", body="text", etag_version="int8")

OTHERS: Mapping[str, Contract] = {
    "see_habit_log": Contract(
        {"family_id": UUID, "habit_id": UUID, "date": date, "may_create": bool},
        Row(row_version="int8"),
    ),
    "sign_up": Contract(
        {
            **dict.fromkeys(("email", "password_hash", "full_name", "family_name"), str),
            "time_zone": str,
            "invitation_hash": bytes,
            **_TOKEN,
            "network_hash": bytes,
        },
        Standing,
    ),
    "knows_network": Contract({"network_hash": bytes}, Row(knows_network="bool")),
    "find_credentials": Contract({"email": str}, _CREDENTIALS),
    "open_session": Contract(
        {"user_id": UUID, "password_hash": str, **_TOKEN, "network_hash": bytes}, Standing
    ),
    "refresh_session": Contract({**_TOKEN, "new_token_hash": bytes}, Standing),
    "close_session": Contract({}, Done),
    "own_credentials": Contract({}, _CREDENTIALS),
    "change_password": Contract({"old_hash": str, "new_hash": str}, Done),
    "switch_family": Contract({"to_family_id": UUID}, Standing),
    "get_health": Contract(
        {"files": dict, "deployers_lock": int, "service_time": datetime}, Looked
    ),
    "list_constraints": Contract({}, Row(name="name", comment="text", fields="text[]")),
    "get_position": Contract({}, Row(position="text")),
    "get_replica_fault": Contract({"position": dict}, Row(fault="text")),
    "lift_limits": Contract({}, Row(set_config="text")),
    "ensure_audit_partitions": Contract({"months_ahead": int}, Row(made="text")),
    "get_audit_months": Contract({}, Row(has_waiting_rows="bool", months_ahead="int8")),
    "find_contexts": Contract(
        {"email": str},
        Row(user_id="uuid", family_id="uuid", family_name="text", role="text"),
    ),
    "hit_rate_limit": Contract(
        {**_ATTEMPT, "max_attempts": int, "seconds": float}, Row(hit_rate_limit="text")
    ),
    "reset_rate_limit": Contract({**_ATTEMPT, "newest": int}, Row(reset_rate_limit="void")),
    "get_email_key": Contract({"email": str}, Row(text_key="text")),
    "find_idempotent_response": Contract({"idempotency_key": str}, _ANSWER),
    "save_idempotent_response": Contract(
        {
            "family_id": UUID,
            "user_id": UUID,
            "idempotency_key": str,
            "request_hash": bytes,
            "status": "int8",
            "body": str,
            "etag_version": "int8",
        },
        Done,
    ),
    "count_demo": Contract({}, Row(of_demo="int8", of_others="int8")),
    "find_demo_household": Contract({"email": str}, Row(is_there="bool")),
    "list_demo_people": Contract(
        {"household": int, "seed": "int8"},
        Row(email="text", full_name="text", family_name="text", time_zone="text", role="text"),
    ),
    **{name: Contract(_DEMO, Nothing) for name in QUERIES if name.startswith("demo_")},
    "begin_purge": Contract({"age": "interval"}, Row(retired_before="timestamptz")),
    **{
        name: Contract({"retired_before": datetime}, Row(number="int8"))
        for name in QUERIES
        if re.fullmatch(r"count_\w+_to_purge", name)
    },
    **{
        name: Contract({"retired_before": datetime, "batch_size": int}, Row(number="int8"))
        for name in QUERIES
        if name.startswith("purge_")
    },
    "explain_access": Contract(
        {
            "table_name": str,
            "row_id": UUID,
            "command": str,
            "user_id": UUID,
            "family_id": UUID,
            "member_role": MemberRole,
        },
        Explained,
    ),
}

# Lists that are never so long that they need a second page.
WITHOUT_PAGES = {
    (row.response, "next")
    for row in ENDPOINTS
    if not (row.parameters and "limit" in row.parameters.model_fields)
}

# Fields that the database never sees, and the parameters that are made of them.
REPLACED = {
    "password": "password_hash",
    "old_password": "old_hash",
    "new_password": "new_hash",
    "refresh_token": "token_hash",
    "token": "token_hash",
    "invitation": "invitation_hash",
}


def kind(annotation: Any) -> Kind:
    """Return what an annotation is in PostgreSQL, null aside."""
    annotation = getattr(annotation, "__value__", annotation)  # of a type by a name of its own
    if get_origin(annotation) is Literal:
        return frozenset(get_args(annotation))
    if isclass(annotation) and issubclass(annotation, Enum):
        return frozenset(str(label.value) for label in annotation)
    if get_origin(annotation) is list and kind(get_args(annotation)[0]) == "other":
        return "jsonb"  # things within a thing go as one document
    if plain := TYPES.get(get_origin(annotation) or annotation):
        return plain
    parts = [part for part in get_args(annotation) if part is not NoneType]
    return kind(parts[0]) if parts else "other"  # of an optional type, or of one with limits


def shown(kind_: object) -> str:
    """Return a kind as a sentence needs it."""
    return " | ".join(sorted(kind_)) if isinstance(kind_, frozenset) else str(kind_)


def takes_null(field: FieldInfo) -> bool:
    """Return whether a field may be null."""
    return NoneType in get_args(field.annotation)


def fields_given(row: Endpoint) -> Mapping[str, Kind]:
    """Return the parameters that an endpoint's query may have, by name."""
    given: dict[str, Kind] = {"user_id": "uuid", "family_id": "uuid"}
    convertors = {"uuid": "uuid", "day": "date", "number": "int4"}
    given |= {name: convertors[of] for name, of in re.findall(r"{(\w+):(\w+)}", row.path)}
    if row.is_conditional:
        given["if_match"] = "int8[]"
    if row.is_upsert:
        given["may_create"] = "bool"
    if row.parameters:
        values = row.parameters.model_validate({}).values()
        fields = row.parameters.model_fields
        given |= {
            name: kind(fields[name].annotation if name in fields else type(value))
            for name, value in values.items()
        }
    if row.body and issubclass(row.body, models.Patch):
        given["patch"] = "jsonb"
    elif row.body:
        given |= {name: kind(f.annotation) for name, f in row.body.model_fields.items()}
        given |= _made_by(row.body)
    return given


def _made_by(body: type[models.Request]) -> Mapping[str, Kind]:
    """Return the parameters that a body makes of its fields, by name."""
    values = body.model_validate(BODIES[body]).values()
    return {
        name: kind(type(value)) for name, value in values.items() if name not in body.model_fields
    }


def taken(query: str) -> Mapping[str, Kind]:
    """Return the parameters that the service has for a query, by name."""
    if query in OTHERS:
        return {
            name: kind(type_) if isinstance(type_, type) else type_
            for name, type_ in OTHERS[query].takes.items()
        }
    rows = [row for row in ENDPOINTS if query in (*row.queries, row.existence_check)]
    given = [fields_given(row) for row in rows] or [{}]
    return {name: kind_ for name, kind_ in given[0].items() if all(name in one for one in given)}


def written(query: str) -> str:
    """Return a query's text with its parameters by name, as in its file."""
    names = QUERIES[query].parameters
    return re.sub(r"\$(\d+)", lambda found: f":{names[int(found[1]) - 1]}", QUERIES[query].text)


def used_by_the_code() -> Iterator[tuple[str, str]]:
    """Yield each query that the service names, with the function or row that does."""
    for row in ENDPOINTS:
        for name in (*row.queries, row.existence_check):
            if name:
                yield name, f"{row.method} {row.path}"
    package = Path(app.__file__).parent
    for path in sorted(package.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for name in _queries_of(function):
                    yield name, f"app/{path.relative_to(package)}: {function.name}"
    for kind in purge.kinds():
        yield f"count_{kind}_to_purge", "app/ops/purge.py: _count"
        yield f"purge_{kind}", "app/ops/purge.py: remove"


def _queries_of(function: ast.AST) -> Iterator[str]:
    # Where the ways to the database take the name of a query.
    runs = {"value": 0, "row": 0, "rows": 0, "run_as_ops": 1, "run_query": 2, "find_credentials": 2}
    for call in ast.walk(function):
        if isinstance(call, ast.Call):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if name in runs and len(call.args) > runs[name]:
                argument = call.args[runs[name]]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


_counts = {"queries": len(QUERIES)}


def count_in(what: str, number: int) -> None:
    """Say at the end of the run how much was held against each other."""
    _counts[what] = number
    tally("query contract", ", ".join(f"{number} {what}" for what, number in _counts.items()))


# Both sides know each other.


def test_every_query_is_used_and_every_query_used_is_there() -> None:
    used = dict(used_by_the_code())

    broken = [f"{PLACES[name]}: is used by nothing" for name in QUERIES if name not in used]
    broken += [
        f"{user}: runs {name}, which is not there"
        for name, user in used.items()
        if name not in QUERIES
    ]
    assert not broken, "\n".join(broken)
    assert set(PLACES) == set(QUERIES), "aiosql and this test read the files differently"


def test_every_query_has_a_contract_and_an_example() -> None:
    of_endpoints = {
        name for row in ENDPOINTS for name in (*row.queries, row.existence_check) if name
    }
    broken = [
        f"OTHERS has a contract of {name}, which is gone" for name in set(OTHERS) - set(QUERIES)
    ]
    for name in QUERIES:
        if name not in of_endpoints | set(OTHERS):
            broken.append(f"{PLACES[name]}: no endpoint has it, nor OTHERS a contract of it")
        try:
            example(name, {})
        except LookupError as missing:
            broken.append(f"{PLACES[name]}: tests/support/calls.py has no example of {missing}")

    assert not broken, "\n".join(broken)


# Parameters.


@pytest.fixture(scope="module")
async def prepared(hearth: Hearth) -> AsyncIterator[Mapping[str, Any]]:
    """Yield every query, prepared as the role that runs it, by its name."""
    api = await asyncpg.connect(hearth.url("app_api"))
    ops = await asyncpg.connect(hearth.url("hearth_deployer"))
    await ops.execute("set role app_ops")
    statements = {}
    for name, query in QUERIES.items():
        try:
            statements[name] = await (ops if name in OF_OPS else api).prepare(query.text)
        except asyncpg.PostgresError as error:
            pytest.fail(f"{PLACES[name]}: cannot be prepared: {error}")
    yield statements
    await api.close()
    await ops.close()


@pytest.fixture
async def labels(root: asyncpg.Connection) -> Mapping[str, frozenset[str]]:
    """Return the labels of every enum, by its name."""
    rows = await root.fetch(
        "select t.typname, array_agg(e.enumlabel::text) as labels"
        " from pg_enum as e join pg_type as t on t.oid = e.enumtypid group by t.typname"
    )
    return {row["typname"]: frozenset(row["labels"]) for row in rows}


async def test_every_parameter_is_one_that_the_service_has_and_of_its_type(
    prepared: Mapping[str, Any], labels: Mapping[str, frozenset[str]]
) -> None:
    broken, count = [], 0
    for query, statement in prepared.items():
        given = taken(query)
        for name, type_ in zip(QUERIES[query].parameters, statement.get_parameters(), strict=True):
            count += 1
            asked = labels.get(type_.name, type_.name)
            if name not in given:
                broken.append(f"{PLACES[query]}: nothing gives it :{name}")
            elif asked != given[name]:
                broken.append(
                    f"{PLACES[query]}: :{name} is {shown(asked)}, the service has"
                    f" {shown(given[name])}"
                )

    assert not broken, "\n".join(broken)
    count_in("parameters", count)


async def test_rows_have_the_columns_that_the_service_reads_and_of_their_types(
    prepared: Mapping[str, Any],
) -> None:
    read = {name: of.gives for name, of in OTHERS.items() if isinstance(of.gives, Row)}

    broken = []
    for query, expected in read.items():
        given = {each.name: each.type.name for each in prepared[query].get_attributes()}
        if given != expected:
            broken.append(f"{PLACES[query]}: gives {given}, the service reads {expected}")

    assert not broken, "\n".join(broken)
    count_in("columns of rows", sum(map(len, read.values())))


def test_everything_a_client_may_say_is_used() -> None:
    broken = []
    for row in ENDPOINTS:
        names = row.queries or _queries_of_handler(row)
        known = [QUERIES[name] for name in names if name in QUERIES]
        used = {name for query in known for name in query.parameters}
        if row.body is Batch:  # what it says are other rows
            continue
        said = set(fields_given(row)) - {"user_id", "family_id"}
        said = {REPLACED.get(name, name) for name in said}
        broken += [
            f"{row.method} {row.path}: {name} is used by none of {names}" for name in said - used
        ]

    assert not broken, "\n".join(broken)


def test_a_query_takes_all_that_may_be_given_where_it_is_run() -> None:
    broken = []
    for row in ENDPOINTS:
        absent: set[str] = set()
        for query, needed in [*row.variants.items(), (row.query, ())]:
            if query is not None and row.variants and row.parameters is not None:
                given = set(row.parameters.model_validate({}).values())
                missing = given - absent - set(QUERIES[query].parameters)
                broken += [f"{PLACES[query]}: does not heed {name}" for name in sorted(missing)]
            absent |= set(needed)

    assert not broken, "\n".join(broken)


def test_what_a_query_is_asked_in_the_crowd_is_what_its_endpoint_runs_it_for() -> None:
    broken, count = [], 0
    for query, asked in VARIANTS.items():
        for variant, said in asked.items():
            count += 1
            run = OF_ENDPOINTS[query].query_for(example(query, {}, **said))
            if run != query:
                broken.append(f"{query}, {variant}: {run} is run")

    assert not broken, "\n".join(broken)
    count_in("variants", count)


def _queries_of_handler(row: Endpoint) -> list[str]:
    handler = row.handler
    assert handler
    place = f"{handler.__module__.replace('.', '/')}.py: {handler.__name__}"
    return [name for name, user in used_by_the_code() if user == place]


async def test_a_partial_update_sets_every_field_and_nothing_else(
    root: asyncpg.Connection, labels: Mapping[str, frozenset[str]]
) -> None:
    rows = await root.fetch("""
        select a.attrelid::regclass::text as in_table, a.attname::text as name, t.typname as type
        from pg_attribute as a
        join pg_type as t on t.oid = a.atttypid
        where a.attnum > 0
    """)
    # A number of JSON is exact, whatever it is in Python; in a list the service bounds each.
    names = {"_int4": "int8[]"}
    types = {
        (row["in_table"], row["name"]): labels.get(row["type"], names.get(row["type"], row["type"]))
        for row in rows
    }
    broken, count = [], 0
    for query, row in OF_ENDPOINTS.items():
        if not (row.body and issubclass(row.body, models.Patch)):
            continue
        text = written(query)
        found = re.search(r"update (app\.\w+) as (\w+)\n", text)
        assert found, query
        # What is absent from the patch is as it was in the row.
        assert f"from jsonb_populate_record({found[2]}, :patch::jsonb) as n" in text, query
        sets = {name: types.get((found[1], name)) for name in re.findall(r"\bn\.(\w+)", text)}
        kinds = {name: kind(f.annotation) for name, f in row.body.model_fields.items()}
        fields = {name: "numeric" if k == "float8" else k for name, k in kinds.items()}
        count += len(fields)
        broken += [
            f"{PLACES[query]}: sets {name} as {shown(sets.get(name, 'nothing'))},"
            f" {row.body.__name__} has {shown(fields.get(name, 'no such field'))}"
            for name in {**sets, **fields}
            if sets.get(name) != fields.get(name)
        ]

    assert not broken, "\n".join(broken)
    count_in("fields of patches", count)


def test_the_words_of_a_model_are_the_labels_of_an_enum(
    labels: Mapping[str, frozenset[str]],
) -> None:
    described = [
        model
        for row in ENDPOINTS
        for model in (row.body, row.parameters, row.response)
        if model is not None
    ]

    broken = [
        f"{model.__module__}.{model.__name__}.{name} is {shown(words)}, which is no enum in sql/"
        for model in described
        for name, field in model.model_fields.items()
        if isinstance(words := kind(field.annotation), frozenset)
        and words not in labels.values()
        and name not in ("token_type", "method")  # RFC 6750's and RFC 9110's
    ]
    assert not broken, "\n".join(broken)


def written_tables() -> Iterator[tuple[type[BaseModel], str]]:
    """Yield each model of a body, with the table whose columns its fields become."""
    for row in ENDPOINTS:
        text = QUERIES[row.query].text if row.query else ""
        if row.body and (found := re.search(r"(?:insert into|update) (app\.\w+)", text)):
            yield row.body, found[1]
    # What a function or a handler of ours writes, or a query beside the rest.
    yield SignUp, "app.users"
    yield SignIn, "app.users"
    yield FamilyCreate, "app.families"
    yield RoutineStepCreate, "app.routine_steps"


async def test_a_models_longest_text_is_the_checks(root: asyncpg.Connection) -> None:
    checks = await root.fetch(r"""
        select c.conrelid::regclass::text as in_table, found[1] as name, found[2]::integer as most
        from pg_constraint as c,
            regexp_matches(pg_get_constraintdef(c.oid), 'length\((\w+)\) <= (\d+)') as found
        where c.contype = 'c' and c.connamespace = 'app'::regnamespace
    """)
    longest = {(row["in_table"], row["name"]): row["most"] for row in checks}

    broken = [
        f"{model.__name__}.{name}: at most {said}, {table} says {longest.get((table, name))}"
        for model, table in written_tables()
        for name, field in model.model_fields.items()
        if (said := _longest(field)) is not None
        and name not in REPLACED
        and (model, name) != (SignUp, "family_name")  # is a family's name
        and kind(field.annotation) != "jsonb"  # so many things, not characters
        and longest.get((table, name)) != said
    ]

    assert not broken, "\n".join(broken)


async def test_a_models_numbers_end_where_the_checks_do(root: asyncpg.Connection) -> None:
    checks = await root.fetch(r"""
        select c.conrelid::regclass::text as in_table, found[1] as name, found[2] as sign,
            found[3]::float8 as value
        from pg_constraint as c,
            regexp_matches(
                pg_get_constraintdef(c.oid), '\((\w+) (>=|<=) \(?''?(-?[\d.]+)', 'g'
            ) as found
        where c.contype = 'c' and c.connamespace = 'app'::regnamespace
    """)
    ends = {(row["in_table"], row["name"], row["sign"]): row["value"] for row in checks}
    of_tables = await columns(root)
    broken, count = [], 0
    for model, table in written_tables():
        schemas = model.model_json_schema()["properties"]
        for name in set(schemas) & set(of_tables[table.removeprefix("app.")]):
            schema = schemas[name].get("anyOf", [schemas[name]])[0]
            for end, sign in (("minimum", ">="), ("maximum", "<=")):
                said, checked = schema.get(end), ends.get((table, name, sign))
                count += said is not None
                # What is kept to the thousandth is checked to be more than 0.
                if schema.get("type") in ("integer", "number") and said not in (checked, 0.001):
                    broken.append(f"{model.__name__}.{name}: {end} {said}, {table} says {checked}")

    assert not broken, "\n".join(broken)
    count_in("ends of numbers", count)


async def test_a_field_must_be_there_or_may_be_null_as_its_column_has_it(
    root: asyncpg.Connection,
) -> None:
    rows = await root.fetch("""
        select a.attrelid::regclass::text as in_table, a.attname::text as name,
            not a.attnotnull as is_nullable, a.atthasdef as has_default,
            exists (
                select from pg_constraint as c
                where c.conrelid = a.attrelid and c.contype = 'c' and a.attnum = any(c.conkey)
                    and cardinality(c.conkey) > 1
            ) as hangs_on_others
        from pg_attribute as a
        where a.attnum > 0 and a.attgenerated = '' and a.attrelid in (
            select oid from pg_class where relnamespace = 'app'::regnamespace and relkind = 'r'
        )
    """)
    of_columns = {(row["in_table"], row["name"]): row for row in rows}
    broken, count = [], 0
    for row in ENDPOINTS:
        text = written(row.query) if row.query else ""
        found = re.search(r"(?:insert into|update) (app\.\w+)", text)
        if row.body is None or found is None:
            continue
        schema = DOCUMENT["components"]["schemas"][row.body.__name__]
        for name, field in schema["properties"].items():
            column = of_columns.get((found[1], name))
            if column is None or (row.body, name) == (InvitationCreate, "role"):  # else a member
                continue
            count += 1
            has_substitute = re.search(rf"coalesce\(:{name}\b", text) is not None
            # A trigger says it of who does not: tg_judge_habit_log.
            has_substitute |= (found[1], name) == ("app.habit_logs", "is_done")
            may_be_null = column["is_nullable"] or has_substitute
            says_null = {"type": "null"} in field.get("anyOf", [])
            says_required = name in schema.get("required", [])
            if issubclass(row.body, models.Patch):
                # Some are null with others: the target of a habit that is done or not.
                is_right = not says_required and (
                    says_null == column["is_nullable"]
                    or (column["is_nullable"] and column["hangs_on_others"])
                )
            else:
                must_be_there = not (may_be_null or column["has_default"])
                is_right = (says_required, says_null) == (must_be_there, may_be_null)
            if not is_right:
                broken.append(
                    f"{row.body.__name__}.{name} {'must' if says_required else 'need not'} be there"
                    f" and {'may' if says_null else 'may not'} be null, unlike {found[1]}.{name}"
                )

    assert not broken, "\n".join(broken)
    count_in("fields of bodies", count)


def _longest(field: FieldInfo) -> int | None:
    def all_metadata(annotation: Any) -> Iterator[Any]:
        yield from getattr(annotation, "__metadata__", ())
        for part in get_args(annotation):
            yield from all_metadata(part)

    limits = [*field.metadata, *all_metadata(field.annotation)]
    most = [
        limit.max_length
        for limit in limits
        if isinstance(limit, annotated_types.MaxLen) or getattr(limit, "max_length", None)
    ]
    return most[-1] if most else None


async def test_every_query_of_a_tenants_table_names_the_family(root: asyncpg.Connection) -> None:
    """Hold rule 5 of docs/guide/conventions.md, although a policy says the same."""
    rows = await root.fetch(
        "select attrelid::regclass::text from pg_attribute where attname = 'family_id'"
        " and attrelid in (select oid from pg_class where relnamespace = 'app'::regnamespace)"
    )
    keys = {table: "family_id" for (table,) in rows} | {"app.families": "id"}
    broken, count = [], 0
    for query in QUERIES:
        if query in OF_OPS:  # they look across families, by policies that say so
            continue
        text = written(query)
        reads = re.findall(r"(?:from|join|update|delete from) (app\.\w+) as (\w+)", text)
        for table, alias in reads:
            if table in keys:
                count += 1
                condition = f"{alias}.{keys[table]} = :family_id"
                if text.count(condition) < reads.count((table, alias)):
                    broken.append(f"{PLACES[query]}: reads {table} without {condition}")
        for table in re.findall(r"insert into (app\.\w+)", text):
            count += 1
            if table in keys and not re.search(r"(values|select)\s*\(?\s*(:|c\.)family_id", text):
                broken.append(f"{PLACES[query]}: writes {table} without :family_id")

    count_in("names of the family", count)
    assert not broken, "\n".join(broken)


# Answers.


@pytest.fixture
async def facts(
    root: asyncpg.Connection, home: Household, other: Household
) -> Mapping[str, object]:
    """Return a caller, the owner of home, and what the queries may be asked about."""
    owner, token = home.users["owner"], sha256(b"a token").digest()
    await root.execute(
        "insert into app.refresh_tokens (token_hash, session_id) values ($1, $2)",
        *(token, home.sessions["owner"]),
    )
    # Of each nullable column a null and a value: the shared task is full, the private one is bare.
    await root.execute(
        "update app.tasks set description = 'Not the cactus', due_on = '2030-02-28',"
        " completed_at = now() where family_id = $1 and visibility = 'family'",
        home.family_id,
    )
    await root.execute(
        "update app.habits set description = 'Aloud', weekdays = '{6,7}', times_per_week = null"
        " where family_id = $1 and visibility = 'family'",
        home.family_id,
    )
    await root.execute(
        "update app.habit_logs set note = 'On the train'"
        " where family_id = $1 and visibility = 'family'",
        home.family_id,
    )
    await root.execute(
        "insert into app.habit_logs (family_id, habit_id, logged_on, user_id, visibility, type,"
        " value, is_done) values ($1, $2, '2026-03-30', $3, 'family', 'numeric', 1, false)",
        *(home.family_id, row_id("shared habit", "owner"), owner),
    )
    await root.execute(
        "insert into app.conversations (family_id, user_id, title) values ($1, $2, 'Another')",
        *(home.family_id, owner),
    )
    # An exercise with a log of every measure, and one without logs of the owner.
    await root.execute(
        "update app.exercises set description = 'Slowly' where family_id = $1 and user_id = $2",
        *(home.family_id, owner),
    )
    await root.execute(
        "insert into app.exercise_logs (family_id, user_id, exercise_id, performed_on,"
        " sets, reps, weight_kg, duration_s, distance_m, note)"
        " values ($1, $2, $3, '2025-11-20', 3, 8, 62.5, 60, 400, 'Hard'),"
        " ($1, $2, $3, '2025-11-21', null, null, null, 60, null, null)",
        *(home.family_id, owner, row_id("exercise", "owner")),
    )
    # A routine that was changed and changed back, by somebody who has gone.
    await root.execute(
        "with routine as (update app.routines set version = 2, description = 'Forks left'"
        " where (family_id, id) = ($1, $2) returning *)"
        ", version as (insert into app.routine_versions"
        " (family_id, routine_id, version, user_id, routine_visibility, saved_visibility,"
        " restored_version)"
        " select family_id, id, version, user_id, visibility, visibility, 1"
        " from routine returning *)"
        " insert into app.routine_steps (family_id, routine_id, version, position, user_id,"
        " visibility, title, minutes, habit_id, exercise_id)"
        " select family_id, routine_id, version, n, user_id, visibility, 'Wash up', 15,"
        " case n when 1 then $3::uuid end, case n when 2 then $4::uuid end"
        " from version, generate_series(1, 3) as n",
        *(home.family_id, row_id("shared routine", "owner")),
        *(row_id("shared habit", "owner"), row_id("exercise", "owner")),
    )
    # One is accepted, one revoked and one open. The guest has an account, and a token.
    await root.execute(
        "update app.invitations set accepted_at = now(), member_id = user_id"
        " where (family_id, id) = ($1, $2)",
        *(home.family_id, row_id("invitation", "admin")),
    )
    await root.execute(
        "update app.invitations set revoked_at = now() where (family_id, id) = ($1, $2)",
        *(home.family_id, row_id("invitation", "member")),
    )
    await root.execute(
        "update app.invitations set email = $1, token_hash = $2 where (family_id, id) = ($3, $4)",
        *(f"{owner}@example.com", hash_token(BODIES[InvitationToken]["token"])),
        *(other.family_id, row_id("invitation", "owner")),
    )
    # One member has left.
    await root.execute(
        "update app.family_memberships set deleted_at = now()"
        " where (family_id, user_id) = ($1, $2)",
        *(home.family_id, home.users["member"]),
    )
    # Two habits are due every day, and one of them is logged today.
    await root.execute(
        "with due as ("
        "    insert into app.habits (family_id, user_id, id, name, type, weekdays)"
        "    select $1, $2, md5('due habit, ' || n)::uuid, 'Stretch', 'boolean', '{1,2,3,4,5,6,7}'"
        "    from generate_series(1, 2) as n returning *"
        ") insert into app.habit_logs"
        " (family_id, habit_id, logged_on, user_id, visibility, type, is_done)"
        " select family_id, id, today, user_id, visibility, type, true"
        " from due, cast(now() at time zone 'UTC' as date) as today limit 1",
        *(home.family_id, owner),
    )
    # Of two owners either may go.
    await root.execute(
        "update app.family_memberships set role = 'owner' where (family_id, user_id) = ($1, $2)",
        *(home.family_id, home.users["admin"]),
    )
    await act_as(root, "app_api", **home.context("owner"))
    await root.execute(
        "update app.tasks set title = 'Told' where id = $1", row_id("private task", "owner")
    )
    await root.execute("delete from app.tasks where id = $1", row_id("shared task", "admin"))
    await act_as(root, "none")
    return {
        **home.context("owner"),
        **(await _examples(root, home)),
        "member_id": home.users["admin"],
        "to_family_id": home.family_id,
        "row_id": home.users["owner"],
        "email": f"{owner}@example.com",
        "password_hash": "$argon2id$",
        "old_hash": "$argon2id$",
        "token_hash": token,
    }


async def _examples(root: asyncpg.Connection, home: Household) -> Mapping[str, object]:
    """Return what the examples of tables tell about the owner.

    What should be retired is: the second thing of a kind, or a copy of the only one.
    """
    of_tables = await columns(root)
    facts: dict[str, object] = {}
    for each in EXAMPLES:
        facts |= each.facts_of("owner")
        for name in [name for name in each.facts if name.startswith("retired_")]:
            await root.execute(
                f"insert into app.{each.table} ({', '.join(of_tables[each.table])})"
                f" select {', '.join(f'copy.{column}' for column in of_tables[each.table])}"
                f" from app.{each.table} as t,"
                " jsonb_populate_record(t, jsonb_build_object("
                "'id', $3::uuid, 'name', 'Another', 'deleted_at', now())) as copy"
                " where (t.family_id, t.id) = ($1, $2) and not exists"
                f" (select from app.{each.table} where (family_id, id) = ($1, $3))",
                *(home.family_id, facts[name.removeprefix("retired_")], facts[name]),
            )
            await root.execute(
                f"update app.{each.table} set deleted_at = now() where (family_id, id) = ($1, $2)",
                *(home.family_id, facts[name]),
            )
    return facts


def variants(
    query: str, facts: Mapping[str, object], family: Household
) -> Iterator[dict[str, Any]]:
    """Yield contexts and values in which a query gives all that it can give."""
    context = {} if query in OUTSIDE else family.context("owner")
    if query in ("get_retired_member", "restore_member"):
        facts = {**facts, "member_id": family.users["member"]}
    yield {"context": context, "values": example(query, facts)}
    row = OF_ENDPOINTS.get(query)
    if row and row.parameters and "limit" in row.parameters.model_fields:
        others = {"is_pending": "false"} if query == "list_invitations" else {}
        for limit in ("1", "100"):
            yield {"context": context, "values": example(query, facts, limit=limit, **others)}
    if query == "get_habit_stats":
        bare = {**facts, "habit_id": id_of("due habit, 1")}
        yield {"context": context, "values": example(query, bare)}
    if query == "get_habit_stats":
        for since in ("2026-03-01", "2999-12-31"):
            yield {"context": context, "values": example(query, facts, **{"from": since})}
    if query == "list_audit":  # each table adds to the trail: its last page is asked for
        last = after(datetime(2000, 1, 1, tzinfo=UTC))
        yield {"context": context, "values": example(query, facts, **last)}
    if query == "get_task":
        bare = {**facts, "task_id": row_id("private task", "owner")}
        yield {"context": context, "values": example(query, bare)}
    if query == "get_exercise_records":
        unused = {**facts, "exercise_id": row_id("exercise", "admin")}
        yield {"context": context, "values": example(query, unused)}
    if query == "get_leaderboard":
        yield {"context": context, "values": example(query, facts, period="all")}
    if query == "switch_family":  # with a token of an outside issuer, which names no session
        yield {"context": {**context, "session_id": ""}, "values": example(query, facts)}


async def test_every_answer_is_what_the_service_takes_it_for(
    root: asyncpg.Connection, home: Household, facts: Mapping[str, object]
) -> None:
    broken: list[str] = []
    seen: dict[tuple[type[BaseModel], str], set[bool]] = defaultdict(set)
    for query in QUERIES:
        for variant in variants(query, facts, home):
            rows = await _run(root, query, **variant)
            broken += [f"{PLACES[query]}: {what}" for what in _misfits(query, rows, seen)]
    await root.execute("update app.families set deleted_at = now()")  # so nobody stands in one
    rows = await _run(root, "open_session", context={}, values=example("open_session", facts))
    broken += _misfits("open_session", rows, seen)

    assert not broken, "\n".join(broken)
    # A field may be null if and only if it was; what is never null or never set proves nothing.
    unproven = [
        f"{model.__module__}.{model.__name__}.{name} {'may' if takes_null(field) else 'may not'} be"
        f" null, but real rows had {' and '.join('null' if n else 'a value' for n in nulls)}"
        for (model, name), nulls in seen.items()
        if (field := model.model_fields[name])
        and nulls != ({True, False} if takes_null(field) else {False})
        and (model, name) not in WITHOUT_PAGES
    ]
    assert not unproven, "\n".join(unproven)
    count_in("fields", len(seen))


async def _run(
    root: asyncpg.Connection,
    query: str,
    *,
    context: Mapping[str, object],
    values: Mapping[str, object],
) -> list[asyncpg.Record]:
    savepoint = root.transaction()
    await savepoint.start()
    try:
        await act_as(root, "app_ops" if query in OF_OPS else "app_api", **context)
        names = QUERIES[query].parameters
        rows = await root.fetch(QUERIES[query].text, *(values[name] for name in names))
    except (asyncpg.PostgresError, asyncpg.DataError) as error:
        pytest.fail(f"{PLACES[query]}: {error}")
    finally:
        await savepoint.rollback()
    return list(rows)


def _misfits(
    query: str,
    rows: list[asyncpg.Record],
    seen: dict[tuple[type[BaseModel], str], set[bool]],
) -> Iterator[str]:
    gives = OTHERS[query].gives if query in OTHERS else _given_by(query)
    if gives is Nothing:
        return
    if not rows:
        yield "its example gives no row"
    elif isinstance(gives, Row):
        if list(rows[0].keys()) != list(gives):
            yield f"gives {list(rows[0].keys())}, the service reads {list(gives)}"
    elif len(rows) > 1 or (len(rows[0]) > 1 and list(rows[0].keys()) != ["body", "row_version"]):
        yield "gives more than one value"
    elif query in OF_ENDPOINTS and "body" not in rows[0].keys():  # noqa: SIM118 - a record
        yield "does not call its answer body"
    elif rows[0][0] is None:
        yield "its example gives null"
    elif gives is Done:
        if rows[0][0] != "true":
            yield f"gives {rows[0][0]!r} and not 'true'"
    elif isclass(gives) and issubclass(gives, BaseModel):
        yield from _unlike(gives, rows[0][0], seen)
        document = json.loads(rows[0][0])
        version = document.get("row_version", document.get("version"))
        if version != rows[0].get("row_version"):
            yield f"shows version {version}, and {rows[0].get('row_version')} beside it"
    elif not all(isinstance(text, str) for pair in json.loads(rows[0][0]).items() for text in pair):
        yield "gives no names with texts"


def _given_by(query: str) -> Any:
    rows = [row for row in ENDPOINTS if query in (*row.queries, row.existence_check)]
    return rows[0].response or Done


def _unlike(
    model: type[BaseModel], text: str, seen: dict[tuple[type[BaseModel], str], set[bool]]
) -> Iterator[str]:
    try:
        model.model_validate_json(text, strict=True)
    except ValidationError as error:
        for fault in error.errors():
            yield f"{model.__name__}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        return
    yield from _looked_at(model, json.loads(text), seen)


def _looked_at(
    model: type[BaseModel],
    document: Mapping[str, Any],
    seen: dict[tuple[type[BaseModel], str], set[bool]],
) -> Iterator[str]:
    """Note which fields are null, and yield the ids and times that are written otherwise."""
    for name, field in model.model_fields.items():
        value = document[name]
        seen[model, name].add(value is None)
        if not field.is_required():
            yield f"{model.__name__}.{name} has a default, so that nobody would miss it"
        inner = [field.annotation, *get_args(field.annotation)]
        for part in inner:
            if isclass(part) and issubclass(part, BaseModel):
                items: Iterable[Any] = value if isinstance(value, list) else [value] * bool(value)
                for item in items:
                    yield from _looked_at(part, item, seen)
        ids = value if isinstance(value, list) else [value]
        if value is not None and UUID in inner and [str(UUID(id_)) for id_ in ids] != ids:
            yield f"{model.__name__}.{name} is no plain uuid: {value}"
        if value is not None and datetime in inner and not re.search(r"T.*[+-]\d\d:\d\d$", value):
            yield f"{model.__name__}.{name} has no zone: {value}"
