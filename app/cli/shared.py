"""What the commands share: two consoles, options, errors in a line, the way to the database."""

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from app import embedded, logs
from app.db.pool import DatabaseError
from app.migrations import MigrationError
from app.settings import Settings, SettingsError, load

DIFFERS = 3

DEFAULT_DATA = Path(".hearth/data")

FamilyOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|ID", help="The family to act in, if the person has several."),
]
DataOption = Annotated[
    Path, typer.Option("--data", help="Where the embedded PostgreSQL keeps its data.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def fail(reason: str) -> None:
    """Print why a command failed."""
    logs.write(_rendered(err, f"[red]hearth:[/red] {escape(reason)}"))


def announce(text: str) -> None:
    """Print a text, but wait for no reader, and go on where it cannot be written."""
    if sys.stdout is not None:
        content, descriptor = _rendered(out, text).encode(), sys.stdout.fileno()
        Thread(target=_write, args=(descriptor, content), daemon=True).start()


def _rendered(console: Console, text: str) -> str:
    # Whatever a console does ends in its file, its captures too.
    page = StringIO()
    like = Console(file=page, force_terminal=console.is_terminal, highlight=False, soft_wrap=True)
    like.print(text)
    return page.getvalue()


def _write(descriptor: int, content: bytes) -> None:
    with suppress(OSError):
        os.write(descriptor, content)


@contextmanager
def plain_errors() -> Iterator[None]:
    """End with exit code 1 and the reason in a line, instead of a traceback."""
    # As Ctrl-C does: whatever has been started is stopped in good order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(where + (error.strerror or type(error).__name__))
        raise typer.Exit(1) from None
    except (SettingsError, DatabaseError, MigrationError, embedded.EmbeddedError) as error:
        if _is_of_an_interruption(error):
            raise KeyboardInterrupt from None
        fail(str(error))
        raise typer.Exit(1) from None


def _is_of_an_interruption(error: BaseException | None) -> bool:
    """Tell whether Ctrl-C was being handled: a connection stopped within a query complains."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


@contextmanager
def spinner(text: str) -> Iterator[Callable[[str], None]]:
    """Show a line of text on stderr until the block ends; yield what replaces it by another."""
    with _stdout_held_back(), err.status(escape(text)) as status:
        yield lambda line: status.update(escape(line))


@contextmanager
def bars() -> Iterator[Progress]:
    """Show progress bars on stderr until the block ends."""
    with (
        _stdout_held_back(),
        Progress(console=err, transient=True, disable=not err.is_terminal) as progress,
    ):
        yield progress


def _stdout_held_back() -> AbstractContextManager[object]:
    """Keep what is printed to stdout until the end of the block, if stderr draws on a terminal.

    Even when stdout is a pipe: what reads it may write to the same terminal, into the drawing.
    """
    return out if err.is_terminal else nullcontext()


def reach(data: Path) -> tuple[Settings, embedded.Server | None]:
    """Return the settings, and the embedded server on `data` if they name no other database.

    Raises:
        SettingsError: They name none, and no embedded server runs.
    """
    settings = load()
    if settings.direct_url is not None or settings.database_url is not None:
        return settings, None
    server = embedded.find(data)
    if server is None:
        raise SettingsError(
            f"DIRECT_URL is not set, and no embedded server runs on {data}"
            f" (`{typed('up', data=data)}` starts one)"
        )
    return load(**urls(server)), server


def urls(server: embedded.Server) -> dict[str, str]:
    """Return the settings that lead to an embedded server."""
    return {
        "database_url": server.url("app_api", "hearth"),
        "direct_url": server.url("hearth_deployer", "hearth"),
    }


def counted(kind: str, number: int) -> str:
    """Return `1 policy`, `2 policies`."""
    if number != 1:
        kind = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    return f"{number} {kind}"


def typed(*arguments: str, data: Path = DEFAULT_DATA) -> str:
    """Return a command of ours as it can be typed in the working directory.

    `hearth` alone will do if PATH leads to the program that runs now. Data that are not in the
    usual place are named.
    """
    program = Path(sys.argv[0])
    if program.name != "hearth":  # python -m app.cli
        program = Path(sys.executable).with_name("hearth")
    found = shutil.which("hearth")
    if not program.exists():
        words = [_from_here(Path(sys.executable)), "-m", "app.cli"]
    elif found is not None and program.samefile(found):
        words = ["hearth"]
    else:
        words = [_from_here(program)]
    if data != DEFAULT_DATA and data != DEFAULT_DATA.absolute():
        arguments = (*arguments, "--data", _from_here(data))
    return shlex.join([*words, *arguments])


def _from_here(path: Path) -> str:
    """Return a path that a shell takes for one, relative if it lies below the working directory."""
    path = path.absolute()
    here = Path.cwd()
    if not path.is_relative_to(here):
        return str(path)
    relative = path.relative_to(here)
    return str(relative) if len(relative.parts) > 1 else f"./{relative}"
