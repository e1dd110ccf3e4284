"""Health: never well without having asked the database, and an answer without asking it."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Self

import asyncpg
import httpx
import psycopg
import pytest
from structlog.typing import EventDict

from app import embedded, migrations
from app.db.admin import run_as_ops
from app.db.pool import Database
from app.health.monitor import Monitor
from app.migrations import lock
from app.settings import Settings, sql_directory
from tests.conftest import Cluster, temporary_server
from tests.support.fixtures import Hearth, NewPerson, Serve, bootstrap, wait_until_requests_block

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

Report = dict[str, Any]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often: what takes some looks takes no time."""
    monkeypatch.setattr("app.health.monitor.INTERVAL", 0.05)


async def _make_months(hearth: Hearth) -> None:
    """Make the months of the trail, as `hearth migrate` does."""
    await run_as_ops(hearth.url("hearth_deployer"), "ensure_audit_partitions", {"months_ahead": 12})


@pytest.fixture
async def whole(own_hearth: Hearth) -> Hearth:
    """Return a database of which nothing is amiss."""
    await _make_months(own_hearth)
    return own_hearth


async def _get(url: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        return await client.get(path)


@dataclass(frozen=True)
class Served:
    """A service: where everybody comes, and where its operators do."""

    url: str
    operators: str

    async def until(self, holds: Callable[[Report], object]) -> Report:
        """Return the first report of which something holds; fail after ten seconds."""
        report: Report = {}
        try:
            async with asyncio.timeout(10), httpx.AsyncClient(base_url=self.operators) as client:
                while not holds(report := (await client.get("/health")).json()):
                    pass  # each look is a round trip, in which others run
        except TimeoutError:
            pytest.fail(f"it stayed {report}")
        return report

    async def until_is(self, state: str) -> Report:
        """Return the first report of a state."""
        return await self.until(lambda report: report["state"] == state)


@contextmanager
def _served(serve: Serve, settings: Settings, *, is_awaited: bool = True) -> Iterator[Served]:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        serve(settings, operators=listener, is_awaited=is_awaited) as url,
    ):
        yield Served(url, f"http://127.0.0.1:{listener.getsockname()[1]}")


@asynccontextmanager
async def _root(hearth: Hearth, database: str | None = None) -> AsyncIterator[asyncpg.Connection]:
    cluster = hearth.cluster
    connection = await asyncpg.connect(cluster.url(cluster.user, database or hearth.name))
    try:
        yield connection
    finally:
        await connection.close()


def _changes(logged: list[EventDict]) -> list[tuple[str, str]]:
    return [(str(e["was"]), str(e["state"])) for e in logged if e["event"] == "health changed"]


def _is(state: str, **because: str) -> Callable[[Report], object]:
    """Return whether a report has a state, and gives reasons of which these are a part."""

    def holds(report: Report) -> bool:
        checks = report["checks"]
        return report["state"] == state and all(
            name in checks and part in (checks[name]["reason"] or "")
            for name, part in because.items()
        )

    return holds


# -- What is told ----------------------------------------------------------------------------------


async def test_all_is_well_when_it_is_and_operators_are_told_all_of_it(
    whole: Hearth, serve: Serve
) -> None:
    with _served(serve, whole.settings()) as served:
        report = await served.until_is("healthy")
        database = (await _get(served.operators, "/health/database")).json()

    async with _root(whole) as root:
        version = await root.fetchval("show server_version")
    newer = int(version.split(".")[0]) >= 18
    checks = report["checks"]
    assert list(checks) == [
        *("database", "role", "writable", "clock", "migrations", "trail", "replication"),
        *("pooler", "pool", "errors"),
    ]
    assert all(one["ok"] and one["reason"] is None and one["since"] for one in checks.values())
    assert checks["database"]["server_version"] == version
    assert checks["database"]["new_id"] == ("uuidv7" if newer else "gen_random_uuid")
    assert checks["database"]["milliseconds"] > 0
    assert checks["trail"]["months_left"] >= 2
    assert database.keys() == checks["database"].keys() | {"age_seconds"}


async def test_everybody_is_told_what_is_well_and_nothing_else(service: str) -> None:
    report = await _get(service, "/health")
    ready = await _get(service, "/health/ready")
    database = await _get(service, "/health/database")

    assert report.json().keys() == {"state", "age_seconds", "checks"}
    assert all(one.keys() == {"ok"} for one in report.json()["checks"].values())
    assert ready.json().keys() == {"state", "age_seconds"}
    assert database.json().keys() == {"ok", "age_seconds"}
    assert [one.status_code for one in (report, ready, database)] == [200] * 3


