"""`hearth status`: whether the database is what the SQL files describe."""

import json
from dataclasses import asdict

import typer
from rich.markup import escape

from app import migrations
from app.cli.shared import DEFAULT_DATA, DIFFERS, DataOption, JsonOption, out, plain_errors, reach
from app.settings import sql_directory


def status(as_json: JsonOption = False, data: DataOption = DEFAULT_DATA) -> None:
    """Compare the database with the SQL files, and name everything that differs."""
    with plain_errors():
        settings, _ = reach(data)
        report = migrations.status(
            settings.require("direct_url"), sql_directory(), uuidv7=settings.uuidv7 == "auto"
        )
    if as_json:
        print(json.dumps(asdict(report), default=str, indent=2))  # noqa: T201 - for a pipe
    else:
        _print(report)
    if not report.is_consistent:
        raise typer.Exit(DIFFERS)


def _print(report: migrations.Status) -> None:
    word = "[green]consistent[/green]" if report.is_consistent else "[yellow]differs[/yellow]"
    out.print(f"{word}; at {report.version or 'no migration yet'}, {report.made_on}")
    if report.deployer:
        out.print(f"a migration is running: {escape(report.deployer)}")
    for item in report.items:
        out.print(f"  {escape(str(item))}")
