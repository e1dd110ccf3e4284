"""`hearth psql`: a prompt on the database, in a person's context if one is named."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import unquote, urlsplit

import typer

from app import embedded
from app.cli.shared import DEFAULT_DATA, DataOption, FamilyOption, plain_errors, reach
from app.db.url import options, with_options
from app.ops import access
from app.settings import SettingsError, sql_directory

PASSES_ARGUMENTS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

# Where Debian keeps those of all versions.
_OF_DEBIAN = Path("/usr/lib/postgresql")


def psql(
    context: typer.Context,
    as_: Annotated[
        str | None,
        typer.Option("--as", metavar="EMAIL", help="See and do only what this person may."),
    ] = None,
    family: FamilyOption = None,
    write: Annotated[
        bool, typer.Option("--write", help="Let it write, which it refuses otherwise.")
    ] = False,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Open psql on the configured database, to read; further arguments are passed on to psql."""
    with plain_errors():
        if family is not None and as_ is None:
            raise SettingsError("--family needs --as")
        bare = [each for each in context.args if re.fullmatch(r"-\w*X\w*|--no-psqlrc", each)]
        if bare and as_ is not None:
            raise SettingsError(f"{bare[0]}: would leave out what --as asks for")
        if bare and not write:
            raise SettingsError(f"{bare[0]}: would not keep it from writing; say --write with it")
        url = reach(data)[0].require("direct_url")
        person = {} if as_ is None else variables(access.find_person(url, as_, family))
        if write:
            person = {**person, "HEARTH_WRITES": "on"}
        if not context.args and sys.stdin.isatty() and sys.stdout.isatty():
            person = {**person, "HEARTH_GREETS": "on"}
        become(url, context.args, person)


def variables(person: access.Person) -> Mapping[str, str]:
    """Return the environment that sql/prompt/psqlrc.sql makes a person's context of."""
    context = {"HEARTH_PERSON": person.email, "HEARTH_USER_ID": str(person.user_id)}
    if person.family_id is not None:
        context["HEARTH_FAMILY_ID"] = str(person.family_id)
        context["HEARTH_MEMBER_ROLE"] = str(person.role)
    return context


def become(url: str, arguments: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Go on as psql, with sql/prompt/psqlrc.sql.

    Args:
        url: `DIRECT_URL`.
        arguments: Of psql.
        environment: What is added to ours.

    Raises:
        SettingsError: There is no psql, or it would show a password.
    """
    program = _newest()
    url, password = _without_password(url)
    prompt = sql_directory() / "prompt"
    ours = {
        **os.environ,
        "PSQLRC": str(prompt / "psqlrc.sql"),
        "HEARTH_PROMPT": str(prompt),
        **environment,
    }
    # A silent host must not keep psql from the next one.
    ours.setdefault("PGCONNECT_TIMEOUT", "10")
    if password is not None:
        ours["PGPASSWORD"] = password
    sys.stdout.flush()
    os.execve(program, [str(program), url, *arguments], ours)  # noqa: S606 - no shell


def _newest() -> Path:
    """Return the newest psql there is: it knows all older servers, and no newer ones."""
    found: dict[Path, int] = {}
    for program in _programs():
        told = subprocess.run(  # noqa: S603 - a psql, and no shell
            [program, "--version"], capture_output=True, text=True, check=False
        )
        version = re.search(r"\) (\d+)", told.stdout)
        found.setdefault(program, int(version[1]) if version else 0)
    if not found:
        raise SettingsError("psql is not installed")
    return max(found, key=lambda program: found[program])


def _programs() -> Iterator[Path]:
    if on_path := shutil.which("psql"):
        yield Path(on_path)
    yield from sorted(_OF_DEBIAN.glob("*/bin/psql"))
    if own := embedded.program("psql"):
        yield own


def _without_password(url: str) -> tuple[str, str | None]:
    """Split the password off a URL: a process's arguments are there for everybody to read."""
    given = options(url)
    for name, _ in given:
        if name == "sslpassword":
            raise SettingsError(
                "DIRECT_URL: psql would show sslpassword to everybody on the machine"
            )
    parts = urlsplit(url)
    password = None if parts.password is None else unquote(parts.password)
    for name, value in given:
        password = value if name == "password" else password  # as libpq: the last one counts
    if password is None:
        return url, None
    login, _, place = parts.netloc.rpartition("@")
    netloc = f"{login.partition(':')[0]}@{place}" if login else place
    # Not geturl(), which takes the slashes from a URL without a host.
    head = f"{parts.scheme}://{netloc}{parts.path}"
    return with_options(head, [pair for pair in given if pair[0] != "password"]), password