async def test_figures_are_on_one_port_alone(whole: Hearth, serve: Serve) -> None:
    with _served(serve, whole.settings()) as served:
        public = await _get(served.url, "/metrics")
        private = await _get(served.operators, "/metrics")
        nothing = await _get(served.operators, "/v1/tasks")

    assert (public.status_code, private.status_code, nothing.status_code) == (404, 200, 404)
    assert 'hearth_health_state{state="healthy"} 1.0' in private.text
    assert 'hearth_health_state{state="starting"} 0.0' in private.text
    assert 'hearth_health_transitions_total{state="healthy",was="starting"}' in private.text


async def test_metrics_count_requests_by_route_and_never_by_path(service: str) -> None:
    missing = "/v1/tasks/00000000-0000-0000-0000-000000000000"
    await _get(service, missing)

    figures = (await _get(service, "/metrics")).text

    assert "hearth_request_duration_seconds_count{" in figures
    assert 'route="/v1/tasks/{task_id:uuid}"' in figures
    assert missing not in figures
    assert 'hearth_pool_connections{which="max"} 10.0' in figures


async def test_a_report_that_is_too_old_is_not_believed(
    hearth: Hearth, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _served(serve, hearth.settings()) as served:
        monkeypatch.setattr("app.health.monitor.MAX_AGE", -1)
        report = await served.until_is("unhealthy")
        ready = await _get(served.url, "/health/ready")
        database = await _get(served.url, "/health/database")
        figures = await _get(served.operators, "/metrics")

    assert "nobody has looked for" in report["checks"]["monitor"]["reason"]
    assert (ready.status_code, database.status_code) == (503, 503)
    assert 'hearth_health_state{state="unhealthy"} 1.0' in figures.text


# -- The database comes and goes -------------------------------------------------------------------


async def _close(hearth: Hearth) -> None:
    async with _root(hearth, "postgres") as root:
        await root.execute(f'alter database "{hearth.name}" with allow_connections false')
        await root.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
            hearth.name,
        )


async def _open(hearth: Hearth) -> None:
    async with _root(hearth, "postgres") as root:
        await root.execute(f'alter database "{hearth.name}" with allow_connections true')


@pytest.mark.straight("it counts the tries, and a pooler lets them wait")
async def test_it_is_starting_from_the_first_moment_until_the_database_is_there(
    whole: Hearth, serve: Serve, logged: list[EventDict]
) -> None:
    await _close(whole)
    try:
        with _served(serve, whole.settings(), is_awaited=False) as served:
            before = {
                path: await _get(served.url, path)
                for path in ("/health", "/health/ready", "/health/database", "/health/live")
            }
            async with httpx.AsyncClient(base_url=served.url) as client:
                body = {"email": "ann@example.com", "password": "correct horse battery"}
                refused = await client.post("/v1/auth/signin", json=body)
            await _open(whole)
            await served.until_is("healthy")
            after = await _get(served.url, "/health/ready")
    finally:
        await _open(whole)

    assert [one.status_code for one in before.values()] == [503, 503, 503, 200]
    assert {before[path].json()["state"] for path in ("/health", "/health/ready")} == {"starting"}
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert refused.headers["Retry-After"] == "1"
    assert after.status_code == 200
    assert _changes(logged) == [("starting", "healthy")]
    assert any(one["event"].startswith("waiting for the database") for one in logged)


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ("postgres", "DATABASE_URL: postgres must not serve tenants: it is a superuser"),
        ("hearth_deployer", "DATABASE_URL: this login may not use schema app; it should be"),
        ("nobody", "DATABASE_URL: the server refuses this login"),
    ],
)
async def test_what_can_never_work_ends_the_start(hearth: Hearth, user: str, why: str) -> None:
    user = hearth.cluster.user if user == "postgres" else user
    settings = hearth.settings(database_url=hearth.url(user))
    monitor = Monitor(settings, database := Database(settings))
    failure = asyncio.get_running_loop().create_future()

    async with monitor.watching(lambda: None, failure.set_result):
        error = await asyncio.wait_for(failure, timeout=10)

    assert str(error).startswith(why)
    assert monitor.report.state == "unhealthy"
    assert database.state == "disconnected"


