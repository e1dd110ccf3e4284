"""New connections: to the first host that serves, with the password of now, watched over."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import psycopg
import pytest
import uvloop

from app import embedded, migrations
from app.db.connecting import CONNECT_LIMIT, Way, way
from app.db.pool import Database, DatabaseError, Transaction
from app.db.url import one_by_one
from app.health.monitor import Monitor
from app.settings import Settings, SettingsError, sql_directory
from tests.conftest import Cluster, temporary_server
from tests.support.fixtures import Hearth, Serve, bootstrap

pytestmark = [pytest.mark.newest, pytest.mark.straight("it has URLs and servers of its own")]

COMMANDS = [
    ["status"],
    ["migrate", "--plan"],
    ["migrate"],
    ["purge", "--older-than", "30d"],
    ["psql", "-Atc", "select 1"],
    ["demo", "--families", "1", "--days", "1", "--force"],
]


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# -- Several hosts ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def second() -> Iterator[embedded.Server]:
    """Yield another server."""
    with temporary_server() as server:
        yield server


@pytest.fixture(params=["down", "silent", "read-only", "refusing"])
def useless(
    request: pytest.FixtureRequest, second: embedded.Server, own_hearth: Hearth
) -> Iterator[str]:
    """Yield a host that does not serve, as a URL names it, with its port."""
    here = quote(str(second.socket), safe="")
    if request.param == "down":
        yield f"{here}:9"
    elif request.param == "silent":
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            yield f"127.0.0.1:{listener.getsockname()[1]}"
    elif request.param == "read-only":
        name = own_hearth.name
        bootstrap(Cluster(str(second.socket), 5432, "postgres"), name)
        with psycopg.connect(second.url("postgres", "postgres"), autocommit=True) as root:
            root.execute(f'alter database "{name}" set default_transaction_read_only = on')
            yield f"{here}:5432"
            root.execute(f'alter database "{name}" reset default_transaction_read_only')
    else:
        yield "[::1]:9"


def _several(hearth: Hearth, user: str, useless: str) -> str:
    host = quote(hearth.cluster.host, safe="")
    hosts = f"{useless},{host}:{hearth.cluster.port}"
    if "[" in useless:  # which Python reads in no netloc of several
        return (
            f"postgresql://{user}@/{hearth.name}?host=::1,{host}"
            "&port=9,5432&target_session_attrs=read-write"
        )
    return (
        f"postgresql://{user}@{hosts}/{hearth.name}"
        "?target_session_attrs=read-write&connect_timeout=1"
    )


async def test_every_command_finds_the_host_that_serves(
    own_hearth: Hearth, useless: str, serve: Serve
) -> None:
    direct = _several(own_hearth, "hearth_deployer", useless)
    done = [_run(*words, DIRECT_URL=direct) for words in COMMANDS]
    words = ("explain-access", "tasks", "00000000-0000-7000-8000-000000000000", "--as", "nobody@x")
    explained = _run(*words, DIRECT_URL=direct)
    settings = own_hearth.settings(database_url=_several(own_hearth, "app_api", useless))
    with serve(settings) as url:
        async with httpx.AsyncClient(base_url=url) as client:
            ready = await client.get("/health/ready")

    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * len(done)
    assert explained.stderr == "hearth: --as: no active account has the address nobody@x\n"
    assert ready.status_code == 200


async def test_a_silent_host_leaves_time_for_the_next_one(own_hearth: Hearth) -> None:
    host = quote(own_hearth.cluster.host, safe="")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        hosts = f"127.0.0.1:{listener.getsockname()[1]},{host}:{own_hearth.cluster.port}"
        url = f"postgresql://app_api@{hosts}/{own_hearth.name}"
        settings = own_hearth.settings(database_url=url, pool_acquire_timeout=1)

        # Less than one host has where there is no other.
        async with asyncio.timeout(CONNECT_LIMIT - 1):
            connection = await way(settings)()
        await connection.close()


async def test_reads_leave_a_server_that_takes_no_writes_any_more(
    own_hearth: Hearth, second: embedded.Server
) -> None:
    former = Hearth(Cluster(str(second.socket), 5432, "postgres"), own_hearth.name)
    bootstrap(former.cluster, former.name)
    migrations.migrate(former.url("hearth_deployer"), sql_directory())
    hosts = ",".join(quote(each.cluster.host, safe="") for each in (former, own_hearth))
    url = f"postgresql://app_api@{hosts}/{former.name}?target_session_attrs=read-write"
    settings = own_hearth.settings(database_url=url)
    database = Database(settings)
    await database.connect()
    monitor = Monitor(settings, database)
    await monitor.look()

    async def server(transaction: Transaction) -> Any:
        query = "select system_identifier from pg_control_system()"
        return await transaction._connection.fetchval(query)

    before = await database.run(None, server, read_only=True)
    try:
        _root(former, "alter system set default_transaction_read_only = on")
        _root(former, "select pg_reload_conf()")
        while await database.run(None, _is_writable, read_only=True):
            pass  # each look is a round trip
        for _ in range(2):
            await monitor.look()
        after = await database.run(None, server, read_only=True)
        monitor._watch.close()
        await database.disconnect()
    finally:
        _root(former, "alter system reset default_transaction_read_only")
        _root(former, "select pg_reload_conf()")

    assert before != after


async def _is_writable(transaction: Transaction) -> bool:
    query = "select current_setting('default_transaction_read_only') = 'off'"
    return bool(await transaction._connection.fetchval(query))


async def test_where_no_host_serves_the_last_reason_is_told(own_hearth: Hearth) -> None:
    nowhere = f"postgresql://app_api@%2Fnowhere,%2Fnor-here/{own_hearth.name}"

    with pytest.raises(OSError, match="No such file"):
        await Way(lambda: nowhere)()


@pytest.mark.parametrize("options", ["host=a&port=b", "host=a,b,c&port=1,2", "sslmode=perhaps"])
async def test_what_is_no_url_is_told_at_once_and_in_a_line(options: str) -> None:
    url = f"postgresql://u@/d?{options}"

    with pytest.raises(asyncpg.ClientConfigurationError):
        await Way(lambda: url)()
    done = _run("purge", "--older-than", "30d", DIRECT_URL=url)

    assert done.stderr == "hearth: DIRECT_URL: cannot connect (ClientConfigurationError)\n"


async def test_a_standby_is_preferred_and_not_needed(own_hearth: Hearth) -> None:
    url = f"{own_hearth.url('app_api')}&target_session_attrs="

    connection = await Way(lambda: f"{url}prefer-standby")()
    await connection.close()
    with pytest.raises(asyncpg.TargetServerAttributeNotMatched):
        await Way(lambda: f"{url}standby")()


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql:///d", ["postgresql:///d"]),
        ("postgresql://u:p@a/d", ["postgresql://u:p@/d?host=a"]),
        ("postgresql://u@a:1,b/d?x=y", ["postgresql://u@/d?host=a&port=1&x=y", "postgresql://u@/d?host=b&x=y"]),
        ("postgresql://[::1]:5/d", ["postgresql:///d?host=%5B%3A%3A1%5D&port=5"]),
        ("postgresql://%2Ftmp,b:2/d", ["postgresql:///d?host=%2Ftmp", "postgresql:///d?host=b&port=2"]),
        ("postgresql:///d?host=a,b&port=7", ["postgresql:///d?host=a&port=7", "postgresql:///d?host=b&port=7"]),
        ("postgresql:///d?host=a,b&port=7,8", ["postgresql:///d?host=a&port=7", "postgresql:///d?host=b&port=8"]),
        ("postgresql://a:1/d?host=b", ["postgresql:///d?host=b&port=1"]),
    ],
)  # fmt: skip
def test_each_host_has_a_url_of_its_own(url: str, hosts: list[str]) -> None:
    assert one_by_one(url) == hosts


# -- A peer that has gone --------------------------------------------------------------------------


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.skipif(sys.platform != "linux", reason="each system has other options")
def test_a_peer_that_has_gone_is_noticed_without_being_asked(
    hearth: Hearth, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def seen(options: str) -> list[int]:
        async with _by_tcp(hearth) as url:
            connection = await Way(lambda: f"{url}?{options}")()
            peer = connection._transport.get_extra_info("socket")
            names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
            found = [
                peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                *(peer.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names),
            ]
            await connection.close()
            return found

    with asyncio.Runner(loop_factory=loop) as runner:
        ours = runner.run(seen("sslmode=disable"))
        said = runner.run(seen("sslmode=disable&keepalives_idle=30&tcp_user_timeout=9000"))
        off = runner.run(seen("sslmode=disable&keepalives=0"))

    assert ours == [1, 10, 3, 3, 15_000]
    assert said == [1, 30, 3, 3, 9_000]
    assert off[0] == 0


@asynccontextmanager
async def _by_tcp(hearth: Hearth) -> AsyncIterator[str]:
    """Lead to the server over TCP."""
    host, port = hearth.cluster.host, hearth.cluster.port
    ways: list[asyncio.Task[None]] = []

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        ways.append(asyncio.ensure_future(_pass_on(reader, there[1])))
        ways.append(asyncio.ensure_future(_pass_on(there[0], writer)))

    server = await asyncio.start_server(lead, "127.0.0.1", 0)
    try:
        yield f"postgresql://app_api@127.0.0.1:{server.sockets[0].getsockname()[1]}/{hearth.name}"
    finally:
        server.close()
        await asyncio.gather(*ways)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while content := await reader.read(65_536):
        writer.write(content)
    writer.close()


# -- Passwords -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> Iterator[Hearth]:
    """Yield a migrated database whose server asks for passwords."""
    with temporary_server() as server:
        hearth = Hearth(Cluster(str(server.socket), 5432, "postgres"), "hearth")
        bootstrap(hearth.cluster, hearth.name)
        migrations.migrate(hearth.url("hearth_deployer"), sql_directory())
        rules = server.data / "pg_hba.conf"
        asks = "local all app_api,hearth_deployer scram-sha-256\n"
        rules.write_text(asks + rules.read_text("ascii"), "ascii")
        _root(hearth, "select pg_reload_conf()")
        yield hearth


def _root(hearth: Hearth, *statements: str) -> None:
    with psycopg.connect(hearth.superuser_url, autocommit=True) as root:
        for statement in statements:
            root.execute(statement)


def _end_all(hearth: Hearth) -> None:
    ours = "datname = current_database() and pid <> pg_backend_pid()"
    _root(hearth, f"select pg_terminate_backend(pid, 5000) from pg_stat_activity where {ours}")


async def _look(transaction: Transaction) -> Any:
    return await transaction._connection.fetchval("select 1")


async def test_a_password_that_is_rotated_is_read_anew(guarded: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first & = %\n", "utf-8")
    _root(guarded, "alter role app_api password 'first & = %'")
    database = Database(guarded.settings(database_password_file=file, pool_min_size=0))
    await database.connect()
    try:
        _root(guarded, "alter role app_api password 'sec#ond'")
        old = await database.run(None, _look)
        _end_all(guarded)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await database.run(None, _look)
        file.write_text("sec#ond", "utf-8")
        new = await database.run(None, _look)
        _end_all(guarded)
        file.unlink()
        with pytest.raises(DatabaseError) as raised:
            await database.run(None, _look)
    finally:
        await database.disconnect()

    assert (old, new) == (1, 1)
    told = f"DATABASE_PASSWORD_FILE: {file} cannot be read (No such file or directory)"
    assert str(raised.value) == told


async def test_a_passfile_is_read_anew(guarded: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "pgpass"
    file.touch(mode=0o600)
    file.write_text("*:*:*:app_api:one\n", "ascii")
    _root(guarded, "alter role app_api password 'one'")
    url = f"{guarded.url('app_api')}&passfile={quote(str(file), safe='')}"
    database = Database(guarded.settings(database_url=url, pool_min_size=0))
    await database.connect()

    _root(guarded, "alter role app_api password 'two'")
    file.write_text("*:*:*:app_api:two\n", "ascii")
    _end_all(guarded)
    seen = await database.run(None, _look)
    await database.disconnect()

    assert seen == 1


def test_every_command_takes_the_password_of_a_file(guarded: Hearth, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("swordfish", "utf-8")
    _root(guarded, "alter role hearth_deployer password 'swordfish'")
    given = {"DIRECT_URL": guarded.url("hearth_deployer"), "DIRECT_PASSWORD_FILE": str(file)}

    done = [_run(*words, **given) for words in COMMANDS]
    file.write_text("codfish", "utf-8")
    refused = _run("status", **given)

    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * len(done)
    assert refused.returncode == 1
    assert "password authentication failed" in refused.stderr
    assert "codfish" not in refused.stderr


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "must have one line, the password"),
        (b"\n", "must have one line, the password"),
        (b"swordfish\nsalmon\n", "must have one line, the password"),
        (b"swordfish\xff", "is not UTF-8"),
    ],
)
def test_a_file_that_holds_no_password_is_named(
    hearth: Hearth, tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    settings = hearth.settings(
        replica_url=hearth.url("app_api"),
        **{f"{name}_password_file": file for name in ("database", "replica", "direct")},
    )

    for name, variable in (
        ("database_url", "DATABASE_PASSWORD_FILE"),
        ("replica_url", "REPLICA_PASSWORD_FILE"),
        ("direct_url", "DIRECT_PASSWORD_FILE"),
    ):
        with pytest.raises(SettingsError) as raised:
            settings.require(name)  # type: ignore[arg-type]
        assert str(raised.value) == f"{variable}: {file} {why}"


@pytest.mark.parametrize("url", ["postgresql://u:p@h/d", "postgresql://u@h/d?a=b&password=p"])
def test_a_password_stands_in_one_place(tmp_path: Path, url: str) -> None:
    for name in ("database", "replica", "direct"):
        given = {f"{name}_url": url, f"{name}_password_file": tmp_path}
        with pytest.raises(ValueError, match=f"{name.upper()}_PASSWORD_FILE: {name.upper()}_URL"):
            Settings(**given)  # type: ignore[arg-type]
