"""`hearth demo`: households with a history, to look at and to try out."""

import asyncio
import time
from typing import Annotated

import typer

from app.cli.shared import DEFAULT_DATA, DataOption, bars, counted, out, plain_errors, reach
from app.ops import demo as demonstration
from app.settings import SettingsError


def demo(
    families: Annotated[int, typer.Option(min=1, max=100_000, help="How many households.")] = 10,
    days: Annotated[
        int, typer.Option(min=1, max=3650, help="How many days their history goes back.")
    ] = 90,
    seed: Annotated[int, typer.Option(help="Another number makes other people.")] = 1,
    force: Annotated[
        bool,
        typer.Option("--force", help="Even if the database has accounts that are not a demo's."),
    ] = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Fill the database with households that have a history, to look at and to try out.

    Households that exist already are left as they are. Everybody knows a demo's password: a demo
    is refused in production, and needs --force where there are other accounts, unless it is the
    embedded database of `hearth up`, which is for trying.
    """
    with plain_errors():
        settings, embedded = reach(data)
        if settings.environment == "production":
            raise SettingsError(
                "ENVIRONMENT is production: no demo is made there, for everybody knows its password"
            )
        plan = demonstration.Demo(families, days, seed)
        forced = force or embedded is not None
        asyncio.run(_demo(settings.require("direct_url"), plan, force=forced))


async def _demo(url: str, plan: demonstration.Demo, *, force: bool) -> None:
    started = time.perf_counter()
    people: list[int] = []
    with bars() as progress:
        line = progress.add_task("households", total=plan.families)

        def count(number: int) -> None:
            progress.advance(line)
            people.append(number)

        await plan.make(url, force=force, progress=count)
    made = sum(number > 0 for number in people)
    took = time.perf_counter() - started
    households = counted("household", made)
    out.print(f"made {households} with {sum(people)} people ({took:.2f} s)")
    if made < plan.families:
        out.print(f"{plan.families - made} existed already and were left as they are")
    out.print(
        f"sign in as {await plan.email(url)} with the password '{demonstration.PASSWORD}'"
        " (the same for everybody)"
    )
