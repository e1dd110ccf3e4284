"""`hearth doctor`: a healthy database has nothing, and each thing done to one is found by its name.

What is done is in doctor.sql, and below where SQL is not enough. Every check has a maltreatment.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psycopg
import pytest

from app import embedded, migrations
from app.db.admin import run_as_ops
from app.embedded.system_user import user_for
from app.ops import doctor
from app.ops.doctor import Finding, Level, checks, examine
from app.settings import sql_directory
from tests.conftest import TEST_PG, Cluster, _binaries, temporary_server
from tests.support.deployers import until
from tests.support.fixtures import Hearth, bootstrap, copy_of_template
from tests.support.pooler import API_PASSWORD, pooled_url, pooler, requires_pgbouncer
from tests.support.standby import ask, standby_of
from tests.support.terminal import on_terminal

pytestmark = [pytest.mark.no_judge, pytest.mark.straight]

FILE = Path(__file__).with_name("doctor.sql")

# What the server of the tests honestly has: it is careless. initdb turns checksums on since 18.
CARELESS = {f"durability:{name}" for name in ("fsync", "full_page_writes", "synchronous_commit")}
HONEST = CARELESS if TEST_PG >= 18 else CARELESS | {"checksums:off"}

# What the deployer cannot see; nobody sees the last.
DEPLOYERS_BLIND = {"stored_passwords", "standbys", "idle_in_transaction", "long_transactions"}
UNKNOWN = {"base_backup"}


@dataclass(frozen=True)
class Maltreatment:
    """What is done to a database, and the name of what is found then."""

    finds: str
    since: int
    login: str
    knows: dict[str, Any]
    undo: list[str]
    statements: list[str]

    @classmethod
    def read(cls, block: str) -> "Maltreatment":
        finds, *lines = block.strip().splitlines()
        head = [line[3:].partition(" ") for line in lines if line.startswith("-- ")]
        told = {key: value for key, _, value in head}
        assert set(told) <= {"since", "login", "knows", "undo"}, finds
        return cls(
            finds,
            int(told.get("since", 0)),
            told.get("login", "hearth_deployer"),
            json.loads(told.get("knows", "{}")),
            [value for key, _, value in head if key == "undo"],
            [line for line in lines if not line.startswith("-- ")],
        )


MALTREATMENTS = [
    Maltreatment.read(block)
    for block in re.split(r"^-- finds ", FILE.read_text("utf-8"), flags=re.MULTILINE)[1:]
]

Test = TypeVar("Test", bound=Callable[..., object])

found_below: set[str] = set()


def finds(*names: str) -> Callable[[Test], Test]:
    """Say which checks a test maltreats a database for."""
    found_below.update(names)
    return lambda test: test


@pytest.fixture(scope="module")
def server() -> Iterator[embedded.Server]:
    """Yield a server that archives, may prepare transactions, and is changed by nobody else."""
    with temporary_server() as server:
        _execute(
            server.url("postgres", "postgres"),
            "alter system set archive_mode = on",
            "alter system set archive_command = 'true'",
            "alter system set max_prepared_transactions = 5",
        )
        embedded.stop(server)
        _start(server)
        yield server


@pytest.fixture(scope="module")
def healthy(server: embedded.Server) -> Hearth:
    """Return a database as `hearth migrate` leaves it, on that server."""
    cluster = Cluster(str(server.socket), 5432, "postgres")
    bootstrap(cluster, "hearth")
    hearth = Hearth(cluster, "hearth")
    url = hearth.url("hearth_deployer")
    migrations.migrate(url, sql_directory())
    asyncio.run(run_as_ops(url, "ensure_audit_partitions", {"months_ahead": 12}))
    return hearth


@pytest.fixture
def sick(healthy: Hearth) -> Iterator[Hearth]:
    """Yield a copy, to be maltreated."""
    with copy_of_template(healthy.cluster, "hearth", "hearth_sick") as hearth:
        yield hearth


def _start(server: embedded.Server, *, durable: bool = False) -> None:
    binaries = _binaries(user_for(server.data))
    embedded.start(server.data, version=TEST_PG, durable=durable, binaries=binaries)


def _execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _look(hearth: Hearth, login: str = "hearth_deployer", **knows: object) -> list[Finding]:
    """Return what is found as a login; where `knows` is a document, it changes what is in one."""
    settings = hearth.settings(direct_url=hearth.url(login))
    ways = {"direct", "service"} & set(knows)
    if ways:
        way = {"user": "app_api", "is_pooled": False, "is_local": True, "is_encrypted": False}
        knows |= {name: {**way, **dict(knows[name])} for name in ways}  # type: ignore[call-overload]
    return examine(settings, {}, **knows)


def _names(findings: list[Finding]) -> set[str]:
    return {one.name for one in findings if one.level is not Level.unseen}


def _unseen(findings: list[Finding]) -> set[str]:
    return {one.check for one in findings if one.level is Level.unseen}


def test_a_healthy_database_has_nothing(healthy: Hearth) -> None:
    as_deployer = _look(healthy)
    as_superuser = _look(healthy, "postgres")

    # A version is told of half a year before its end.
    assert _names(as_deployer) - {"version"} == HONEST
    assert _unseen(as_deployer) == DEPLOYERS_BLIND | UNKNOWN
    assert _names(as_superuser) - {"version"} == HONEST
    assert _unseen(as_superuser) == UNKNOWN


def test_every_check_has_something_done_for_it() -> None:
    done = {one.finds.partition(":")[0] for one in MALTREATMENTS} | found_below

    assert done == {check.name for check in checks()}
    assert len({check.name for check in checks()}) == len(checks())


@pytest.mark.parametrize(
    "done",
    [one for one in MALTREATMENTS if one.since <= TEST_PG],
    ids=lambda one: re.sub(r"\W+", "-", one.finds),
)
def test_what_was_done_is_found(done: Maltreatment, request: pytest.FixtureRequest) -> None:
    sick: Hearth = request.getfixturevalue("sick" if done.statements else "healthy")

    def is_found() -> bool:
        findings = _look(sick, done.login, **done.knows)
        assert all(one.says and one.remedy and "\n" not in one.says for one in findings)
        return done.finds in _names(findings)

    reload = "select pg_reload_conf()"
    _execute(sick.superuser_url, *done.statements, reload)
    try:
        until(is_found)
    finally:
        _execute(sick.superuser_url, *done.undo, reload)
    if done.undo:
        until(lambda: done.finds not in _names(_look(sick, done.login)))


@finds("encoding")
def test_another_encoding_is_found_and_the_rest_goes_on(healthy: Hearth) -> None:
    made = "encoding 'SQL_ASCII' template template0 locale_provider libc locale 'C'"
    _execute(
        healthy.superuser_url,
        "drop database if exists ascii",
        f"create database ascii {made} owner hearth_deployer",
    )

    findings = _look(replace(healthy, name="ascii"))

    _execute(healthy.superuser_url, "drop database ascii")
    assert {"encoding", "foreign_grants:database", "large_objects:lo_create(oid)"} <= _names(
        findings
    )
    assert any(one.check == "pending" for one in findings)


@finds("service_login", "pooler")
def test_the_login_and_the_way_of_the_service_are_looked_at(healthy: Hearth) -> None:
    url = healthy.url("hearth_deployer")
    careful = healthy.settings(database_url=url, database_pooler="transaction")
    lost = healthy.settings(database_url=healthy.url("nobody"))
    none = healthy.settings(database_url=None)

    assert {"service_login", "pooler"} <= _names(examine(careful, {}))
    assert "pooler" in _unseen(examine(lost, {}))
    assert "pooler" in _unseen(examine(none, {}))


@requires_pgbouncer
@finds("direct_pooler", "pooler")
def test_a_pooler_is_known_by_its_answers(healthy: Hearth) -> None:
    where = f"host={healthy.cluster.host} port={healthy.cluster.port}"
    with pooler("*", where, API_PASSWORD) as home:
        url = pooled_url(home, healthy.name)
        wrong = healthy.settings(database_url=url, direct_url=url, database_pooler="none")
        right = healthy.settings(database_url=url, database_pooler="transaction")
        found = _names(examine(wrong, {}))
        found_right = _names(examine(right, {}))

    assert {"direct_pooler", "pooler"} <= found
    assert found_right - {"version"} == HONEST


@finds("idle_in_transaction")
def test_who_went_away_in_a_transaction_is_seen_by_whom_the_grant_says(sick: Hearth) -> None:
    later = "2040-01-01T00:00:00Z"
    grant = "grant pg_monitor to hearth_deployer"
    with psycopg.connect(sick.superuser_url) as forgotten:
        forgotten.execute("select 1")
        blind = _look(sick, now=later)
        _execute(sick.superuser_url, grant)
        seeing = _look(sick, now=later)
        name = f"idle_in_transaction:{forgotten.info.backend_pid}"
    _execute(sick.superuser_url, "revoke pg_monitor from hearth_deployer")

    assert name not in _names(blind)
    assert any(grant in one.remedy for one in blind if one.check == "idle_in_transaction")
    assert name in _names(seeing)


@finds("long_transactions")
def test_a_transaction_that_lasts_is_seen(sick: Hearth) -> None:
    url = sick.superuser_url
    with (
        psycopg.connect(url, autocommit=True) as holder,
        psycopg.connect(url, autocommit=True) as waiter,
    ):
        holder.execute("select pg_advisory_lock(1)")
        query = "select pg_advisory_lock(1)"
        thread = threading.Thread(target=lambda: waiter.execute(query))
        thread.start()
        name = f"long_transactions:{waiter.info.backend_pid}"

        until(lambda: name in _names(_look(sick, "postgres", now="2040-01-01T00:00:00Z")))

        holder.execute("select pg_advisory_unlock(1)")
        thread.join()


@finds("standbys")
def test_a_standby_that_is_behind_is_seen(server: embedded.Server, healthy: Hearth) -> None:
    with standby_of(server) as standby:
        standby.catch_up()
        at_first = _names(_look(healthy, "postgres"))
        standby.pause_replay()
        ask(
            server,
            "select count(pg_logical_emit_message(false, 't', repeat('x', 100000000)))"
            " from generate_series(1, 3)",
        )
        ask(server, "select pg_switch_wal()")

        until(lambda: "standbys:walreceiver" in _names(_look(healthy, "postgres")))
        on_the_standby = _names(
            _look(Hearth(Cluster(str(standby.server.socket), 5432, "postgres"), "hearth"))
        )
        standby.resume_replay()

    assert at_first - {"version"} == HONEST
    assert "read_only:standby" in on_the_standby


@finds("checksums", "archiving", "durability")
def test_what_only_a_restart_changes_is_found(server: embedded.Server, healthy: Hearth) -> None:
    user, program = user_for(server.data), server.binary("pg_checksums")
    _execute(healthy.superuser_url, "alter system set archive_mode = off")
    embedded.stop(server)
    user.run([program, "--disable", "-D", server.data])
    _start(server, durable=True)
    found = _names(_look(healthy))
    _execute(healthy.superuser_url, "alter system set archive_mode = on")
    embedded.stop(server)
    if TEST_PG >= 18:
        user.run([program, "--enable", "-D", server.data])
    _start(server)

    assert found - {"version"} == {"checksums:off", "archiving:off"}
    assert _names(_look(healthy)) - {"version"} == HONEST


@finds("archiving")
def test_what_cannot_be_archived_is_told_until_it_can(healthy: Hearth) -> None:
    def finds_it() -> bool:
        # Until the archiver has heard of its other command, it goes on with the first.
        message = "select pg_logical_emit_message(true, 'tests', 'something to archive')"
        _execute(healthy.superuser_url, message, "select pg_switch_wal()")
        return "archiving:failed" in _names(_look(healthy))

    command = "alter system set archive_command = '{}'"
    _execute(healthy.superuser_url, command.format("false"), "select pg_reload_conf()")
    until(finds_it)
    _execute(healthy.superuser_url, command.format("true"), "select pg_reload_conf()")
    until(lambda: not finds_it())


@finds("base_backup")
def test_what_no_server_knows_is_said_to_whoever_asks(healthy: Hearth) -> None:
    assert "base_backup" in _unseen(_look(healthy, "postgres"))


def test_a_check_that_fails_is_not_seen_and_the_others_go_on(
    healthy: Hearth, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = checks()
    texts = ["select nonsense", "create table app.t ()", "select 1/0 as object", first.text]
    broken = [
        replace(first, name=f"check_{number}", text=text) for number, text in enumerate(texts)
    ]
    monkeypatch.setattr(doctor, "checks", lambda: broken)

    findings = _look(healthy, "postgres")

    assert [one.check for one in findings] == ["check_0", "check_1", "check_2"]
    assert {one.level for one in findings} == {Level.unseen}
    assert "read-only transaction" in findings[1].says


def test_what_somebody_has_locked_is_not_waited_for(sick: Hearth) -> None:
    with psycopg.connect(sick.superuser_url) as busy:
        busy.execute("lock table app.audit_log_default, app.tasks in access exclusive mode")
        findings = _look(sick)

    assert _unseen(findings) == DEPLOYERS_BLIND | UNKNOWN | {"default_partitions", "pending"}
    assert _names(findings) - {"version"} == HONEST
    remedies = {one.remedy for one in findings if one.check == "default_partitions"}
    assert remedies == {"somebody is at work there; ask again later"}


def test_an_empty_database_is_told_to_be_migrated(healthy: Hearth) -> None:
    _execute(healthy.superuser_url, "create database empty owner hearth_deployer")

    findings = _look(replace(healthy, name="empty"))

    _execute(healthy.superuser_url, "drop database empty")
    assert any(one.check == "pending" and "hearth migrate" in one.remedy for one in findings)


def _environment(hearth: Hearth) -> dict[str, str]:
    return {
        **os.environ,
        "COLUMNS": "200",
        "DIRECT_URL": hearth.url("hearth_deployer"),
        "DATABASE_URL": hearth.url("app_api"),
    }


HEARTH = [sys.executable, "-m", "app.cli", "doctor"]


def _doctor(hearth: Hearth, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HEARTH, *arguments],
        env=_environment(hearth),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_says_it_in_lines_in_json_and_by_its_exit_code(
    healthy: Hearth, sick: Hearth
) -> None:
    well = _doctor(healthy, "--ignore=durability=a test server", "--ignore=version")
    _execute(sick.superuser_url, "alter table app.tasks no force row level security")
    told = _doctor(sick)
    parsed = _doctor(sick, "--json")
    with on_terminal(HEARTH, env=_environment(sick)) as terminal:
        terminal.read_until()

    assert well.returncode == 0, well.stderr
    assert "\nnot seen standbys, idle_in_transaction, long_transactions: " in f"\n{well.stdout}"
    assert "`grant pg_monitor to hearth_deployer` shows it" in well.stdout
    assert told.returncode == 3
    name, table = "row_security_not_forced:app.tasks", "app.tasks"
    remedy = f"`alter table {table} enable row level security, force row level security`"
    line = f"error {name}: row level security of {table} is not forced; {remedy}"
    assert line in told.stdout.splitlines()
    assert parsed.returncode == 3
    document = json.loads(parsed.stdout)
    assert document["is_healthy"] is False
    assert set(document["checks"]) == {check.name for check in checks()}
    errors = {one["name"] for one in document["findings"] if one["level"] == "error"}
    assert errors - CARELESS == {name}
    assert {"access", f"  {line}", "not seen"} <= set(terminal.lines)


def test_what_is_known_is_ignored_with_a_reason(sick: Hearth) -> None:
    _execute(
        sick.superuser_url,
        "alter table app.tasks no force row level security",
        "create table app.beside (id integer)",
    )
    reason = "--ignore=row_security_not_forced:app.tasks=we try it"
    one = _doctor(sick, reason)
    kinds = ("row_security_not_forced", "pending", "unexpected_objects", "durability", "version")
    all_ = _doctor(sick, "--json", *(f"--ignore={kind}=we try it" for kind in kinds))
    wrong = _doctor(sick, "--ignore", "nonsense")

    assert one.returncode == 3
    assert "row_security_not_forced:app.tasks" not in one.stdout
    assert "row_security_not_forced:app.beside" in one.stdout
    assert "1 ignored" in one.stdout
    assert all_.returncode == 0, all_.stdout
    reasons = {found["ignored"] for found in json.loads(all_.stdout)["findings"]}
    assert reasons == {None, "we try it"}
    assert (wrong.returncode, wrong.stderr) == (1, "hearth: --ignore: there is no check nonsense\n")


def test_without_a_database_it_fails_in_a_line(healthy: Hearth) -> None:
    done = _doctor(replace(healthy, name=quote("not there")))

    assert done.returncode == 1
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr
