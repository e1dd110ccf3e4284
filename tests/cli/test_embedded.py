"""The embedded server, run by whoever runs the tests; by root, in part, as an ordinary user too.

Every test has a directory of its own, directly under the temporary directory: pytest's is closed
again by the next run, which a server of root's would not survive.
"""

import concurrent.futures
import contextlib
import dataclasses
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app import embedded
from app.embedded import EmbeddedError, Server, cluster, system_user

pytestmark = pytest.mark.newest

ROOT = os.geteuid() == 0
REPOSITORY = Path(__file__).parents[2]

as_root = pytest.mark.skipif(not ROOT, reason="only root has to run the server as somebody else")


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """Yield a cluster to copy: that is faster than to make another one."""
    with tempfile.TemporaryDirectory(prefix="hearth-tests-") as name:
        data = Path(name, "data")
        embedded.stop(embedded.start(data, durable=False))
        yield data


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a new directory, where sockets go too; stop the servers that a test left in it."""
    with tempfile.TemporaryDirectory(prefix="hearth-tests-") as name:
        monkeypatch.setattr(tempfile, "tempdir", name)
        monkeypatch.setenv("TMPDIR", name)
        yield Path(name).resolve()
        for found in list(Path(name).rglob("postmaster.pid")):
            if server := embedded.find(found.parent):
                embedded.stop(server)


@pytest.fixture
def new(place: Path) -> Path:
    """Return a data directory that does not exist yet."""
    return place / "new"


@pytest.fixture
def data(place: Path, made: Path) -> Path:
    """Return a data directory with a cluster that does not run."""
    subprocess.run(["/bin/cp", "-a", made, place / "data"], check=True)
    return place / "data"


def postmaster(server: Server) -> int:
    """Return the process id of the server."""
    return int((server.data / "postmaster.pid").read_text().split("\n")[0])


def ask(server: Server, query: str) -> object:
    """Return the one value that `query` yields to the superuser."""
    with psycopg.connect(server.url("postgres", "postgres")) as connection:
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
    return row and row[0]


def mode(path: Path) -> int:
    """Return the permission bits of `path`."""
    return stat.S_IMODE(path.stat().st_mode)


def wait_for(condition: Callable[[], object], *, seconds: float = 10) -> None:
    """Return as soon as `condition` holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"


def kill(server: Server) -> None:
    """Kill the postmaster as a crash would, and wait until nobody answers."""
    os.kill(postmaster(server), signal.SIGKILL)
    wait_for(lambda: embedded.find(server.data) is None)


@pytest.mark.parametrize("version", [16, 18])
async def test_a_first_start_makes_a_server_for_both_drivers(new: Path, version: int) -> None:
    server = embedded.start(new, version=version)

    assert server.version == version
    assert str(ask(server, "show server_version")).startswith(f"{version}.")
    connection = await asyncpg.connect(server.url("postgres", "postgres"))
    assert await connection.fetchval("select lower('ÄÖÜ')") == "äöü"
    assert await connection.fetchval("select 'a' < 'Z'") is False
    assert await connection.fetchval("show server_encoding") == "UTF8"
    assert await connection.fetchval("show timezone") == "UTC"
    assert await connection.fetchval("show max_connections") == "200"
    await connection.close()


def test_the_server_has_no_network_address(data: Path) -> None:
    server = embedded.start(data, durable=False)

    assert ask(server, "show listen_addresses") == ""


@pytest.mark.parametrize(("durable", "setting"), [(True, "on"), (False, "off")])
def test_only_a_durable_server_waits_for_the_disk(data: Path, durable: bool, setting: str) -> None:
    server = embedded.start(data, durable=durable)

    assert ask(server, "show fsync") == setting
    assert ask(server, "show synchronous_commit") == setting
    assert ask(server, "show full_page_writes") == setting


def test_a_running_server_is_used_again(data: Path) -> None:
    first = embedded.start(data, durable=False)
    process = postmaster(first)

    second = embedded.start(data, durable=False)

    assert second == first == embedded.find(data)
    assert postmaster(second) == process


