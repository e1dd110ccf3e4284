"""Hearth's own transactions without Hearth: scripts for pgbench, made from `sql/queries`.

A script sends what the service does, in as many messages: app.begin_request and the query in one,
and for a write BEGIN before them and COMMIT in a message of its own. In pgbench's extended mode a
message has one statement; so both are prepared once on each connection and executed by EXECUTE.
"""

import datetime as clock
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.db.context import Context, MemberRole
from app.db.queries import Query, load_queries
from app.db.session import pins
from app.db.transaction import BEGIN, BEGIN_REQUEST, Beginning
from app.http.endpoint import Endpoint
from app.resources import ENDPOINTS
from bench.population import (
    FAMILY,
    FIRST,
    HABIT,
    SESSION,
    TASK,
    USER,
    Population,
    id_of,
)
from bench.workloads import REQUESTS_OF, fill

# Whom the bench compares with Hearth: what each request is in the database.
QUERIES = {
    "list_20": "list_tasks",
    "list_100": "list_tasks",
    "me": "get_me",
    "create": "create_task",
}

# What its costs are measured with as well.
ALL_QUERIES = {
    **QUERIES,
    "one": "get_task",
    "today": "get_today",
    "stats": "get_habit_stats",
    "leaderboard": "get_leaderboard",
    "patch": "update_task",
    "complete": "update_task",
    "habit_log": "put_habit_log",
}

# What a script does in two transactions: it completes a task, and opens it again.
TRANSACTIONS = {"complete": 2}

_REQUEST_ID = UUID("00000000-0000-4000-8000-000000000000")

# What stands in the place of what is drawn, until the script is written.
_DRAWN = {
    "person": 987_654_321_001,
    "family": 987_654_321_002,
    "task": 987_654_321_003,
    "habit": 987_654_321_004,
    "number": 987_654_321_005,
    "days": 987_654_321_006,
    "value": 765_432,  # no habit's is more than a million
}


@dataclass(frozen=True)
class Sent:
    """What a workload sends, with names of `_DRAWN` in braces.

    Args:
        prepared: What each connection prepares once.
        messages: Then, for each request.
    """

    prepared: str
    messages: str


def script(workload: str, population: Population, query: Query | None = None) -> str:
    """Return the script of a workload, in the name of a random member of a random family.

    Args:
        workload: One of `ALL_QUERIES`.
        population: Who there is.
        query: What is sent, if it is not the service's.
    """
    sent = _sent(workload, query or _query(workload))
    first_has = population.tasks // 10
    others_have = (population.tasks - first_has) // (population.families - 1)
    # The first two of a family are no plain members. Of a person's own tasks, which are every
    # twentieth (population.own_task), three in a row of ten were never completed.
    turn = "random(1, :many / 20 - 1)"
    if workload == "complete":
        turn = "10 * random(0, :many / 200 - 1) + (77 - 7 * :k) % 10"
    return rf"""
\set family random(1, {population.families})
\set person (:family - 1) * 10 + random(3, 10)
\set many case when :family = 1 then {first_has} else {others_have} end
\set first case when :family = 1 then 0 else {first_has} + (:family - 2) * {others_have} end
\set k (:person - 1) % 10
\set task {FIRST} + :first + 20 * ({turn}) + :k
\set habit {FIRST} + 2 * :person - 1
\set person {FIRST} + :person
\set family {FIRST} + :family
\set number random(0, 999999)
\set value random(0, 29)
\set days random(0, 74)
\if :is_prepared = 0
{sent.prepared}
\set is_prepared 1
\endif
{_filled(sent.messages, {name: f":{name}" for name in _DRAWN})}""".lstrip()


def sent_by(workload: str, drawn: Mapping[str, int], query: Query | None = None) -> Sent:
    """Return what a workload sends with what was drawn, by the names of a script's variables."""
    sent = _sent(workload, query or _query(workload))
    values = {name: str(value) for name, value in drawn.items()}
    return Sent(sent.prepared, _filled(sent.messages, values))


def _query(workload: str) -> Query:
    return load_queries()[ALL_QUERIES[workload]]


