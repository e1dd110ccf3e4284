"""`hearth explain-access`: why a person sees a row. `hearth explain`: how a query runs."""

import json
from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import pydantic
import typer
from rich.markup import escape

from app.cli.psql import become, variables
from app.cli.shared import (
    DEFAULT_DATA,
    DataOption,
    FamilyOption,
    JsonOption,
    out,
    plain_errors,
    reach,
)
from app.db.queries import load_queries
from app.http.endpoint import Endpoint
from app.ops import access
from app.resources import ENDPOINTS
from app.settings import SettingsError, sql_directory


class Command(StrEnum):
    """What access is explained for."""

    select = "select"
    update = "update"
    delete = "delete"


def explain_access(
    table: Annotated[str, typer.Argument(help="The table, without its schema.")],
    key: Annotated[UUID, typer.Argument(help="The row's id; for a membership, the user's.")],
    as_: Annotated[str, typer.Option("--as", metavar="EMAIL", help="Whose access to explain.")],
    command: Annotated[
        Command, typer.Option(help="What the person wants to do with the row.")
    ] = Command.select,
    family: FamilyOption = None,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Name the grant, setting and policy that show a row to a person, or hide it."""
    with plain_errors():
        url = reach(data)[0].require("direct_url")
        person = access.find_person(url, as_, family)
        report = access.explain(url, person, table, key, command)
    if as_json:
        print(json.dumps(report, indent=2))  # noqa: T201 - for a pipe
    else:
        for line in access.in_words(report, person, table, command):
            out.print(escape(line))


def explain(
    query: Annotated[str, typer.Argument(help="A query of sql/queries/service, by its name.")],
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="Parameters; NAME= alone is null."),
    ] = None,
    as_: Annotated[str, typer.Option("--as", metavar="EMAIL", help="Who would run it.")] = "",
    analyze: Annotated[
        bool, typer.Option("--analyze", help="Run it; what it writes is undone.")
    ] = False,
    family: FamilyOption = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Show how a query of the service runs for a person: its plan, and the policies it meets."""
    with plain_errors():
        row = _row(query)
        given = dict(_pair(each) for each in values or [])
        if not as_:
            raise SettingsError("--as: say who would run it")
        url = reach(data)[0].require("direct_url")
        person = access.find_person(url, as_, family)
        environment = {
            **variables(person),
            "HEARTH_QUERY": load_queries()[query].text.rstrip().rstrip(";") + ";",
            "HEARTH_VALUES": json.dumps(_values(query, row, given, person)),
            "HEARTH_OPTIONS": f"{'analyze, ' if analyze else ''}buffers, settings",
            **({"HEARTH_RUNS": "on"} if analyze else {}),
            **({"HEARTH_WRITES": "on"} if analyze and row.method != "GET" else {}),
        }
        script = sql_directory() / "prompt" / "explain.sql"
        become(url, ["-q", "-f", str(script)], environment)


def _row(query: str) -> Endpoint:
    """Return an endpoint that runs a query."""
    rows = {name: row for row in reversed(ENDPOINTS) for name in row.queries}
    if query not in rows:
        like = get_close_matches(query, rows, 3)
        hint = f"; did you mean {' or '.join(like)}?" if like else ""
        raise SettingsError(f"QUERY: no request runs a query {query}{hint}")
    return rows[query]


def _pair(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"{text}: is not NAME=VALUE")
    return name, value or None


def _values(
    query: str, row: Endpoint, given: Mapping[str, str | None], person: access.Person
) -> Sequence[str | None]:
    """Return the values of a query's parameters as text, in their order."""
    wanted = load_queries()[query].parameters
    model = row.parameters
    fields = {} if model is None else model.model_fields
    of_model = {each.alias or name for name, each in fields.items()}
    known: dict[str, object] = {"user_id": person.user_id, "family_id": person.family_id}
    if model is not None:
        try:
            asked = {name: value for name, value in given.items() if name in of_model}
            known |= model.model_validate(asked).values()
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            raise SettingsError(f"{first['loc'][0]}: {first['msg']}") from None
    known |= {name: value for name, value in given.items() if name not in of_model}
    if unknown := sorted(set(given) - of_model - set(wanted)):
        names = ", ".join(sorted({*of_model, *wanted} - {"user_id", "family_id"}))
        raise SettingsError(f"{unknown[0]}: {query} has no such parameter, but {names}")
    if missing := [name for name in wanted if name not in known]:
        raise SettingsError(f"{query} needs {', '.join(f'{name}=…' for name in missing)}")
    return [_text(known[name]) for name in wanted]


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case datetime(year=year) if year in {MINYEAR, MAXYEAR}:
            return "-infinity" if year == MINYEAR else "infinity"
        case datetime():
            return value.isoformat()
        case list() | tuple():
            return f"{{{','.join(str(each) for each in value)}}}"
        case _:
            return str(value)
