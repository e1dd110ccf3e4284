"""`hearth migrate`: the database is brought to where the SQL files are, or back."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Annotated

import typer
from rich.markup import escape

from app import migrations
from app.cli.shared import DEFAULT_DATA, DIFFERS, DataOption, counted, err, out, plain_errors, reach
from app.db.admin import run_as_ops
from app.db.pool import BusyError
from app.settings import Settings, SettingsError, sql_directory

# How often the months are tried while somebody reads the trail, as long as a migration waits each.
MONTHS_ATTEMPTS = 10

# Months of the audit trail that are made ahead each time `hearth migrate` runs.
AUDIT_MONTHS_AHEAD = 12


def migrate(
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what would be done, and do nothing.")
    ] = False,
    to: Annotated[str | None, typer.Option(help="Stop at this migration, up or down.")] = None,
    rollback: Annotated[
        int | None, typer.Option(min=1, help="Roll back this many migrations.")
    ] = None,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline", help="After an upgrade of the server, take what differs as it is."
        ),
    ] = False,
    drop: Annotated[
        bool, typer.Option("--drop", help="Drop functions and policies that no file has any more.")
    ] = False,
    lock_timeout: Annotated[
        int,
        typer.Option(
            min=1, metavar="MS", help="Milliseconds to wait for a lock, while others queue behind."
        ),
    ] = 750,
    retries: Annotated[
        int,
        typer.Option(min=0, help="How often to give way to who has a lock, and try again."),
    ] = migrations.RETRIES,
    yes: Annotated[bool, typer.Option("--yes", help="Roll back without asking.")] = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Bring the database to the state that the SQL files describe."""
    with plain_errors():
        if to is not None and rollback:
            raise SettingsError("--to and --rollback cannot be used together")
        settings, _ = reach(data)
        steps = []
        if plan or to is not None or rollback:  # else nothing is lost, and nobody asked
            steps = migrations.plan(
                settings.require("direct_url"),
                sql_directory(),
                to=to,
                rollback=rollback or 0,
                uuidv7=settings.uuidv7 == "auto",
                progress=_print_dim,
            )
        if plan:
            for step in steps:
                out.print(escape(str(step)))
            if steps:
                raise typer.Exit(DIFFERS)
            out.print("nothing to do")
            return
        lost = [step.file for step in steps if step.action == "roll back"]
        if lost and not yes and not sys.stdin.isatty():
            raise SettingsError("rolling back needs --yes when there is no terminal to ask on")
        if lost and not yes:
            for file in lost:
                out.print(f"{file}: {escape(_what_is_lost(file))}")
            typer.confirm("Roll back?", abort=True)
        bring_up_to_date(
            settings,
            to=to,
            rollback=rollback or 0,
            baseline=baseline,
            drop=drop,
            lock_timeout=lock_timeout,
            retries=retries,
            progress=_print_dim,
        )


def bring_up_to_date(
    settings: Settings,
    *,
    to: str | None = None,
    rollback: int = 0,
    baseline: bool = False,
    drop: bool = False,
    lock_timeout: int | None = None,
    retries: int = migrations.RETRIES,
    progress: Callable[[str], None],
) -> None:
    """Migrate, see to the months of the audit trail, and print what was done.

    Raises:
        MigrationError: Something is in the way.
        DatabaseError: The server cannot be reached, or refuses.
    """
    url = settings.require("direct_url")
    started = time.perf_counter()
    steps = migrations.migrate(
        url,
        sql_directory(),
        to=to,
        rollback=rollback,
        uuidv7=settings.uuidv7 == "auto",
        baseline=baseline,
        drop=drop,
        lock_timeout=lock_timeout,
        retries=retries,
        progress=progress,
    )
    if to is None and not rollback:
        _make_months(url, progress)
    counts = Counter(step.kind for step in steps)
    done = ", ".join(counted(kind, number) for kind, number in counts.items())
    out.print(f"{done or 'nothing to do'} ({time.perf_counter() - started:.2f} s)")


def _make_months(url: str, progress: Callable[[str], None]) -> None:
    """Make the months of the audit trail, as far as those who read it let us."""
    for attempt in range(MONTHS_ATTEMPTS):
        try:
            values = {"months_ahead": AUDIT_MONTHS_AHEAD}
            made = asyncio.run(run_as_ops(url, "ensure_audit_partitions", values))
        except BusyError:  # the function says after how long
            if attempt == 0:
                progress("waiting for those who read the audit trail")
            continue
        if made:
            out.print(f"created {counted('partition', len(made))} of the audit log, one a month")
        return
    progress("somebody reads the audit trail: its coming months were not made; migrate again later")


def _what_is_lost(file: str) -> str:
    """Return the first line of a rollback: what data it loses, by the house rules."""
    rollback = (sql_directory() / file).with_suffix(".rollback.sql")
    return rollback.read_text("utf-8").partition("\n")[0].removeprefix("-- ")


def _print_dim(line: str) -> None:
    err.print(escape(line), style="dim")
