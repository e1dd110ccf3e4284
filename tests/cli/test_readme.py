"""The README keeps its word: its commands are run, and answer what it prints."""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, copy_checkout
from tests.support.fixtures import JWT_SECRET, Hearth

pytestmark = [pytest.mark.newest, pytest.mark.no_judge, pytest.mark.first]

README = (ROOT / "README.md").read_text("utf-8")

# What differs from run to run stands as … in the README.
VARYING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+\+00:00"
)


def _sessions() -> list[list[tuple[str, list[str]]]]:
    """Return the console blocks, each as its commands with the lines they print."""
    sessions = []
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL):
        commands: list[tuple[str, list[str]]] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
        sessions.append(commands)
    return sessions


START, EXAMPLE, PSQL, TEST, MIGRATE, SERVE, COMPOSE = _sessions()


def _run(
    commands: list[tuple[str, list[str]]], cwd: Path, replace: dict[str, str], path: str = ""
) -> list[list[str]]:
    """Run the commands in one shell; return the lines that each has printed."""
    end = "--- end of a command"
    script = "set -e\n" + "".join(f"{command}\necho '{end}'\n" for command, _ in commands)
    for old, new in replace.items():
        script = script.replace(old, new)
    done = subprocess.run(
        ["sh"],
        input=script,
        cwd=cwd,
        env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # curl ends no line.
    printed = VARYING.sub("…", done.stdout).replace(end + "\n", f"\n{end}")
    return [
        [line for line in part.splitlines() if line.strip()] for part in printed.split(end)[:-1]
    ]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh copy of what is committed or could be, at a path with a space in it."""
    return copy_checkout(tmp_path_factory.mktemp("a fresh clone"))


@contextmanager
def _serving(command: str, cwd: Path, environment: dict[str, str], word: str) -> Iterator[None]:
    """Run a command that serves until it prints the word; end it in the way Ctrl-C does."""
    process = subprocess.Popen(
        ["sh", "-c", f"exec {command}"],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if word in line:
            break
    assert word in "".join(seen), "".join(seen)
    draining = threading.Thread(target=process.stdout.read, daemon=True)
    draining.start()
    try:
        yield
    finally:
        os.killpg(process.pid, 2)
        process.wait(timeout=60)
        draining.join(timeout=10)
        process.stdout.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_fresh_clone_serves_and_the_example_answers_what_the_readme_prints(
    checkout: Path,
) -> None:
    ((start, _),) = START
    assert start == "make up"
    port = _free_port()
    here = {"127.0.0.1:8000": f"127.0.0.1:{port}"}

    with _serving(f"{start} PORT={port}", checkout, {}, "Hearth serves on"):
        printed = _run([*EXAMPLE, *PSQL], checkout, here)

    assert printed == [lines for _, lines in [*EXAMPLE, *PSQL]]
    assert not (checkout / ".hearth" / "data" / "postmaster.pid").exists()


def test_the_production_commands_migrate_and_serve(own_hearth: Hearth, tmp_path: Path) -> None:
    deployer = f"'{own_hearth.url('hearth_deployer')}'"
    replace = {"postgresql://hearth_deployer:…@db.example/hearth": deployer}
    programs = str(Path(sys.executable).parent)
    (export, _), (plan, _), *rest = MIGRATE
    assert plan == "hearth migrate --plan"  # exits with 3 where there is something to do

    printed = _run([(export, []), *rest], tmp_path, replace, programs)

    assert printed[-1][0].startswith("consistent; at ")
    (export, _), (serve, _) = SERVE
    names = [part.partition("=")[0] for part in export.removeprefix("export ").split()]
    values = [own_hearth.url("app_api"), JWT_SECRET]
    environment = {
        **dict(zip(names, values, strict=True)),
        "PORT": str(_free_port()),
        "PATH": f"{programs}:{os.environ['PATH']}",
    }
    with _serving(serve, tmp_path, environment, "Hearth serves on"):
        pass


def test_ci_runs_the_test_command_and_more() -> None:
    assert [command for command, _ in TEST] == ["make test"]
    assert "\nmake test-all " in (ROOT / ".ci" / "run").read_text()
    assert "\ntest-all: test " in (ROOT / "Makefile").read_text()


def test_the_compose_command_is_for_the_file_that_is_there() -> None:
    assert [command for command, _ in COMPOSE] == ["docker compose up"]
    assert (ROOT / "docker-compose.yml").is_file()  # what is in it: tests/cli/test_containers.py


def test_every_link_leads_somewhere() -> None:
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8"))
        if not (document.parent / target).exists()
    ]

    assert broken == []
