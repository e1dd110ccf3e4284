"""`hearth explain-access`: why a person sees a row, or does not."""

import json
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape

from app.cli.shared import (
    DEFAULT_DATA,
    DataOption,
    FamilyOption,
    JsonOption,
    out,
    plain_errors,
    reach,
)
from app.ops import access


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
