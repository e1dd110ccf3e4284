"""A deployer's session, and what the server says in it, told in one line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from yoyo.exceptions import LockTimeout

from app.db.session import ENCODING, pins
from app.migrations import statements
from app.migrations.sources import MigrationError
from app.migrations.statements import Connection, fetch_value

# Seconds that one host has to take a connection, unless the URL or the environment says otherwise:
# a silent one must not keep us from the next.
CONNECT_LIMIT = 10

# SQLSTATE: what to do about it.
ADVICE = {
    "2BP01": "drop what depends on it in a new migration first",
    "42P13": "if its signature changed, drop the old one in a new migration (if exists)",
    "55P03": "another session is using it; nothing was changed, so try again",
}


def connect(url: str, **parts: Any) -> Connection:
    """Open a session for migrations; raise MigrationError, whose text never holds the password."""
    connection = reach(url, **parts)
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != ENCODING:
        connection.close()
        made = "create database … encoding 'UTF8' template template0"
        raise MigrationError(f"the database's encoding is {encoding}; it must be UTF8 ({made})")
    if is_pooled(connection):
        connection.close()
        why = "which gives every transaction another session"
        raise MigrationError(f"DIRECT_URL leads to a pooler, {why}; it must lead to PostgreSQL")
    settle(connection)
    with suppress(psycopg.Error):  # not on every platform; it ends the session of a killed deployer
        connection.execute("set client_connection_check_interval to '500ms'")
    return connection


def reach(url: str, **parts: Any) -> Connection:
    """Open a session, wherever it leads; raise MigrationError as `connect` does."""
    parts.pop("schema", None)  # yoyo's, not libpq's; ours is always `yoyo`
    parts = {"application_name": "hearth-migrate"} | parts
    parts.update(autocommit=True, prepare_threshold=None, client_encoding=ENCODING)
    try:
        if "PGCONNECT_TIMEOUT" not in os.environ and "connect_timeout" not in parts:
            said = conninfo_to_dict(url).get("connect_timeout")
            parts["connect_timeout"] = CONNECT_LIMIT if said is None else said
        return psycopg.connect(url, **parts)
    except psycopg.ProgrammingError:
        example = "postgresql://user:password@host:5432/database"
        raise MigrationError(f"the database URL is not valid; its form is {example}") from None
    except psycopg.Error as error:
        raise MigrationError(" ".join(str(error).split())) from None


def is_pooled(connection: Connection) -> bool:
    """Tell whether a pooler answers: the protocol says with whom we speak, the server who does."""
    return bool(fetch_value(connection, "select pg_backend_pid()") != connection.info.backend_pid)


def settle(connection: Connection) -> None:
    """Set all that we depend on, whatever it was and whoever changed it."""
    connection.execute(pins())
    statements.execute(connection, "session")


def describe(error: psycopg.Error, where: str, sql: str = "") -> str:
    """Say in one line what the server said, where, and what to do about it."""
    diag = error.diag
    if sql and diag.statement_position:
        where += f":{sql.count(chr(10), 0, int(diag.statement_position) - 1) + 1}"
    advice = ADVICE.get(error.sqlstate or "", diag.message_hint)
    parts = [diag.message_primary or str(error), diag.message_detail, advice]
    said = "; ".join(part for part in parts if part)
    return " ".join(f"{where}: {said}".split())


@contextmanager
def plainly() -> Iterator[None]:
    """Let nothing out but MigrationError, in one line."""
    try:
        yield
    except psycopg.Error as error:
        raise MigrationError(describe(error, "database")) from error
    except LockTimeout as error:
        raise MigrationError(str(error)) from error