def _sent(workload: str, query: Query) -> Sent:
    row = row_of(workload)
    caller = Context(
        user_id=UUID(_id(USER, "person")),
        session_id=UUID(_id(SESSION, "person")),
        family_id=UUID(_id(FAMILY, "family")),
        role=MemberRole.MEMBER,
    )
    beginning = Beginning(
        caller if row.in_family else caller.personal,
        read_only=row.method == "GET",
        request_id=_REQUEST_ID,
    )
    about = ", ".join(literal(value) for value in beginning.values)
    begin, commit = ("", "") if beginning.read_only else (rf"{BEGIN}\; ", "commit;\n")
    messages = ""
    for body in _bodies(workload):
        values = {
            "user_id": caller.user_id,
            "family_id": caller.family_id,
            "task_id": _id(TASK, "task"),
            "habit_id": _id(HABIT, "habit"),
            "if_match": None,
            "may_create": True,
            **_values_of_request(workload, body),
        }
        arguments = ", ".join(
            # The day of a log is one of the last ones.
            f"current_date - {_DRAWN['days']}" if name == "date" else literal(values[name])
            for name in query.parameters
        )
        messages += (
            f"{begin}execute begin_request({about})\\; execute {query.name}({arguments});\n{commit}"
        )
    prepared = f"""{pins()}
prepare begin_request (uuid, uuid, uuid, text, uuid, boolean, integer, integer, integer) as
{BEGIN_REQUEST};
prepare {query.name} as
{query.text.rstrip().rstrip(";")};"""
    return Sent(prepared, messages)


def _id(kind: int, name: str) -> str:
    return id_of(kind, str(_DRAWN[name]))


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(str(_DRAWN[name]), value)
    return text


def _bodies(workload: str) -> Sequence[str]:
    """Return the bodies of the requests of a script, one after the other."""
    body = REQUESTS_OF[workload].body
    filled = fill(body, {name: str(_DRAWN[name]) for name in ("number", "value")})
    if workload == "complete":
        return [filled.replace("{is_completed}", each) for each in ("true", "false")]
    return [filled]


def row_of(workload: str) -> Endpoint:
    """Return the row of the endpoint table that answers a workload."""
    request = REQUESTS_OF[workload]
    path = _shape(request.path.partition("?")[0])
    return next(
        row for row in ENDPOINTS if (row.method, _shape(row.path)) == (request.method, path)
    )


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def call(
    workload: str, caller: Context, about: Mapping[str, str]
) -> tuple[Query, Sequence[object]]:
    """Return the query of a workload, and the values that the service gives it.

    Args:
        workload: One that has one query.
        caller: In whose name.
        about: What is filled into the request.
    """
    row = row_of(workload)
    values: dict[str, object] = {
        "user_id": caller.user_id,
        "family_id": caller.family_id,
        **{name: about[name] for name in re.findall(r"\{(\w+)", row.path)},
        **_values_of_request(workload, REQUESTS_OF[workload].filled(about).body),
    }
    name = row.query_for(values)
    assert name is not None  # noqa: S101 - no workload has a handler in its place
    query = load_queries()[name]
    return query, [values[parameter] for parameter in query.parameters]


def _values_of_request(workload: str, body: str) -> Mapping[str, object]:
    """Return what the service makes of the request's body and query string."""
    query_string = REQUESTS_OF[workload].path.partition("?")[2]
    row = row_of(workload)
    values: dict[str, object] = {}
    if row.parameters is not None:
        pairs = (pair.split("=") for pair in query_string.split("&") if pair)
        values |= row.parameters.model_validate(dict(pairs)).values()
    if row.body is not None:
        values |= row.body.model_validate_json(body, strict=True).values()
    return values


def literal(value: object) -> str:
    """Return a value as SQL."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case datetime(year=clock.MAXYEAR):
            return "'infinity'"
        case datetime(year=clock.MINYEAR):
            return "'-infinity'"
        case date() | datetime():
            return f"'{value.isoformat()}'"
        case _:
            return "'" + str(value).replace("'", "''") + "'"
