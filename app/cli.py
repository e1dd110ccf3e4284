"""The command line: `hearth up`, `serve`, `migrate`, `status`, `purge`, `psql` and so on.

Exit codes: 0 done; 1 failed, with a line that says why; 2 wrong usage; 3 the database
differs from the files (`status`, `migrate --plan`).
"""

import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum
from http.client import HTTPException
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from app import embedded, migrations
from app.db.admin import run_as_ops
from app.db.pool import DatabaseError
from app.migrations import MigrationError
from app.ops import access
from app.ops import demo as demonstration
from app.ops import purge as purging
from app.settings import Settings, SettingsError, load, sql_directory

# Months of the audit trail that are made ahead each time `hearth migrate` runs.
AUDIT_MONTHS_AHEAD = 12

DIFFERS = 3


class Command(StrEnum):
    """What `hearth explain-access` explains."""

    select = "select"
    update = "update"
    delete = "delete"


cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A database-first backend for households.",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

FamilyOption = Annotated[
    str | None, typer.Option(metavar="NAME|ID", help="In this family, if there are several.")
]
DataOption = Annotated[
    Path, typer.Option("--data", help="Where the embedded PostgreSQL keeps its data.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]

DEFAULT_DATA = Path(".hearth/data")


def _age(text: str) -> timedelta:
    try:
        return purging.read_age(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@contextmanager
def _told() -> Iterator[None]:
    """End with exit code 1 and the reason in a line, instead of a traceback."""
    # As Ctrl-C does: whatever has been started is stopped in good order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or type(error).__name__
        err.print(f"[red]hearth:[/red] {escape(where + reason)}")
        raise typer.Exit(1) from None
    except (SettingsError, DatabaseError, MigrationError, embedded.EmbeddedError) as error:
        err.print(f"[red]hearth:[/red] {escape(str(error))}")
        raise typer.Exit(1) from None


@cli.command()
def up(
    data: DataOption = DEFAULT_DATA,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to serve.")] = 8000,
    pg: Annotated[int, typer.Option(help="The PostgreSQL to embed: 16 or 18.")] = 18,
) -> None:
    """Start PostgreSQL, migrate and serve; needs nothing installed. For trying and developing."""
    with _told():
        url = f"http://127.0.0.1:{port}"
        data = data.absolute()
        data.parent.mkdir(parents=True, exist_ok=True)
        with embedded.hold(data, url), _listening("127.0.0.1", port) as listener:
            server = embedded.start(data, version=pg)
            try:
                embedded.prepare(server, sql_directory() / "bootstrap.sql")
                settings = load(
                    **_embedded_urls(server), jwt_secret=_development_secret(data), port=port
                )
                with err.status("migrating") as line:
                    _migrate(settings, progress=line.update)
                _serve(settings, listener, ready=_greeting(url, server))
            finally:
                embedded.stop(server)
        out.print("stopped; the data stays in", escape(str(data)))


@cli.command()
def serve() -> None:
    """Serve HTTP from the configured database."""
    with _told():
        settings = load()
        with _listening(settings.host, settings.port) as listener:
            ready = f"Hearth serves on http://{settings.host}:{settings.port}"
            _serve(settings, listener, ready=ready)


@cli.command()
def migrate(
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be done, and do nothing.")
    ] = False,
    to: Annotated[str | None, typer.Option(help="Stop at this migration, up or down.")] = None,
    rollback: Annotated[
        int | None, typer.Option(min=1, help="Roll back so many migrations.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Roll back without asking.")] = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Bring the database to where the SQL files are."""
    with _told():
        if to is not None and rollback:
            raise SettingsError("--to and --rollback do not go together")
        settings = _reachable(data)
        steps = migrations.plan(
            settings.require("direct_url"),
            sql_directory(),
            to=to,
            rollback=rollback or 0,
            uuidv7=settings.uuidv7 == "auto",
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
            raise SettingsError("--yes: is needed to roll back where nobody can be asked")
        if lost and not yes:
            for file in lost:
                out.print(f"{file}: {escape(_what_is_lost(file))}")
            typer.confirm("Roll back?", abort=True)
        _migrate(settings, to=to, rollback=rollback or 0, progress=_print_dim)


def _what_is_lost(file: str) -> str:
    """Return the first line of a rollback: what data it loses, by the house rules."""
    rollback = (sql_directory() / file).with_suffix(".rollback.sql")
    return rollback.read_text("utf-8").partition("\n")[0].removeprefix("-- ")


@cli.command()
def status(as_json: JsonOption = False, data: DataOption = DEFAULT_DATA) -> None:
    """Say whether the database is what the SQL files say, and name all that differs."""
    with _told():
        settings = _reachable(data)
        report = migrations.status(
            settings.require("direct_url"), sql_directory(), uuidv7=settings.uuidv7 == "auto"
        )
    if as_json:
        print(json.dumps(asdict(report), default=str, indent=2))  # noqa: T201 - for a pipe
    else:
        _print_status(report)
    if not report.is_consistent:
        raise typer.Exit(DIFFERS)


@cli.command()
def purge(
    older_than: Annotated[
        timedelta,
        typer.Option(
            parser=_age, metavar="AGE", help="Retired for so long: 12h, 30d, 8w; 0d for all."
        ),
    ],
    only: Annotated[
        list[purging.Kind] | None, typer.Option(help="Only this kind; may be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be deleted, and delete nothing.")
    ] = False,
    batch_size: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="How many are deleted in one transaction.")
    ] = 1000,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Delete for good what was retired long ago, with all that hangs on it.

    Fails if it finds nothing, or nothing of a kind that was named.
    """
    with _told():
        url = _reachable(data).require("direct_url")
        asyncio.run(_purge(url, older_than, only or [], batch_size, dry_run=dry_run))


async def _purge(
    url: str, age: timedelta, only: list[purging.Kind], batch_size: int, *, dry_run: bool
) -> None:
    started = time.perf_counter()
    async with purging.begin(url, age, only) as found:
        with Progress(console=err, transient=True, disable=dry_run or not err.is_terminal) as bar:
            for kind, number in found.found.items():
                line = bar.add_task(kind, total=number)
                deleted = 0
                if dry_run:
                    deleted = number
                elif number:
                    async for batch in found.remove(kind, batch_size):
                        deleted += batch
                        bar.advance(line, batch)
                out.print(f"{kind:12}{deleted:8}")
    word = "would be deleted" if dry_run else f"deleted ({time.perf_counter() - started:.2f} s)"
    out.print(word)


@cli.command()
def demo(
    families: Annotated[int, typer.Option(min=1, max=100_000, help="How many households.")] = 10,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How far back they go.")] = 90,
    seed: Annotated[int, typer.Option(help="Another number, other people.")] = 1,
    force: Annotated[
        bool, typer.Option("--force", help="Also beside accounts that are no demo's.")
    ] = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Fill the database with households and their history, to look at and to try out.

    Households that are there already stay as they are. Refuses where there are other accounts.
    """
    with _told():
        settings = _reachable(data)
        if settings.environment == "production":
            raise SettingsError("ENVIRONMENT: is production, which is no place for a demo")
        plan = demonstration.Demo(families, days, seed)
        asyncio.run(_demo(settings.require("direct_url"), plan, force=force))


async def _demo(url: str, plan: demonstration.Demo, *, force: bool) -> None:
    started = time.perf_counter()
    people: list[int] = []
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        line = bar.add_task("households", total=plan.families)

        def count(number: int) -> None:
            bar.advance(line)
            people.append(number)

        await plan.make(url, force=force, progress=count)
    made = sum(number > 0 for number in people)
    took = time.perf_counter() - started
    out.print(f"{made} households with {sum(people)} people made ({took:.2f} s)")
    if made < plan.families:
        out.print(f"{plan.families - made} were there already")
    out.print(
        f"sign in as {await plan.email(url)} with the password '{demonstration.PASSWORD}',"
        " which all of them have"
    )


@cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(
    context: typer.Context,
    as_: Annotated[
        str | None,
        typer.Option("--as", metavar="EMAIL", help="Be placed in this person's context."),
    ] = None,
    family: FamilyOption = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Open psql on the configured database; further arguments are psql's own."""
    with _told():
        if family is not None and as_ is None:
            raise SettingsError("--family goes with --as")
        settings = _reachable(data)
        url = settings.require("direct_url")
        person = {} if as_ is None else _psql_context(access.find_person(url, as_, family))
        program = shutil.which("psql") or _embedded_psql(data)
        url, password = _without_password(url)
        environment = {**os.environ, "PSQLRC": str(sql_directory() / "psqlrc.sql"), **person}
        if password is not None:
            environment["PGPASSWORD"] = password
        sys.stdout.flush()
        os.execve(program, [program, url, *context.args], environment)  # noqa: S606 - no shell


@cli.command()
def explain_access(
    table: Annotated[str, typer.Argument(help="The table, without its schema.")],
    key: Annotated[UUID, typer.Argument(help="The row's id; of a membership, the user's.")],
    as_: Annotated[str, typer.Option("--as", metavar="EMAIL", help="Whose access.")],
    command: Annotated[Command, typer.Option(help="To do what with the row.")] = Command.select,
    family: FamilyOption = None,
    as_json: JsonOption = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Say which grant, setting and policy admits a row to a person, or hides it."""
    with _told():
        url = _reachable(data).require("direct_url")
        person = access.find_person(url, as_, family)
        report = access.explain(url, person, table, key, command)
    if as_json:
        print(json.dumps(report, indent=2))  # noqa: T201 - for a pipe
    else:
        for line in access.in_words(report, person, table, command):
            out.print(escape(line))


@cli.command()
def health(
    url: Annotated[
        str | None, typer.Option(help="What to ask: /health/ready on PORT unless told.")
    ] = None,
) -> None:
    """Ask a running service whether it is ready; for a container's health check."""
    with _told():
        url = url or f"http://127.0.0.1:{load().port}/health/ready"
    try:
        with urllib.request.urlopen(url, timeout=6) as answer:  # noqa: S310 - the operator's own URL
            out.print(escape(answer.read().decode()))
    except urllib.error.HTTPError as error:
        err.print(escape(error.read().decode()))
        raise typer.Exit(1) from None
    except (OSError, ValueError, HTTPException) as error:
        err.print(f"[red]hearth:[/red] {url} does not answer ({type(error).__name__})")
        raise typer.Exit(1) from None


def _reachable(data: Path) -> Settings:
    """Read the settings; without any database, take the embedded server that runs on `data`."""
    settings = load()
    if settings.direct_url is not None or settings.database_url is not None:
        return settings
    server = embedded.find(data)
    if server is None:
        raise SettingsError(
            f"DIRECT_URL: is not set, and no embedded server runs on {data} (hearth up starts one)"
        )
    return load(**_embedded_urls(server))


def _embedded_urls(server: embedded.Server) -> dict[str, str]:
    return {
        "database_url": server.url("app_api", "hearth"),
        "direct_url": server.url("hearth_deployer", "hearth"),
    }


def _development_secret(data: Path) -> str:
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


def _print_dim(line: str) -> None:
    err.print(escape(line), style="dim")


def _migrate(
    settings: Settings,
    *,
    to: str | None = None,
    rollback: int = 0,
    progress: Callable[[str], None],
) -> None:
    url = settings.require("direct_url")
    started = time.perf_counter()
    steps = migrations.migrate(
        url,
        sql_directory(),
        to=to,
        rollback=rollback,
        uuidv7=settings.uuidv7 == "auto",
        progress=progress,
    )
    if to is None and not rollback:
        values = {"months_ahead": AUDIT_MONTHS_AHEAD}
        made = asyncio.run(run_as_ops(url, "ensure_audit_partitions", values))
        if made:
            out.print(f"audit trail: {len(made)} months made ahead")
    counts = Counter(step.kind for step in steps)
    done = ", ".join(f"{number} {_plural(kind, number)}" for kind, number in counts.items())
    out.print(f"{done or 'nothing to do'} ({time.perf_counter() - started:.2f} s)")


def _plural(kind: str, number: int) -> str:
    if number == 1:
        return kind
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def _serve(settings: Settings, listener: socket.socket, *, ready: str) -> None:
    # Imported here: the other commands start twice as fast without the HTTP half.
    import uvicorn

    from app import logs, main

    logs.configure(settings.log_level)
    asyncio.run(main.check(settings))
    config = uvicorn.Config(
        main.create_app(settings, on_ready=lambda: out.print(ready)),
        access_log=False,
        log_config=None,
        server_header=False,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_graceful_shutdown=10,
    )
    # uvicorn ends in good order on either signal and then raises it again for whoever is above it.
    try:
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
    except SystemExit:
        raise DatabaseError("DATABASE_URL: the server went away during the start") from None


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield the listening socket; ours, so that a taken port is told early and in our words."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1024)
        except OSError as error:
            raise SettingsError(
                f"PORT: cannot listen on {host}:{port} ({error.strerror})"
            ) from None
        yield listener


def _greeting(url: str, server: embedded.Server) -> str:
    body = '{"email": "ann@example.com", "password": "correct horse", "full_name": "Ann Example"}'
    return "\n".join(
        (
            f"[bold]Hearth serves on {url}[/bold] (Ctrl-C stops it)",
            f"  endpoints  {url}/docs",
            f"  data       {escape(str(server.data))} (PostgreSQL {server.version})",
            "  psql       hearth psql --as ann@example.com",
            "  sign up    "
            + escape(f"curl {url}/v1/auth/signup -H 'Content-Type: application/json' -d '{body}'"),
        )
    )


def _print_status(report: migrations.Status) -> None:
    word = "[green]consistent[/green]" if report.is_consistent else "[yellow]differs[/yellow]"
    out.print(f"{word}; at {report.version or 'nothing'}, {report.made_on}")
    if report.deployer:
        out.print(f"at work: {escape(report.deployer)}")
    for item in report.items:
        out.print(f"  {escape(str(item))}")


def _psql_context(person: access.Person) -> Mapping[str, str]:
    """Return the variables that sql/psqlrc.sql reads."""
    context = {
        "HEARTH_ROLE": "app_api",
        "HEARTH_PERSON": person.email,
        "HEARTH_USER_ID": str(person.user_id),
    }
    if person.family_id is not None:
        context["HEARTH_FAMILY_ID"] = str(person.family_id)
        context["HEARTH_MEMBER_ROLE"] = str(person.role)
    return context


def _without_password(url: str) -> tuple[str, str | None]:
    """Split the password off a URL: a process's arguments are there for everybody to read."""
    parts = urlsplit(url)
    if parts.password is None:
        return url, None
    login, _, place = parts.netloc.rpartition("@")
    netloc = f"{login.partition(':')[0]}@{place}"
    return parts._replace(netloc=netloc).geturl(), unquote(parts.password)


def _embedded_psql(data: Path) -> str:
    server = embedded.find(data)
    if server is not None:
        return str(server.binary("psql"))
    raise SettingsError("psql is not installed")


def main() -> None:
    """Run the command line."""
    cli()


if __name__ == "__main__":
    main()
