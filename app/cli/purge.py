"""`hearth purge`: what was retired long ago is deleted for good."""

import asyncio
import time
from datetime import timedelta
from typing import Annotated

import typer

from app.cli.shared import DEFAULT_DATA, DataOption, bars, out, plain_errors, reach
from app.ops import purge as purging


def _age(text: str) -> timedelta:
    try:
        return purging.read_age(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _kind(text: str) -> str:
    if text in purging.kinds():
        return text
    raise typer.BadParameter(f"takes {', '.join(purging.kinds())}")


def purge(
    older_than: Annotated[
        timedelta,
        typer.Option(
            parser=_age,
            metavar="AGE",
            help="How long ago it was retired or expired: 12h, 30d, 8w; 0d for everything.",
        ),
    ],
    only: Annotated[
        list[str] | None,
        typer.Option(
            parser=_kind,
            metavar="KIND",
            help="Only this kind, such as families; may be repeated.",
            autocompletion=lambda: list(purging.kinds()),
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be deleted, and delete nothing.")
    ] = False,
    batch_size: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="How many to delete in one transaction.")
    ] = 1000,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Delete for good what was retired long ago, and everything that belongs to it."""
    with plain_errors():
        url = reach(data)[0].require("direct_url")
        asyncio.run(_purge(url, older_than, only or [], batch_size, dry_run=dry_run))


async def _purge(
    url: str, age: timedelta, only: list[str], batch_size: int, *, dry_run: bool
) -> None:
    started = time.perf_counter()
    async with purging.begin(url, age, only) as found:
        if not any(found.found.values()):
            out.print("nothing is old enough to purge")
            return
        if dry_run:
            for kind, number in found.found.items():
                out.print(f"{kind:12}{number:8}")
            out.print("would be deleted")
            return
        with bars() as progress:
            for kind, number in found.found.items():
                line = progress.add_task(kind, total=number)
                deleted = 0
                if number:
                    async for batch in found.remove(kind, batch_size):
                        deleted += batch
                        progress.advance(line, batch)
                out.print(f"{kind:12}{deleted:8}")
    out.print(f"deleted ({time.perf_counter() - started:.2f} s)")