async def _migrated(server: embedded.Server) -> Hearth:
    hearth = Hearth(Cluster(str(server.socket), 5432, "postgres"), "hearth")
    bootstrap(hearth.cluster, hearth.name)
    migrations.migrate(hearth.url("hearth_deployer"), sql_directory())
    await _make_months(hearth)
    return hearth


async def test_a_server_that_stops_is_told_and_so_is_its_return(
    serve: Serve, logged: list[EventDict]
) -> None:
    with temporary_server() as server:
        hearth = await _migrated(server)
        with _served(serve, hearth.settings()) as served:
            before = await served.until_is("healthy")
            embedded.stop(server)
            gone = await served.until_is("unhealthy")
            answers = [
                (await _get(served.url, path)).status_code
                for path in ("/health", "/health/ready", "/health/database", "/health/live")
            ]
            again = embedded.start(server.data, version=server.version, durable=False)
            try:
                back = await served.until_is("healthy")
            finally:
                embedded.stop(again)

    assert answers == [503, 503, 503, 200]
    assert "it could not be asked" in gone["checks"]["database"]["reason"]
    assert gone["checks"]["database"]["since"] > before["checks"]["database"]["since"]
    assert back["checks"]["trail"]["since"] == before["checks"]["trail"]["since"]
    assert _changes(logged)[:3] == [
        ("starting", "healthy"),
        ("healthy", "unhealthy"),
        ("unhealthy", "healthy"),
    ]


async def test_a_server_that_is_silent_is_told(serve: Serve, logged: list[EventDict]) -> None:
    with temporary_server() as server:
        hearth = await _migrated(server)
        with _served(serve, hearth.settings()) as served:
            await served.until_is("healthy")
            async with _root(hearth) as root:
                others = "select pid from pg_stat_activity where pid <> pg_backend_pid()"
                pids = await root.fetch(others)
            postmaster = (server.data / "postmaster.pid").read_text("ascii").split()[0]
            stopped = [int(postmaster), *(row["pid"] for row in pids)]
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            try:
                await served.until(_is("unhealthy", database="it could not be asked"))
                live = await _get(served.url, "/health/live")
            finally:
                for pid in stopped:
                    os.kill(pid, signal.SIGCONT)
            await served.until_is("healthy")

    assert live.status_code == 200
    assert _changes(logged) == [
        ("starting", "healthy"),
        ("healthy", "unhealthy"),
        ("unhealthy", "healthy"),
    ]


async def test_a_connection_that_is_ended_is_no_fault_of_the_server(
    whole: Hearth, serve: Serve, logged: list[EventDict]
) -> None:
    ours = (
        "from pg_stat_activity where datname = current_database()"
        " and application_name = 'hearth health'"
    )
    # One that has been asked; else the one that takes its place could be ended as well.
    has_looked = f"select pid {ours} and state = 'idle' and query = 'COMMIT' and pid <> all ($1)"
    ended: list[int] = []
    with _served(serve, whole.settings()) as served:
        await served.until_is("healthy")
        async with _root(whole) as root, asyncio.timeout(20):
            for _ in range(5):
                while not (pids := [row["pid"] for row in await root.fetch(has_looked, ended)]):
                    pass  # each look is a round trip, in which others run
                await root.fetch(
                    f"select pg_terminate_backend(pid) {ours} and pid = any ($1)", pids
                )
                ended += pids
            while not await root.fetch(has_looked, ended):
                pass

    assert _changes(logged) == [("starting", "healthy")]


def _is_after(seen: Report) -> Callable[[Report], object]:
    """Return whether a report is of a later look: no two take as long."""

    def milliseconds(report: Report) -> object:
        return report["checks"]["database"].get("milliseconds")

    return lambda report: milliseconds(report) != milliseconds(seen)


async def test_a_database_that_hangs_is_told(whole: Hearth, serve: Serve) -> None:
    with _served(serve, whole.settings()) as served:
        async with _root(whole) as blocker, blocker.transaction():
            await blocker.execute("lock table yoyo.files in access exclusive mode")
            await served.until(_is("unhealthy", database="it could not be asked"))
        await served.until_is("healthy")


# -- What is not as it should be -------------------------------------------------------------------