def test_starts_at_the_same_time_give_one_server(new: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        started = [threads.submit(embedded.start, new, durable=False) for _ in range(4)]

    assert len({start.result() for start in started}) == 1
    assert ask(started[0].result(), "select 1") == 1


def test_stop_ends_sessions_and_keeps_the_data(data: Path) -> None:
    server = embedded.start(data, durable=False)
    ask(server, "create table kept as select 7 as n")
    with psycopg.connect(server.url("postgres", "postgres")) as session:
        embedded.stop(server)
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")

    assert embedded.find(data) is None
    assert not server.socket.exists()
    assert ask(embedded.start(data, durable=False), "select n from kept") == 7


def test_a_killed_server_starts_again_at_once(data: Path) -> None:
    server = embedded.start(data)
    with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as session:
        session.execute("create table kept as select 7 as n")
        kill(server)
        again = embedded.start(data)

    assert ask(again, "select n from kept") == 7


def test_a_process_id_that_lives_again_does_not_block_a_start(data: Path) -> None:
    server = embedded.start(data, durable=False)
    lock = server.socket / ".s.PGSQL.5432.lock"
    kill(server)
    for file in (data / "postmaster.pid", lock):
        _, _, rest = file.read_text().partition("\n")
        file.write_text(f"{os.getpid()}\n{rest}")

    again = embedded.start(data, durable=False)

    assert ask(again, "select 1") == 1


def test_stop_does_not_touch_a_stranger_who_has_the_process_id_now(data: Path) -> None:
    server = embedded.start(data, durable=False)
    kill(server)
    file = data / "postmaster.pid"
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        _, _, rest = file.read_text().partition("\n")
        file.write_text(f"{stranger.pid}\n{rest}")
        try:
            embedded.stop(server)

            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_stop_is_content_with_a_server_that_is_gone(data: Path) -> None:
    server = embedded.start(data, durable=False)
    embedded.stop(server)

    embedded.stop(server)


def test_any_path_will_do(place: Path) -> None:
    odd = place / "with a space" / 'it\'s "quoted", $HOME, `id`, 50%, a\\b' / "Jürgens Haus — 家"
    data = odd / ("a-long-name-" * 10) / "data"

    server = embedded.start(data, durable=False)
    url = server.url("postgres", "postgres")

    assert ask(server, "select 1") == 1
    assert "%" not in url  # yoyo.ini interpolates it
    assert embedded.start(data, durable=False) == server
    embedded.stop(server)
    assert embedded.find(data) is None


@pytest.mark.parametrize("name", ["closed", "long" * 40, "with 'quotes', and a comma"])
def test_any_temporary_directory_will_do(
    data: Path, place: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    temporary = place / name
    temporary.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    server = embedded.start(data, durable=False)

    assert ask(server, "select 1") == 1
    embedded.stop(server)  # here, for its socket may be elsewhere


def test_a_moved_directory_starts_where_it_is_now(place: Path) -> None:
    server = embedded.start(place / "here", durable=False)
    ask(server, "create table kept as select 7 as n")
    embedded.stop(server)
    (place / "here").rename(place / "there")

    server = embedded.start(place / "there", durable=False)

    assert ask(server, "select n from kept") == 7


def test_deleted_data_make_room_for_a_new_server(data: Path) -> None:
    old = embedded.start(data, durable=False)
    process = postmaster(old)
    shutil.rmtree(data)
    data.with_name("data.lock").unlink()

    new = embedded.start(data, durable=False)
    with contextlib.suppress(ProcessLookupError):  # it may have noticed already
        os.kill(process, signal.SIGKILL)

    assert ask(new, "select 1") == 1
    assert new.socket != old.socket  # the old server would remove it, a minute later


def test_the_environment_does_not_sway_the_server(
    new: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = place / "script.sql"
    script.write_text("select 1;")
    odd = {"LC_ALL": "xx_YY.UTF-8", "PGDATA": "/nowhere", "PGHOST": "nowhere.invalid"}
    odd |= {"PGOPTIONS": "-c hearth_less=1", "PGPORT": "1", "TZ": "Asia/Kathmandu"}

    with monkeypatch.context() as patched:
        for name, value in odd.items():
            patched.setenv(name, value)
        server = embedded.start(new, durable=False)
        embedded.prepare(server, script)
        seen = system_user.current_user().run(["/usr/bin/env"]).stdout.splitlines()

    assert ask(server, "show timezone") == "UTC"
    assert "LC_ALL=C" in seen
    assert [line for line in seen if line.startswith("PG")] == ["PGCLIENTENCODING=UTF8"]


def test_another_version_is_refused_with_the_way_out(new: Path) -> None:
    embedded.stop(embedded.start(new, version=16, durable=False))

    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 16, not 18: .* --pg 16,.* --data"):
        embedded.start(new, version=18)


def test_an_unknown_version_is_refused_with_those_there_are(new: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"no embedded PostgreSQL 17, only 16 and 18$"):
        embedded.start(new, version=17)

    assert not new.exists()


def test_a_failed_start_shows_the_end_of_the_log(data: Path) -> None:
    with (data / "postgresql.conf").open("a") as settings:
        settings.writelines(f"hearth_{number} = 2\n" for number in range(20))

    with pytest.raises(EmbeddedError, match=r"did not start, see .*/server\.log:\n") as caught:
        embedded.start(data, durable=False)

    assert '"hearth_19"' in str(caught.value)
    assert '"hearth_1"' not in str(caught.value)


def test_the_log_of_the_run_before_is_kept(data: Path) -> None:
    server = embedded.start(data, durable=False)
    with pytest.raises(psycopg.errors.DivisionByZero):
        ask(server, "select 1 / 0")
    embedded.stop(server)

    embedded.start(data, durable=False)

    assert "division by zero" in (data / "server.log.1").read_text()
    assert "division by zero" not in (data / "server.log").read_text()


def test_a_directory_with_something_else_in_it_is_refused_and_kept(new: Path) -> None:
    new.mkdir()
    (new / "letter.txt").write_text("Dear Ada")
    if ROOT:
        shutil.chown(new, "nobody")

    with pytest.raises(EmbeddedError, match="neither empty nor a PostgreSQL cluster"):
        embedded.start(new)

    assert [path.name for path in new.iterdir()] == ["letter.txt"]


def test_an_empty_directory_is_filled(new: Path) -> None:
    new.mkdir()

    assert ask(embedded.start(new, durable=False), "select 1") == 1


def test_half_a_cluster_is_made_anew(new: Path) -> None:
    half = new.with_name("new.new")
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")

    server = embedded.start(new, durable=False)

    assert ask(server, "select 1") == 1
    assert not half.exists()


def test_the_data_of_somebody_else_are_refused(data: Path) -> None:
    subprocess.run(["/bin/chown", "-R", str(os.geteuid()), data], check=True)

    with pytest.raises(EmbeddedError, match=r"belongs to (root|another user)"):
        embedded.start(data if ROOT else Path("/etc"), durable=False)


def test_nobody_else_may_enter_the_directories_of_the_server(data: Path) -> None:
    server = embedded.start(data, durable=False)

    assert mode(server.data) == mode(server.socket) == 0o700
    assert server.data.stat().st_uid == server.socket.stat().st_uid


def test_a_socket_directory_laid_by_somebody_else_is_refused(data: Path, place: Path) -> None:
    server = embedded.start(data, durable=False)
    embedded.stop(server)
    server.socket.symlink_to(place)

    with pytest.raises(EmbeddedError, match="belongs to somebody else"):
        embedded.start(data, durable=False)
    server.socket.unlink()


@as_root
def test_a_socket_directory_of_somebody_else_is_refused(data: Path) -> None:
    server = embedded.start(data, durable=False)
    embedded.stop(server)
    server.socket.mkdir(mode=0o700)
    shutil.chown(server.socket, "nobody")

    with pytest.raises(EmbeddedError, match="belongs to somebody else"):
        embedded.start(data, durable=False)
    server.socket.rmdir()


def test_directories_above_the_data_are_never_opened_for_reading(place: Path) -> None:
    closed = place / "closed" / "closed"
    closed.mkdir(parents=True)
    for directory in (place, closed.parent, closed):
        directory.chmod(0o700)

    embedded.start(closed / "new" / "data", durable=False)

    passing = 0o701 if ROOT else 0o700
    assert mode(place) == mode(closed.parent) == mode(closed) == passing


@pytest.fixture
def nobody() -> system_user.SystemUser:
    """Return an ordinary user for whom root acts."""
    entry = pwd.getpwnam("nobody")
    return system_user.SystemUser(entry.pw_uid, entry.pw_gid, is_other=True)


@as_root
def test_the_programs_are_opened_for_reading_and_no_further(
    place: Path, nobody: system_user.SystemUser
) -> None:
    closed = place / "closed" / "installation"
    closed.mkdir(parents=True)
    (closed / "library").write_text("")
    (closed / "program").write_text("")
    for path, bits in (("", 0o700), ("library", 0o600), ("program", 0o700)):
        (closed / path).chmod(bits)
    closed.parent.chmod(0o700)

    told: list[str] = []
    nobody = dataclasses.replace(nobody, tell=told.append)

    nobody.let_through(closed)
    nobody.let_read(closed)

    assert told[-1] == f"made 3 files of {closed} readable: PostgreSQL runs as nobody"
    assert mode(closed.parent) == 0o701
    assert mode(closed) == mode(closed / "program") == 0o705
    assert mode(closed / "library") == 0o604
    assert nobody.run(["/bin/cat", closed / "library"]).returncode == 0


@as_root
def test_root_tells_what_it_opens_once(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir()
    for directory in (place, closed):
        directory.chmod(0o700)
    first, again = list[str](), list[str]()

    embedded.start(closed / "data", durable=False, tell=first.append)
    embedded.start(closed / "data", durable=False, tell=again.append)

    assert [line for line in first if str(place) in line] == [
        f"changed the mode of {directory} from 0700 to 0701:"
        " PostgreSQL runs as pgserver and must pass through it"
        for directory in (closed, place)
    ]
    assert again == []


@as_root
def test_a_way_that_is_open_is_left_as_it_is(place: Path, nobody: system_user.SystemUser) -> None:
    own = place / "own"
    shared = own / "shared"
    shared.mkdir(parents=True)
    own.chmod(0o700)
    os.chown(own, nobody.uid, -1)
    shared.chmod(0o710)
    os.chown(shared, -1, nobody.gid)

    nobody.let_through(shared / "data")

    assert (mode(own), mode(shared)) == (0o700, 0o710)


def test_nobody_but_root_changes_permissions(place: Path) -> None:
    stranger = system_user.SystemUser(12345, 12345, is_other=False)

    stranger.let_through(place / "data")
    stranger.let_read(place)

    assert mode(place) == 0o700


@as_root
def test_programs_run_with_the_rights_of_their_user_alone(nobody: system_user.SystemUser) -> None:
    groups = os.getgroups()
    os.setgroups([*groups, 12345])
    try:
        done = nobody.run(["/bin/sh", "-c", "id -u; id -G; umask"])
    finally:
        os.setgroups(groups)

    assert done.stdout.split() == [str(nobody.uid), str(nobody.gid), "0077"]


@as_root
def test_root_lets_the_server_use_an_installation_in_a_closed_directory(
    data: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = cluster.programs(18, reader=system_user.current_user()).parents[1]
    closed = place / "closed"
    for part in ("pginstall18/bin", "pginstall18/lib", "pginstall18/share"):
        shutil.copytree(installed / part, closed / installed.name / part)
    shutil.copytree(installed.with_suffix(".libs"), closed / f"{installed.name}.libs")
    (closed / installed.name / "__init__.py").touch()
    subprocess.run(["/bin/chmod", "-R", "go=", closed], check=True)
    monkeypatch.syspath_prepend(closed)

    server = embedded.start(data, durable=False)

    assert server.binaries.is_relative_to(closed)
    assert mode(closed) == 0o701


@as_root
def test_root_runs_the_server_as_the_owner_of_the_data(new: Path) -> None:
    new.mkdir()
    shutil.chown(new, "nobody")

    server = embedded.start(new, durable=False)

    assert new.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    process = subprocess.run(
        ["/bin/ps", "-o", "user=", "-p", str(postmaster(server))],
        capture_output=True,
        check=True,
        text=True,
    )
    assert process.stdout.strip() == "nobody"


@as_root
def test_root_makes_a_user_that_cannot_log_in(new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"hearth-{os.getpid()}"
    monkeypatch.setattr(system_user, "NAME", name)
    passwords = mode(Path("/etc/passwd"))
    told: list[str] = []

    try:
        user = system_user.user_for(new, tell=told.append)

        assert told == [f"created the system user {name}: PostgreSQL refuses to run as root"]
        assert pwd.getpwuid(user.uid).pw_name == name
        assert pwd.getpwuid(user.uid).pw_shell == "/bin/false"
        assert system_user.user_for(new) == user
        assert mode(Path("/etc/passwd")) == passwords
    finally:
        subprocess.run(["/usr/sbin/userdel", name], check=True, capture_output=True)


def test_prepare_makes_the_database_and_may_be_repeated(data: Path) -> None:
    server = embedded.start(data, durable=False)

    for _ in range(2):
        embedded.prepare(server, REPOSITORY / "sql" / "bootstrap.sql")

    with psycopg.connect(server.url("hearth_deployer", "hearth")) as connection:
        row = connection.execute("select current_setting('is_superuser')").fetchone()
    assert row == ("off",)


def test_prepare_stops_at_the_first_error(data: Path, place: Path) -> None:
    server = embedded.start(data, durable=False)
    script = place / "it's a script.sql"
    script.write_text("select 1 / 0;\ncreate table kept ();\n")

    with pytest.raises(EmbeddedError, match=r"it's a script.sql failed: .*division by zero"):
        embedded.prepare(server, script)

    assert ask(server, "select to_regclass('kept')") is None


def test_a_url_carries_any_name() -> None:
    server = Server(Path("/data"), Path("/tmp/socket"), 18, Path("/bin"))  # noqa: S108 -- a name

    parts = conninfo_to_dict(server.url("ada@home/1", "my hearth?"))

    assert (parts["user"], parts["dbname"]) == ("ada@home/1", "my hearth?")
    assert (parts["host"], parts["port"]) == ("/tmp/socket", "5432")  # noqa: S108 -- a name


def test_a_second_hold_says_who_serves(data: Path) -> None:
    with embedded.hold(data, "http://127.0.0.1:8000"):
        told = rf"^already running: pid {os.getpid()} at http://127\.0\.0\.1:8000$"
        with pytest.raises(EmbeddedError, match=told), embedded.hold(data, "http://other"):
            pass

    with embedded.hold(data, "http://other"):
        pass


def test_an_error_while_holding_is_passed_on_and_frees_the_hold(data: Path) -> None:
    with pytest.raises(OSError, match="port in use"), embedded.hold(data, "http://here"):
        raise OSError("port in use")

    with embedded.hold(data, "http://here"):
        pass


HOLDER = """
import sys
from pathlib import Path
from app import embedded

with embedded.hold(Path(sys.argv[1]), "http://there"):
    embedded.start(Path(sys.argv[1]), durable=False)
    print("serving", flush=True)
    sys.stdin.read()
"""


def test_a_killed_holder_leaves_its_server_to_the_next(data: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", HOLDER, str(data)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"serving\n"
        with pytest.raises(EmbeddedError, match=f"pid {holder.pid} at http://there"):
            embedded.hold(data, "http://here").__enter__()
        left = embedded.find(data)
        assert left
        process = postmaster(left)
        holder.kill()

    with embedded.hold(data, "http://h"):
        assert postmaster(embedded.start(data, durable=False)) == process
        with pytest.raises(EmbeddedError, match=f"pid {os.getpid()} at http://h$"):
            embedded.hold(data, "http://here").__enter__()


def test_ctrl_c_does_not_reach_the_server(data: Path) -> None:
    server = embedded.start(data, durable=False)

    assert os.getsid(postmaster(server)) != os.getsid(0)
    assert os.getpgid(postmaster(server)) != os.getpgid(0)


def python_for(user: pwd.struct_passwd) -> list[str]:
    """Return the start of a command that runs our Python as `user`, who may not enter /root."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    path = os.pathsep.join([str(REPOSITORY), sysconfig.get_path("purelib")])
    for python in (sys.executable, f"/usr/local/bin/{version}", f"/usr/bin/{version}"):
        command = ["/usr/bin/env", f"PYTHONPATH={path}", python, "-B"]
        tried = subprocess.run(
            [*command, "-c", "import app.embedded, psycopg, pytest"],
            cwd="/",
            capture_output=True,
            check=False,
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
        )
        if tried.returncode == 0:
            return command
    pytest.skip("no Python with these packages that an ordinary user can run")


@as_root
def test_the_same_holds_for_an_ordinary_user() -> None:
    nobody = pwd.getpwnam("nobody")
    same = [
        test_a_first_start_makes_a_server_for_both_drivers,
        test_stop_ends_sessions_and_keeps_the_data,
        test_a_killed_server_starts_again_at_once,
        test_a_process_id_that_lives_again_does_not_block_a_start,
        test_stop_does_not_touch_a_stranger_who_has_the_process_id_now,
        test_any_path_will_do,
        test_the_data_of_somebody_else_are_refused,
        test_a_socket_directory_laid_by_somebody_else_is_refused,
        test_directories_above_the_data_are_never_opened_for_reading,
        test_a_killed_holder_leaves_its_server_to_the_next,
    ]
    tests = [f"{__file__}::{test.__name__}" for test in same]

    done = subprocess.run(
        [*python_for(nobody), "-m", "pytest", "-p", "no:cacheprovider", *tests],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
        text=True,
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
    )

    assert done.returncode == 0, done.stdout + done.stderr
