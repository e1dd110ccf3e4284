"""Hearth's own transactions without Hearth: scripts for pgbench, made from `sql/queries`.

A script sends what the service does, in as many messages: app.begin_request and the query in one,
and for a write BEGIN before them and COMMIT in a message of its own. In pgbench's extended mode a
message has one statement; so both are prepared once on each connection and executed by EXECUTE.
"""

import datetime as clock
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from app.db.context import Context, MemberRole
from app.db.queries import Query, load_queries
from app.db.session import pins
from app.db.transaction import BEGIN, BEGIN_REQUEST, Beginning
from app.http.endpoint import Endpoint
from app.resources import ENDPOINTS
from bench.population import FAMILY, FIRST, SESSION, USER, Population, id_of
from bench.workloads import REQUESTS_OF

QUERIES = {
    "list_20": "list_tasks",
    "list_100": "list_tasks",
    "me": "get_me",
    "create": "create_task",
}

_REQUEST_ID = UUID("00000000-0000-4000-8000-000000000000")

# What stands in the place of the two numbers of a caller until the script is written.
_PERSON, _OF_FAMILY = 987_654_321_001, 987_654_321_002


def script(workload: str, population: Population) -> str:
    """Return the script of a workload, in the name of a random member of a random family."""
    row = row_of(workload)
    caller = Context(
        user_id=UUID(id_of(USER, str(_PERSON))),
        session_id=UUID(id_of(SESSION, str(_PERSON))),
        family_id=UUID(id_of(FAMILY, str(_OF_FAMILY))),
        role=MemberRole.MEMBER,
    )
    query, values = call(workload, caller, {"number": "1", "token": ""})
    arguments = ", ".join(literal(value) for value in values)
    beginning = Beginning(
        caller if row.in_family else caller.personal,
        read_only=row.method == "GET",
        request_id=_REQUEST_ID,
    )
    about = ", ".join(literal(value) for value in beginning.values)
    begin, commit = ("", "") if beginning.read_only else (f"{BEGIN}\\; ", "commit;\n")
    # The first two of a family are no plain members.
    lines = f"""
\\set family random(1, {population.families})
\\set person {FIRST} + (:family - 1) * 10 + random(3, 10)
\\set family {FIRST} + :family
\\if :is_prepared = 0
{pins()}
prepare begin_request (uuid, uuid, uuid, text, uuid, boolean, integer, integer, integer) as
{BEGIN_REQUEST};
prepare {query.name} as
{query.text.rstrip().rstrip(";")};
\\set is_prepared 1
\\endif
{begin}execute begin_request({about})\\; execute {query.name}({arguments});
{commit}"""
    return lines.replace(str(_PERSON), ":person").replace(str(_OF_FAMILY), ":family").lstrip()


def row_of(workload: str) -> Endpoint:
    """Return the row of the endpoint table that answers a workload."""
    request = REQUESTS_OF[workload]
    path = request.path.partition("?")[0]
    return next(
        row
        for row in ENDPOINTS
        if (row.method, re.sub(r":\w+}", "}", row.path)) == (request.method, path)
    )


def call(
    workload: str, caller: Context, about: Mapping[str, str]
) -> tuple[Query, Sequence[object]]:
    """Return the query of a workload, and the values that the service gives it.

    Args:
        workload: One that has one query.
        caller: In whose name.
        about: What is filled into the request.
    """
    request, row = REQUESTS_OF[workload].filled(about), row_of(workload)
    values: dict[str, object] = {
        "user_id": caller.user_id,
        "family_id": caller.family_id,
        **{name: about[name] for name in re.findall(r"\{(\w+)", row.path)},
    }
    if row.parameters is not None:
        pairs = (pair.split("=") for pair in request.path.partition("?")[2].split("&"))
        values |= row.parameters.model_validate(dict(pairs)).values()
    if row.body is not None:
        values |= row.body.model_validate_json(request.body, strict=True).values()
    name = row.query_for(values)
    assert name is not None  # noqa: S101 - no workload has a handler in its place
    query = load_queries()[name]
    return query, [values[parameter] for parameter in query.parameters]


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
