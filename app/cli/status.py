"""`hearth status`: whether the database is what the SQL files describe."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.markup import escape

from app import migrations
from app.cli.shared import DEFAULT_DATA, DIFFERS, DataOption, JsonOption, out, plain_errors, reach
from app.db.admin import connect
from app.settings import sql_directory

# The migration that makes the audit trail.
AUDIT = "0006_audit"

_COLOURS = {"-": "[red]{}[/red]", "+": "[green]{}[/green]", "@": "[cyan]{}[/cyan]"}


def status(
    diff: Annotated[
        bool, typer.Option("--diff", help="Show what was changed by hand, line by line.")
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Compare the database with the SQL files, and name everything that differs."""
    with plain_errors():
        settings, _ = reach(data)
        report = migrations.status(
            settings.require("direct_url"), sql_directory(), uuidv7=settings.uuidv7 == "auto"
        )
        trail: Mapping[str, Any] = {}
        if report.migrations.get(AUDIT) == "applied":
            trail = asyncio.run(_audit_trail(settings.require("direct_url")))
    is_waiting = trail.get("has_waiting_rows", False)
    report = replace(report, is_consistent=report.is_consistent and not is_waiting)
    if as_json:
        document = {**asdict(report), "audit_trail": trail}
        print(json.dumps(document, default=str, indent=2))  # noqa: T201 - for a pipe
    else:
        _print(report)
        if diff:
            for line in report.diff:
                out.print(_COLOURS.get(line[:1], "{}").format(escape(line)))
        if is_waiting:
            out.print("  rows of the audit trail have no month of their own; run: hearth migrate")
    if not report.is_consistent:
        raise typer.Exit(DIFFERS)


async def _audit_trail(url: str) -> Mapping[str, Any]:
    async with connect(url) as admin, admin.transaction(role=None) as transaction:
        return await transaction.row("get_audit_months", {}) or {}


def _print(report: migrations.Status) -> None:
    word = "[green]consistent[/green]" if report.is_consistent else "[yellow]differs[/yellow]"
    out.print(f"{word}; at {report.version or 'no migration yet'}, {report.made_on}")
    if report.deployer:
        out.print(f"a migration is running: {escape(report.deployer)}")
    for item in report.items:
        out.print(f"  {escape(str(item))}")
