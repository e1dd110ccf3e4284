"""`hearth psql`: a prompt on the database, in a person's context if one is named."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer

from app import embedded
from app.cli.shared import DEFAULT_DATA, DataOption, FamilyOption, plain_errors, reach
from app.db.url import options, with_options
from app.ops import access
from app.settings import SettingsError, sql_directory

PASSES_ARGUMENTS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def psql(
    context: typer.Context,
    as_: Annotated[
        str | None,
        typer.Option("--as", metavar="EMAIL", help="See and do only what this person may."),
    ] = None,
    family: FamilyOption = None,
    data: DataOption = DEFAULT_DATA,
) -> None:
    """Open psql on the configured database; further arguments are passed on to psql."""
    with plain_errors():
        if family is not None and as_ is None:
            raise SettingsError("--family needs --as")
        settings, _ = reach(data)
        url = settings.require("direct_url")
        person = {} if as_ is None else _variables(access.find_person(url, as_, family))
        program = shutil.which("psql") or _embedded_psql(data)
        url, password = _without_password(url)
        environment = {**os.environ, "PSQLRC": str(sql_directory() / "psqlrc.sql"), **person}
        # A silent host must not keep psql from the next one.
        environment.setdefault("PGCONNECT_TIMEOUT", "10")
        if password is not None:
            environment["PGPASSWORD"] = password
        sys.stdout.flush()
        os.execve(program, [program, url, *context.args], environment)  # noqa: S606 - no shell


def _variables(person: access.Person) -> Mapping[str, str]:
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


def _embedded_psql(data: Path) -> str:
    server = embedded.find(data)
    if server is not None:
        return str(server.binary("psql"))
    raise SettingsError("psql is not installed")
