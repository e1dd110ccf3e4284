"""`hearth up`: PostgreSQL, the migrations and the service in one command, for trying."""

import secrets
from pathlib import Path
from typing import Annotated

import typer
from rich.control import Control
from rich.markup import escape
from rich.segment import ControlType

from app import embedded
from app.cli import migrate
from app.cli.serve import listening, serve_until_stopped
from app.cli.shared import (
    DEFAULT_DATA,
    DataOption,
    announce,
    err,
    out,
    plain_errors,
    spinner,
    typed,
    urls,
)
from app.settings import load, sql_directory


def up(
    data: DataOption = DEFAULT_DATA,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to serve on.")] = 8000,
    pg: Annotated[int, typer.Option(help="The version of PostgreSQL: 16 or 18.")] = 18,
) -> None:
    """Start PostgreSQL, migrate and serve: for trying and developing, with nothing to set up."""
    with plain_errors():
        url = f"http://127.0.0.1:{port}"
        data = data.absolute()
        data.parent.mkdir(parents=True, exist_ok=True)
        with embedded.hold(data, url), listening("127.0.0.1", port) as listener:
            with spinner("start PostgreSQL"):
                server = embedded.start(data, version=pg, tell=_tell)
            try:
                with spinner("migrate") as progress:
                    embedded.prepare(server, sql_directory() / "bootstrap.sql")
                    settings = load(
                        **urls(server), jwt_secret=_secret(data), port=port, drain_delay=0
                    )
                    migrate.bring_up_to_date(settings, progress=progress)
                greeting = _greeting(url, server)
                serve_until_stopped(settings, listener, on_ready=lambda: announce(greeting))
            finally:
                embedded.stop(server)
        out.control(Control(ControlType.CARRIAGE_RETURN))  # over the ^C that a terminal shows
        out.print("stopped; the data stays in", escape(str(data)))


def _tell(line: str) -> None:
    err.print(escape(line))


def _secret(data: Path) -> str:
    """Return the key for tokens of an embedded Hearth, made once and kept beside its data."""
    path = data.with_name("jwt_secret")
    if not path.exists():
        # Under another name first: half a key never looks like one.
        fresh = path.with_name("jwt_secret.new")
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_hex(32), encoding="ascii")
        fresh.rename(path)
    return path.read_text(encoding="ascii")


def _greeting(url: str, server: embedded.Server) -> str:
    body = '{"email": "ann@example.com", "password": "correct horse", "full_name": "Ann Example"}'
    sign_up = f"curl {url}/v1/auth/signup -H 'Content-Type: application/json' -d '{body}'"
    psql = typed("psql", "--as", "ann@example.com", data=server.data)
    return "\n".join(
        (
            f"[bold]Hearth serves on {url}[/bold] (Ctrl-C stops it)",
            f"  endpoints  {url}/docs",
            f"  data       {escape(str(server.data))} (PostgreSQL {server.version})",
            f"  sign up    {escape(sign_up)}",
            f"  psql       {escape(psql)}",
        )
    )
