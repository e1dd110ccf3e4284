"""`hearth doctor`: what is unsafe in the database, about to run out, or set oddly."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Annotated

import typer
from rich.markup import escape

from app.cli.shared import (
    DEFAULT_DATA,
    DIFFERS,
    DataOption,
    JsonOption,
    counted,
    out,
    plain_errors,
    reach,
)
from app.ops.doctor import Finding, Level, checks, examine
from app.settings import SettingsError

_COLOURS = {Level.error: "red", Level.warning: "yellow", Level.notice: "cyan", Level.unseen: "dim"}
_WORDS = {Level.unseen: "not seen"}


def doctor(
    ignore: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=REASON]", help="Do not count what has this name."),
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Find what is unsafe, about to run out or set oddly, each with its remedy. Writes nothing."""
    with plain_errors():
        ignored = _read(ignore or [])
        settings, _ = reach(data)
        findings = examine(settings, ignored)
    is_healthy = not any(finding.counts for finding in findings)
    if as_json:
        document = {
            "is_healthy": is_healthy,
            "checks": {check.name: check.title for check in checks()},
            "findings": [{"name": one.name, **asdict(one)} for one in findings],
        }
        print(json.dumps(document, indent=2))  # noqa: T201 - for a pipe
    else:
        _print(findings)
    if not is_healthy:
        raise typer.Exit(DIFFERS)


def _read(ignore: Sequence[str]) -> dict[str, str]:
    """Return the reasons by name.

    Raises:
        SettingsError: There is no such check.
    """
    ignored = {}
    for text in ignore:
        name, _, reason = text.partition("=")
        if name.partition(":")[0] not in {check.name for check in checks()}:
            raise SettingsError(f"--ignore: there is no check {name}")
        ignored[name] = reason or "--ignore"
    return ignored


def _print(findings: Sequence[Finding]) -> None:
    shown = [one for one in findings if one.ignored is None]
    seen = [one for one in shown if one.level is not Level.unseen]
    for group, ones in groupby(seen, lambda one: one.group):
        if out.is_terminal:
            out.print(f"[bold]{group}[/bold]")
        for one in ones:
            _tell(one.level, one.name, one)
    unseen: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for one in shown:
        if one.level is Level.unseen:
            unseen[one.says, one.remedy].append(one)
    if unseen and out.is_terminal:
        out.print("[bold]not seen[/bold]")
    for alike in unseen.values():
        _tell(Level.unseen, ", ".join(one.check for one in alike), alike[0])
    levels = [one.level for one in seen]
    told = [
        *(counted(level, levels.count(level)) for level in Level if level in levels),
        *([f"{len(findings) - len(shown)} ignored"] if len(shown) < len(findings) else []),
        *([f"{len(shown) - len(seen)} not seen"] if len(seen) < len(shown) else []),
    ]
    out.print(f"{counted('check', len(checks()))}: {', '.join(told) or 'nothing found'}")


def _tell(level: Level, name: str, one: Finding) -> None:
    indent = "  " if out.is_terminal else ""
    words = f"{escape(name)}: {escape(one.says)}; {escape(one.remedy)}"
    out.print(f"{indent}[{_COLOURS[level]}]{_WORDS.get(level, level)}[/] {words}")
