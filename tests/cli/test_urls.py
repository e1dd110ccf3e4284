"""One URL leads every command to the same database, whatever libpq lets it say."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from app.cli.psql import _without_password
from app.db.pool import Database
from app.db.url import for_asyncpg
from app.migrations import lock
from app.settings import SettingsError
from tests.support.deployers import sessions, until
from tests.support.fixtures import Hearth

pytestmark = pytest.mark.straight("it is about URLs that lead to the server itself")

HARMLESS = [
    "connect_timeout=10",
    "application_name=nightly",
    "fallback_application_name=x&client_encoding=LATIN1",
    "keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=9",
    "sslmode=prefer&gssencmode=disable&sslsni=1&sslcompression=0",
    "channel_binding=prefer",
    "target_session_attrs=read-write",
    "options=-c%20statement_timeout%3D50ms%20-c%20datestyle%3DGerman",
    "password=not-asked-for",
]


def _hearth(url: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env={**os.environ, "COLUMNS": "200", "DIRECT_URL": url, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("option", HARMLESS)
async def test_an_option_of_libpq_is_the_same_to_every_command(
    own_hearth: Hearth, option: str
) -> None:
    url = f"{own_hearth.url('hearth_deployer')}&{option}"
    done = [
        _hearth(url, *arguments)
        for arguments in (
            ("status",),
            ("migrate", "--plan"),
            ("migrate",),
            ("purge", "--older-than", "30d"),
            ("psql", "-Atc", "select 1"),
        )
    ]
    service = (
        f"{own_hearth.url('app_api')}&{option.replace('statement_timeout%3D50ms', 'jit%3Doff')}"
    )
    database = Database(own_hearth.settings(database_url=service))
    await database.connect()
    await database.disconnect()

    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * len(done)


def test_several_hosts_are_tried_in_turn(own_hearth: Hearth) -> None:
    login, _, query = own_hearth.url("hearth_deployer").partition("?")
    where = dict(pair.split("=") for pair in query.split("&"))
    several = f"host=%2Fnowhere,{where['host']}&port={where['port']},{where['port']}"
    url = f"{login}?{several}&target_session_attrs=read-write"

    done = [_hearth(url, *words) for words in (["status"], ["purge", "--older-than", "30d"])]
    refused = _hearth(url.replace("read-write", "standby"), "purge", "--older-than", "30d")
    unix = _hearth("postgresql://me@h1:5432,h2:port/d", "status")

    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 2
    assert refused.returncode == 1
    assert refused.stderr.startswith("hearth: DIRECT_URL: cannot connect")
    assert "DIRECT_URL: is not a URL" in unix.stderr


def test_no_password_of_a_url_is_an_argument_of_psql(tmp_path: Path) -> None:
    program = tmp_path / "psql"
    program.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --version ] && echo "psql (PostgreSQL) 99.0" && exit\n'
        'echo "$# $1 $PGPASSWORD"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for where in ("u:first@/d?host=%2Ftmp&password=", "u@h1:1,h2:2/d?sslmode=require&password="):
        done = _hearth(f"postgresql://{where}{quote('s&?=p', safe='')}", "psql", **path)

        count, argument, password = done.stdout.split()
        assert (count, password) == ("1", "s&?=p")
        assert argument == f"postgresql://{where.replace(':first', '').rpartition('&')[0]}".replace(
            "?password=", ""
        )

    refused = _hearth("postgresql://u@h/d?sslpassword=swordfish", "psql", **path)
    assert refused.returncode == 1
    assert "swordfish" not in refused.stderr + refused.stdout


def test_a_url_keeps_what_is_not_taken_from_it() -> None:
    url = "postgresql://u:p%40@h/d?options=-c%20a=b+c&sslmode=require&connect_timeout=7"

    assert for_asyncpg(url, 5) == (
        "postgresql://u:p%40@h/d?options=-c%20a%3Db%2Bc&sslmode=require",
        7,
    )
    assert for_asyncpg("postgresql:///d?connect_timeout=0", 5) == ("postgresql:///d", 5)
    assert _without_password("postgresql:///d?host=x") == ("postgresql:///d?host=x", None)
    with pytest.raises(SettingsError, match="sslpassword"):
        _without_password("postgresql:///d?sslpassword=x")


def test_two_deployers_at_the_command_line_both_end_well(own_hearth: Hearth) -> None:
    url = own_hearth.url("hearth_deployer")
    program = [sys.executable, "-m", "app.cli"]
    environment = {**os.environ, "DIRECT_URL": url}
    with psycopg.connect(own_hearth.superuser_url) as root:
        # As a deployer does who changes a table: the lock of all, and that of the table.
        root.execute("select pg_advisory_xact_lock(%s)", [lock.KEY])
        root.execute("lock table app.tasks")
        waiting = [
            subprocess.Popen(
                [*program, *words],
                env=environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for words in (["migrate"], ["migrate"], ["migrate", "--plan"])
        ]
        until(lambda: sessions(own_hearth.superuser_url, waiting=False) == len(waiting))
        told = [process.stderr.readline() for process in waiting if process.stderr is not None]
    ended = [(process.communicate()[1], process.returncode) for process in waiting]

    assert all(line.startswith("waiting for pid ") for line in told), told
    assert [code for _, code in ended] == [0, 0, 0], ended


def test_who_reads_the_trail_holds_up_its_months_and_not_migrate(
    own_hearth: Hearth, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = own_hearth.url("hearth_deployer")
    with psycopg.connect(own_hearth.superuser_url) as reader:
        reader.execute("lock table app.audit_log in access share mode")
        reader.execute("lock table app.audit_log_default in access share mode")
        while_reading = _hearth(url, "migrate")
    afterwards = _hearth(url, "migrate")

    assert (while_reading.returncode, afterwards.returncode) == (0, 0)
    assert "somebody reads the audit trail: its coming months were not made" in while_reading.stderr
    assert "created 13 partitions" in afterwards.stdout


def test_the_limits_of_the_login_cancel_no_command(own_hearth: Hearth) -> None:
    with psycopg.connect(own_hearth.superuser_url, autocommit=True) as root:
        name = own_hearth.name
        found = root.execute(
            "select name from pg_settings where name in ('statement_timeout',"
            " 'transaction_timeout', 'idle_in_transaction_session_timeout')"
        ).fetchall()
        for (limit,) in found:
            root.execute(f'alter role hearth_deployer in database "{name}" set {limit} = 50')
    url = own_hearth.url("hearth_deployer")

    migrated = _hearth(url, "migrate")
    status = _hearth(url, "status", "--json")
    purged = _hearth(url, "purge", "--older-than", "30d")

    assert [one.stderr for one in (migrated, status, purged)] == ["", "", ""]
    assert "created 13 partitions" in migrated.stdout
    assert json.loads(status.stdout)["is_consistent"] is True