@pytest.mark.straight("a pooler keeps connections that it opened read-only")
async def test_a_database_that_takes_no_writes_is_degraded(
    whole: Hearth, serve: Serve, logged: list[EventDict]
) -> None:
    ours = f'alter database "{whole.name}"'
    with _served(serve, whole.settings()) as served:
        async with _root(whole, "postgres") as root:
            await root.execute(f"{ours} set default_transaction_read_only = on")
            await served.until(_is("degraded", writable="new connections are read-only"))
            await root.fetch(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
                whole.name,
            )
            await served.until(_is("degraded", writable="transactions are read-only"))
            ready = await _get(served.url, "/health/ready")
            # The sessions that began meanwhile stay read-only, the monitor's too.
            await root.execute(f"{ours} reset default_transaction_read_only")
            await served.until_is("healthy")

    assert ready.status_code == 200
    assert _changes(logged) == [
        ("starting", "healthy"),
        ("healthy", "degraded"),
        ("degraded", "healthy"),
    ]


@pytest.mark.parametrize(("days", "direction"), [(31, " ahead of "), (-31, " behind ")])
async def test_a_clock_that_is_not_the_databases_is_told(
    whole: Hearth, serve: Serve, monkeypatch: pytest.MonkeyPatch, days: int, direction: str
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(days=days * 1.00001)

    with _served(serve, whole.settings()) as served:
        await served.until_is("healthy")
        monkeypatch.setattr("app.health.monitor.datetime", Wrong)
        wrong = await served.until(_is("degraded", clock="the service is 31 days"))
        monkeypatch.undo()
        await served.until_is("healthy")

    assert direction in wrong["checks"]["clock"]["reason"]


async def test_writes_that_the_server_has_no_space_for_are_told_until_they_are_taken(
    whole: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    full = (
        "create function app.full() returns trigger language plpgsql as"
        " $$begin raise exception 'no space' using errcode = 'disk_full'; end$$;"
        "create trigger full_disk before insert on app.tasks execute function app.full()"
    )
    with _served(serve, whole.settings()) as served:
        ann = await new_person(at=served.url)
        async with _root(whole) as root:
            await root.execute(full)
            refused = await ann.client.post("/v1/tasks", json={"title": "Sweep"})
            report = await served.until(_is("degraded", writable="no space left (SQLSTATE 53100)"))
            await root.execute("drop trigger full_disk on app.tasks")
        for _ in range(20):
            await ann.client.post("/v1/tasks", json={"title": "Sweep"})
        await served.until_is("healthy")

    assert refused.status_code == 503
    assert report["checks"]["database"]["ok"]


async def test_a_trail_without_months_is_degraded_and_so_are_rows_without_a_month(
    whole: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    drop = """
        do $$
        declare
            v_month regclass;
        begin
            for v_month in
                select i.inhrelid from pg_inherits as i
                where i.inhparent = 'app.audit_log'::regclass
                    and i.inhrelid::regclass::text > 'app.audit_log_' || to_char(
                        now() at time zone 'UTC' + interval '1 month' * %s, 'YYYY_MM'
                    )
                    and i.inhrelid <> 'app.audit_log_default'::regclass
            loop
                execute format('drop table %%s', v_month);
            end loop;
        end $$
    """
    with _served(serve, whole.settings()) as served:
        async with _root(whole) as root:
            await root.execute(drop % 0)
            next_month = await served.until(_is("degraded", trail="the next month has no"))
            await root.execute(drop % -1)
            this_month = await served.until(_is("degraded", trail="this month has no partition"))
        await new_person(at=served.url, family_name="The Late")
        await served.until(_is("degraded", trail="there are rows in app.audit_log_default"))

    months = [one["checks"]["trail"]["months_left"] for one in (next_month, this_month)]
    assert months == [1, 0]


async def test_a_database_behind_or_ahead_of_the_files_is_degraded_and_says_which(
    whole: Hearth, serve: Serve
) -> None:
    with _served(serve, whole.settings()) as served:
        async with _root(whole) as root:
            await root.execute("update yoyo.files set sha256 = 'old' where name = 'tg_touch'")
            await root.execute("update yoyo.files set state = 'applying' where name = 'new_id'")
            await root.execute(
                "insert into yoyo.files (kind, name, state, sha256)"
                " values ('migration', '9999_later', 'applied', 'new')"
            )
            report = await served.until(_is("degraded", migrations="migration/9999_later"))
            public = await _get(served.url, "/health")

    check = report["checks"]["migrations"]
    assert check["differing"] == ["function/tg_touch"]
    assert check["missing"] == ["function/new_id"]
    assert check["unknown"] == ["migration/9999_later"]
    assert check["reason"] == (
        "not applied: function/new_id; applied as another version: function/tg_touch;"
        " applied, and not known here: migration/9999_later"
    )
    assert public.status_code == 200
    assert public.json()["checks"]["migrations"] == {"ok": False}


async def test_while_somebody_migrates_it_is_degraded_once(
    whole: Hearth, serve: Serve, logged: list[EventDict]
) -> None:
    with _served(serve, whole.settings()) as served:
        with psycopg.connect(whole.url("hearth_deployer"), autocommit=True) as deployer:
            lock.acquire(deployer, 1, lambda line: None)
            await served.until(_is("degraded", migrations="hearth migrate is at work"))
            with deployer.transaction():
                deployer.execute("set role app_owner")
                # As a month is attached, which nobody passes who wants the table.
                deployer.execute("lock table app.audit_log_default in access exclusive mode")
                seen = await served.until(_is("degraded"))
                await served.until(_is_after(seen))
        await served.until_is("healthy")

    assert _changes(logged) == [
        ("starting", "healthy"),
        ("healthy", "degraded"),
        ("degraded", "healthy"),
    ]


@pytest.mark.parametrize(
    ("grant", "revoke", "because"),
    [
        (
            "alter role app_api bypassrls",
            "alter role app_api nobypassrls",
            "it bypasses row level security",
        ),
        (
            "grant app_ops to app_api",
            "revoke app_ops from app_api",
            "it is a member of other roles",
        ),
    ],
)
async def test_a_login_made_unsafe_while_serving_is_unhealthy(
    whole: Hearth, serve: Serve, grant: str, revoke: str, because: str
) -> None:
    with _served(serve, whole.settings()) as served:
        async with _root(whole) as root:
            await root.execute(grant)
            try:
                report = await served.until_is("unhealthy")
                public = await _get(served.url, "/health")
            finally:
                await root.execute(revoke)

    assert report["checks"]["role"]["reason"] == f"app_api must not serve tenants: {because}"
    assert public.status_code == 503
    assert "app_api" not in public.text


async def test_commits_that_wait_for_a_standby_that_is_not_there_are_told(serve: Serve) -> None:
    with temporary_server() as server:
        hearth = await _migrated(server)
        async with _root(hearth) as root:
            await root.execute("alter role app_api set synchronous_commit = on")
        with _served(serve, hearth.settings()) as served:
            async with _root(hearth) as root:
                await root.execute("alter system set synchronous_standby_names = 'nobody'")
                await root.execute("select pg_reload_conf()")
                await served.until(_is("degraded", replication="there is none"))
                await root.execute("alter system reset synchronous_standby_names")
                await root.execute("select pg_reload_conf()")
            await served.until_is("healthy")


async def test_a_pool_that_is_waited_for_is_degraded_and_health_does_not_wait(
    whole: Hearth, serve: Serve, new_person: NewPerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.health.monitor.LONG_WAIT", 0.1)
    settings = whole.settings(
        pool_min_size=1, pool_max_size=1, lock_timeout_ms=60_000, statement_timeout_ms=60_000
    )
    with _served(serve, settings) as served:
        ann = await new_person(at=served.url)
        async with _root(whole) as root:
            transaction = root.transaction()
            await transaction.start()
            await root.execute("lock table app.tasks in access exclusive mode")
            holding = asyncio.create_task(ann.client.get("/v1/tasks"))
            await wait_until_requests_block(root, 1)
            waiting = asyncio.create_task(ann.client.get("/v1/tasks"))
            report = await served.until(_is("degraded", pool="a connection was waited for"))
            ready = await _get(served.url, "/health/ready")
            await transaction.rollback()
        answers = [await holding, await waiting]
        await served.until_is("healthy")

    assert (report["checks"]["pool"]["in_use"], report["checks"]["pool"]["waiting"]) == (1, 1)
    assert ready.status_code == 200
    assert [one.status_code for one in answers] == [200, 200]


async def test_requests_that_fail_are_told(
    whole: Hearth, serve: Serve, new_person: NewPerson
) -> None:
    with _served(serve, whole.settings()) as served:
        ann = await new_person(at=served.url)
        async with _root(whole) as root:
            await root.execute("alter table app.tasks rename to chores")
        for _ in range(20):
            await ann.client.get("/v1/tasks")
        await served.until(_is("degraded", errors="20 of 21 requests failed within a minute"))
