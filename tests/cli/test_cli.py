"""The command line, as a person or a script meets it."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import httpx
import psycopg
import pytest
import yaml

from app.cli.shared import typed
from tests.conftest import Cluster
from tests.support.fixtures import PASSWORD, Hearth, Person, bootstrap
from tests.support.terminal import on_terminal

pytestmark = [pytest.mark.newest, pytest.mark.no_judge, pytest.mark.first]

HEARTH = [sys.executable, "-m", "app.cli"]
PROGRAM = Path(sys.executable).with_name("hearth")


def _hearth(
    *arguments: str, hearth: Hearth | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    if hearth is not None:
        environment["DIRECT_URL"] = hearth.url("hearth_deployer")
    return subprocess.run(
        [*HEARTH, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_status_of_a_migrated_database_is_consistent(own_hearth: Hearth) -> None:
    done = _hearth("status", hearth=own_hearth)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("consistent; at 00")


def test_status_shows_what_was_changed_by_hand_as_a_diff(own_hearth: Hearth) -> None:
    with psycopg.connect(own_hearth.superuser_url) as connection:
        connection.execute("alter table app.tasks alter title drop not null")
        connection.execute("alter policy tenant_floor on app.tasks using (true)")

    told = _hearth("status", "--diff", hearth=own_hearth)
    parsed = _hearth("status", "--json", hearth=own_hearth)

    lines = told.stdout.splitlines()
    at = lines.index("--- recorded: column app.tasks.title")
    assert lines[at + 1] == "+++ in the database: column app.tasks.title"
    assert {"-text not null", "+text"} <= set(lines[at:])
    assert any(line.startswith("-") and "current_family_id" in line for line in lines)
    assert json.loads(parsed.stdout)["diff"] == lines[lines.index("--- recorded: policy tasks") :]


def test_status_names_what_differs_and_exits_with_3(own_hearth: Hearth) -> None:
    with psycopg.connect(own_hearth.superuser_url) as connection:
        connection.execute("drop policy tenant_floor on app.tasks")

    told = _hearth("status", hearth=own_hearth)
    parsed = _hearth("status", "--json", hearth=own_hearth)

    assert told.returncode == 3
    assert "policies/tasks.sql" in told.stdout
    assert "changed by hand" in told.stdout
    assert parsed.returncode == 3
    report = json.loads(parsed.stdout)
    assert report["is_consistent"] is False
    assert [(item["kind"], item["name"]) for item in report["items"]] == [("policy", "tasks")]


def test_rows_without_a_month_are_told_and_moved(own_hearth: Hearth) -> None:
    with psycopg.connect(own_hearth.superuser_url) as connection:
        connection.execute(
            "insert into app.audit_log (family_id, action_type, table_name, row_key, after)"
            " values (app.new_id(), 'insert', 'tasks', '{}', '{}')"
        )

    told = _hearth("status", hearth=own_hearth)
    parsed = _hearth("status", "--json", hearth=own_hearth)
    moved = _hearth("migrate", hearth=own_hearth)
    after = _hearth("status", "--json", hearth=own_hearth)

    assert (told.returncode, parsed.returncode) == (3, 3)
    assert "rows of the audit trail have no month of their own; run: hearth migrate" in told.stdout
    trail = {"has_waiting_rows": True, "months_ahead": 0}
    assert json.loads(parsed.stdout)["audit_trail"] == trail
    assert "created 13 partitions" in moved.stdout
    assert json.loads(after.stdout)["audit_trail"] == {
        "has_waiting_rows": False,
        "months_ahead": 12,
    }
    assert after.returncode == 0


def test_migrate_mends_and_a_second_run_finds_nothing_to_do(own_hearth: Hearth) -> None:
    with psycopg.connect(own_hearth.superuser_url) as connection:
        connection.execute("drop policy tenant_floor on app.tasks")
    _hearth("migrate", hearth=own_hearth)  # also makes the months of the audit trail

    planned = _hearth("migrate", "--plan", hearth=own_hearth)
    again = _hearth("migrate", hearth=own_hearth)

    assert (planned.returncode, planned.stdout) == (0, "nothing to do\n")
    assert again.returncode == 0
    assert again.stdout.startswith("nothing to do (")
    assert again.stdout.endswith(" s)\n")


def test_a_plan_says_what_would_be_done_and_does_nothing(own_hearth: Hearth) -> None:
    planned = _hearth("migrate", "--plan", "--rollback", "1", hearth=own_hearth)
    status = _hearth("status", hearth=own_hearth)

    assert planned.returncode == 3
    assert "roll back migrations/" in planned.stdout
    assert status.returncode == 0


def test_down_to_a_migration_and_up_again(own_hearth: Hearth) -> None:
    down = _hearth("migrate", "--to", "0004", "--yes", hearth=own_hearth)
    between = _hearth("status", "--json", hearth=own_hearth)
    up = _hearth("migrate", hearth=own_hearth)
    status = _hearth("status", hearth=own_hearth)

    assert down.returncode == 0, down.stderr
    assert json.loads(between.stdout)["version"] == "0004_families"
    assert up.returncode == 0, up.stderr
    assert status.returncode == 0


def test_on_a_terminal_a_rollback_says_what_is_lost_and_asks(own_hearth: Hearth) -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, "DIRECT_URL": own_hearth.url("hearth_deployer")}
    asking = subprocess.Popen(
        [*HEARTH, "migrate", "--rollback", "1"],
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
    )
    os.write(leader, b"n\n")
    output, _ = asking.communicate(timeout=30)
    os.close(leader)
    os.close(follower)

    assert asking.returncode == 1
    assert "Loses " in output
    assert "Roll back?" in output
    assert _hearth("status", hearth=own_hearth).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["migrate", "--to", "0099"], "0099: no such migration"),
        (
            ["migrate", "--to", "0004", "--rollback", "1"],
            "--to and --rollback cannot be used together",
        ),
        (["migrate", "--rollback", "1"], "rolling back needs --yes"),
        (["up", "--data", "/proc/none/data"], "/proc/none: No such file or directory"),
        (["psql", "--family", "Home"], "--family needs --as"),
        (["psql", "--as", "nobody@example.com"], "no active account has the address nobody@"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    hearth: Hearth, arguments: list[str], why: str
) -> None:
    done = _hearth(*arguments, hearth=hearth)

    assert done.returncode == 1
    assert done.stderr.startswith("hearth: ")
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_any_database_the_way_to_one_is_told(tmp_path: Path) -> None:
    done = _hearth("status", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr == (
        "hearth: DIRECT_URL is not set, and no embedded server runs on .hearth/data"
        f" (`{PROGRAM} up` starts one)\n"
    )


def test_wrong_usage_exits_with_2() -> None:
    assert _hearth("migrate", "--sideways").returncode == 2


async def test_psql_as_a_person_sees_what_that_person_sees(
    hearth: Hearth, ann: Person, bob: Person
) -> None:
    for person in (ann, bob):
        await person.client.post(
            "/v1/tasks", json={"title": f"of {person.email}", "visibility": "family"}
        )

    done = _hearth(
        "psql", "--as", ann.email, "--", "-At", "-c", "select title from app.tasks", hearth=hearth
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"of {ann.email}\n"


async def test_psql_as_a_person_may_do_what_that_person_may_and_it_is_audited(
    hearth: Hearth, ann: Person
) -> None:
    made = (await ann.client.post("/v1/tasks", json={"title": "Before"})).json()
    update = f"update app.tasks set title = 'After' where id = '{made['id']}'"

    done = _hearth("psql", "--write", "--as", ann.email, "--", "-At", "-c", update, hearth=hearth)

    assert done.stdout == "UPDATE 1\n", done.stderr
    newest = (await ann.client.get("/v1/audit?limit=1")).json()["items"][0]
    assert newest["after"] == {"title": "After"}
    assert newest["actor_id"] == str(ann.user_id)
    assert newest["metadata"]["database_role"] == "app_api"
    assert newest["metadata"]["application"] == "psql"


async def test_psql_as_a_person_of_two_families_asks_which(hearth: Hearth, ann: Person) -> None:
    await ann.client.post("/v1/families", json={"name": "Second home"})
    select = ["--", "-At", "-c", "select name from app.families"]

    which = _hearth("psql", "--as", ann.email, *select, hearth=hearth)
    second = _hearth("psql", "--as", ann.email, "--family", "Second home", *select, hearth=hearth)

    assert which.returncode == 1
    assert f"--family: {ann.email} is in several: " in which.stderr
    assert second.stdout == "Second home\n"


def test_health_asks_the_service_and_says_so_by_its_exit_code(service: str) -> None:
    ready = _hearth("health", "--url", f"{service}/health/ready")
    nobody = _hearth("health", "--url", "http://127.0.0.1:9/health/ready")

    assert ready.returncode == 0
    assert json.loads(ready.stdout).keys() == {"state", "age_seconds"}
    assert nobody.returncode == 1
    assert "does not answer" in nobody.stderr


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_health_asks_no_proxy(service: str, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")

    ready = _hearth("health", "--url", f"{service}/health/ready")

    assert ready.returncode == 0
    assert json.loads(ready.stdout).keys() == {"state", "age_seconds"}


@pytest.mark.parametrize(
    "name", ["a=b", "it's", 'say "x"', "back\\slash", "dbname=postgres", "ä b"]
)
def test_a_database_may_have_any_name(cluster: Cluster, name: str) -> None:
    hearth = Hearth(cluster, name)
    bootstrap(cluster, name)

    migrated = _hearth("migrate", hearth=hearth)
    status = _hearth("status", hearth=hearth)

    with psycopg.connect(hearth.superuser_url) as root:
        row = root.execute(
            "select has_function_privilege('app_api', 'lo_create(oid)', 'execute')"
        ).fetchone()
    assert row == (False,)
    assert (migrated.returncode, status.returncode) == (0, 0), migrated.stderr + status.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _up(
    cwd: Path, port: int, *, end: signal.Signals
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run `hearth up` until it serves, yield it with what it says, and end it by a signal."""
    process = subprocess.Popen(
        [*HEARTH, "up", "--port", str(port)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    lines: list[str] = []
    draining = threading.Thread(target=process.stderr.read, daemon=True)
    draining.start()
    try:
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if "--as" in line:
                break
        yield process, lines
    finally:
        process.send_signal(end)
        lines.extend(process.stdout.read().splitlines())
        process.wait(timeout=30)
        draining.join(timeout=10)
        process.stdout.close()
        process.stderr.close()


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory whose path is not a nice one."""
    return tmp_path_factory.mktemp("a place with spaces, and 'quotes'")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_up_serves_says_how_to_go_on_and_keeps_the_data(place: Path, end: signal.Signals) -> None:
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    account = {"email": "ann@example.com", "password": PASSWORD}

    with _up(place, port, end=end) as (first, lines):
        signed_up = httpx.post(f"{url}/v1/auth/signup", json={**account, "full_name": "Ann"})
        second = _hearth("up", "--port", str(port), cwd=place)
        during = _hearth("status", cwd=place)
    after = _hearth("status", cwd=place)
    with _up(place, port, end=end):
        signed_in = httpx.post(f"{url}/v1/auth/signin", json=account)

    assert (signed_up.status_code, signed_in.status_code) == (201, 200)
    assert first.returncode == 0
    assert f"Hearth serves on {url} (Ctrl-C stops it)" in lines
    assert any(line.startswith("  data ") for line in lines)
    assert any(line.startswith("  sign up ") for line in lines)
    assert f"  psql       {PROGRAM} psql --as ann@example.com" in lines
    assert lines[-1] == f"stopped; the data stays in {place}/.hearth/data"
    assert second.returncode == 1
    assert second.stderr == f"hearth: already running: pid {first.pid} at {url}\n"
    assert during.returncode == 0
    assert "no embedded server runs on" in after.stderr


def test_on_a_terminal_up_and_its_log_are_plain_lines(place: Path) -> None:
    url = f"http://127.0.0.1:{(port := _free_port())}"
    account = {"email": "ann@example.com", "password": PASSWORD}

    with on_terminal([*HEARTH, "up", "--port", str(port)], cwd=place) as terminal:
        terminal.read_until("psql --as")
        assert terminal.process.poll() is None, terminal.lines
        made = httpx.post(f"{url}/v1/auth/signup", json={**account, "full_name": "Ann"})
        httpx.get(f"{url}/nowhere")
        demo = _hearth("demo", "--families", "1", "--days", "1", cwd=place)
        terminal.read_until("no such path")
        terminal.process.send_signal(signal.SIGINT)
        terminal.read_until()
        # A busy machine warns of slow queries; and the log says when health changes.
        told = ("slow query", "health changed")
        lines = [line for line in terminal.lines if not any(one in line for one in told)]

    assert terminal.process.returncode == 0
    done, *greeting = lines[
        lines.index("created 13 partitions of the audit log, one a month") + 1 :
    ]
    assert re.fullmatch(r"\d+ migrations, \d+ functions, \d+ policies \(\d+\.\d\d s\)", done)
    assert greeting[0] == f"Hearth serves on {url} (Ctrl-C stops it)"
    signed_up, nowhere, stopped, end = greeting[5:]
    assert re.fullmatch(
        rf"POST /v1/auth/signup 201 \d+ ms  request_id={made.headers['X-Request-Id']}", signed_up
    )
    assert re.fullmatch(r"GET \(no such path\) 404 \d+ ms  request_id=[-0-9a-f]{36}", nowhere)
    # Beside Ann: the embedded database is for trying.
    assert (demo.returncode, demo.stdout.split(" with ")[0]) == (0, "made 1 household")
    assert (stopped, end) == (f"stopped; the data stays in {place}/.hearth/data", "")


def test_up_on_a_taken_port_says_so_and_starts_nothing(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _hearth("up", "--port", str(port), cwd=place)

    assert done.returncode == 1
    assert done.stderr == (
        f"hearth: PORT: cannot listen on 127.0.0.1:{port} (Address already in use)\n"
    )
    assert not (place / ".hearth" / "data").exists()


def test_up_names_the_versions_there_are(place: Path) -> None:
    done = _hearth("up", "--port", str(_free_port()), "--pg", "17", cwd=place)

    assert done.returncode == 1
    assert "no embedded PostgreSQL 17, only 16 and 18" in done.stderr


def test_serve_serves_from_the_environment(hearth: Hearth) -> None:
    port = _free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": hearth.url("app_api"),
        "JWT_SECRET": "x" * 32,
        "PORT": str(port),
    }
    with subprocess.Popen(
        [*HEARTH, "serve"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        ready = httpx.get(f"http://127.0.0.1:{port}/health/ready")
        process.terminate()

    assert line == f"Hearth serves on http://127.0.0.1:{port}\n"
    assert ready.status_code == 200
    assert process.returncode == 0


def test_the_url_of_the_wrong_login_is_told_by_its_variable(hearth: Hearth) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": hearth.url("hearth_deployer"),
        "JWT_SECRET": "x" * 32,
        "LOG_LEVEL": "error",  # a busy machine warns of slow queries
        "PORT": str(_free_port()),
    }
    done = subprocess.run(
        [*HEARTH, "serve"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr == (
        "hearth: DATABASE_URL: this login may not use schema app; it should be app_api\n"
    )


@contextmanager
def _database_shut(hearth: Hearth) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Let nobody into the database while the block runs; yield what can open it."""
    url = hearth.cluster.url(hearth.cluster.user, "postgres")
    allow = f'alter database "{hearth.name}" with allow_connections'
    with psycopg.connect(url, autocommit=True) as root:
        root.execute(f"{allow} false")
        try:
            yield root
        finally:
            root.execute(f"{allow} true")


def _serve_environment(hearth: Hearth, port: int, **changes: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": hearth.url("app_api"),
        "JWT_SECRET": "x" * 32,
        "PORT": str(port),
        **changes,
    }


def test_serve_answers_while_it_waits_and_says_that_it_serves_once_it_does(
    own_hearth: Hearth,
) -> None:
    url = f"http://127.0.0.1:{(port := _free_port())}"
    with subprocess.Popen(
        [*HEARTH, "serve"],
        env=_serve_environment(own_hearth, port),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        with _database_shut(own_hearth):
            waiting = process.stderr.readline()
            starting = [httpx.get(f"{url}{path}") for path in ("/health/live", "/health/ready")]
            asked = _hearth("health", "--url", f"{url}/health/ready")
        line = process.stdout.readline()
        ready = httpx.get(f"{url}/health/ready")
        process.terminate()

    assert json.loads(waiting)["event"] == "waiting for the database of DATABASE_URL"
    assert [one.status_code for one in starting] == [200, 503]
    assert asked.returncode == 1
    assert json.loads(asked.stderr)["state"] == "starting"
    assert line == f"Hearth serves on {url}\n"
    assert ready.status_code == 200
    assert process.returncode == 0


def test_serve_waits_no_longer_than_it_may(own_hearth: Hearth) -> None:
    environment = _serve_environment(
        own_hearth, _free_port(), CONNECT_TIMEOUT="0", LOG_LEVEL="error"
    )
    with _database_shut(own_hearth):
        done = subprocess.run(
            [*HEARTH, "serve"], env=environment, capture_output=True, text=True, check=False
        )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hearth: DATABASE_URL: cannot reach the server (")
    assert done.stderr.count("\n") == 1


def test_operators_have_a_port_of_their_own_and_health_asks_there(hearth: Hearth) -> None:
    ports = {"PORT": str(_free_port()), "OPERATOR_PORT": str(_free_port())}
    environment = {**_serve_environment(hearth, 0), **ports}
    with subprocess.Popen(
        [*HEARTH, "serve"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        asked = subprocess.run(
            [*HEARTH, "health"], env=environment, capture_output=True, text=True, check=False
        )
        taken = subprocess.run(
            [*HEARTH, "serve"],
            env={**environment, "PORT": str(_free_port())},
            capture_output=True,
            text=True,
            check=False,
        )
        process.terminate()

    assert asked.returncode == 0
    assert json.loads(asked.stdout)["checks"]["database"]["server_version"]
    assert (taken.returncode, taken.stderr) == (
        1,
        f"hearth: OPERATOR_PORT: cannot listen on 127.0.0.1:{ports['OPERATOR_PORT']}"
        " (Address already in use)\n",
    )
    assert process.returncode == 0


def test_psql_gets_its_password_where_nobody_else_reads_it(tmp_path: Path) -> None:
    """A stand-in for psql shows what it was started with."""
    program = tmp_path / "psql"
    program.write_text(
        "#!/bin/sh\n"
        '[ "$1" = --version ] && echo "psql (PostgreSQL) 99.0" && exit\n'
        'echo "$@"\necho "$PGPASSWORD"\n'
    )
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "DIRECT_URL": "postgresql://hearth_deployer:sword%40fish@db.example/hearth",
    }
    done = subprocess.run(
        [*HEARTH, "psql"], env=environment, capture_output=True, text=True, check=False
    )

    assert done.stdout == "postgresql://hearth_deployer@db.example/hearth\nsword@fish\n"


def _typed(*arguments: str, monkeypatch: pytest.MonkeyPatch, cwd: Path, path: str) -> str:
    monkeypatch.setattr(sys, "argv", ["app/cli/__main__.py"])
    monkeypatch.setenv("PATH", path)
    monkeypatch.chdir(cwd)
    return typed(*arguments)


def test_a_command_is_named_as_it_can_be_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    around = PROGRAM.parents[2]
    on_path = f"/usr/bin:{PROGRAM.parent}"
    (another := tmp_path / "hearth").touch(mode=0o755)

    def named(cwd: Path, path: str = "/usr/bin") -> str:
        return _typed("psql", monkeypatch=monkeypatch, cwd=cwd, path=path)

    assert named(tmp_path, on_path) == "hearth psql"
    assert named(around) == f"{PROGRAM.relative_to(around)} psql"
    assert named(PROGRAM.parent) == "./hearth psql"
    assert named(tmp_path) == f"{PROGRAM} psql"
    assert named(tmp_path, str(another.parent)) == f"{PROGRAM} psql"


def test_a_command_names_the_data_that_are_not_where_they_usually_are(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    monkeypatch.setattr(sys, "argv", [str(PROGRAM)])
    monkeypatch.setenv("PATH", str(PROGRAM.parent))
    monkeypatch.chdir(place)

    assert typed("psql", data=place / ".hearth" / "data") == "hearth psql"
    assert typed("psql", data=place / "other" / "data") == "hearth psql --data other/data"
    assert typed("psql", data=Path("/no where")) == "hearth psql --data '/no where'"


def test_the_version_is_told() -> None:
    done = _hearth("--version")

    assert (done.returncode, done.stdout) == (0, f"hearth {version('hearth')}\n")


def test_a_shell_completes_commands_and_what_their_options_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Typer takes the shell that it runs below, if it finds one, and no argument then.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    script = _hearth("--show-completion", "bash").stdout
    asked = """
        COMP_WORDS=(hearth mi) COMP_CWORD=1; _hearth_completion hearth; echo "${COMPREPLY[@]}"
        COMP_WORDS=(hearth purge --only a) COMP_CWORD=3; _hearth_completion hearth
        echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["/bin/bash", "-c", script + asked],
        env={**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "migrate\naccounts\n", done.stderr


BROKEN = """
import sys
from app import migrations
from app.cli import main

migrations.status = lambda *_, **__: {}["swordfish"]
sys.argv = ["hearth", "status"]
main()
"""


@pytest.mark.parametrize("debug", ["false", "true"])
def test_a_bug_is_told_in_a_line_without_its_traceback(hearth: Hearth, debug: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BROKEN],
        env={**os.environ, "DIRECT_URL": hearth.url("hearth_deployer"), "DEBUG": debug},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    if debug == "true":
        assert "Traceback" in done.stderr
    else:
        assert done.stderr == (
            "hearth: this is a bug: KeyError at <string>:6 <lambda>"
            " (DEBUG=true shows the traceback)\n"
        )


CTRL_C = {
    "while it is imported": """
import os, signal, sys, types
from app.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)
commands = sys.modules["app.cli.commands"] = types.ModuleType("app.cli.commands")
commands.__getattr__ = lambda name: os.kill(os.getpid(), signal.SIGINT)
main()
""",
    "within a query": """
import sys
from app import migrations
from app.cli import main

def interrupted(*_, **__):
    try:
        raise KeyboardInterrupt
    finally:
        raise migrations.MigrationError("another command is already in progress")

migrations.status = interrupted
sys.argv = ["hearth", "status"]
main()
""",
}


@pytest.mark.parametrize(
    ("when", "code"), [("while it is imported", -signal.SIGINT), ("within a query", 130)]
)
def test_who_presses_ctrl_c_is_told_nothing(hearth: Hearth, when: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C[when]],
        env={**os.environ, "DIRECT_URL": hearth.url("hearth_deployer")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_before_a_commit_runs_what_make_lint_runs() -> None:
    root = Path(__file__).parents[2]
    configured = yaml.safe_load((root / ".pre-commit-config.yaml").read_text("utf-8"))
    hooks = [hook for repository in configured["repos"] for hook in repository["hooks"]]
    dry = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--assume-old=.venv/installed", "lint"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )

    assert [hook["entry"] for hook in hooks] == dry.stdout.splitlines()
    assert {hook["language"] for hook in hooks} == {"system"}
