"""The commands, and the options that `hearth` has without one."""

from importlib.metadata import version
from typing import Annotated

import typer

from app.cli import demo, doctor, explain, health, migrate, psql, purge, serve, status, up

cli = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
cli.command()(up.up)
cli.command()(serve.serve)
cli.command(hidden=True)(serve.worker)
cli.command()(migrate.migrate)
cli.command()(status.status)
cli.command()(doctor.doctor)
cli.command()(purge.purge)
cli.command()(demo.demo)
cli.command(context_settings=psql.PASSES_ARGUMENTS_ON)(psql.psql)
cli.command()(explain.explain)
cli.command()(explain.explain_access)
cli.command()(health.health)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hearth {version('hearth')}")
        raise typer.Exit


@cli.callback()
def hearth(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """A database-first backend for households."""
