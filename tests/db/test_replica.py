"""Several servers: one takes over from another, and one reads for another."""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from app import embedded, migrations
from app.db.context import Context, MemberRole
from app.db.figures import Outcome, Step, observer
from app.db.pool import Transaction
from app.db.replica import Positions, ReplicatedDatabase
from app.db.watch import Watch
from app.settings import Settings, sql_directory
from tests.conftest import Cluster, temporary_server
from tests.support.crowd import Crowd, titles
from tests.support.fixtures import Hearth, NewPerson, Person, Serve, bootstrap
from tests.support.load import Load, get
from tests.support.standby import Standby, kill, make_synchronous, standby_of

pytestmark = [pytest.mark.no_judge, pytest.mark.straight("it has servers of its own")]


def _on(server: embedded.Server) -> Hearth:
    return Hearth(Cluster(str(server.socket), 5432, "postgres"), "hearth")


@contextmanager
def _pair() -> Iterator[tuple[Hearth, Standby]]:
    """Yield a migrated database whose writes are durable, and a standby of its server."""
    with temporary_server() as primary:
        hearth = _on(primary)
        bootstrap(hearth.cluster, hearth.name)
        migrations.migrate(hearth.url("hearth_deployer"), sql_directory())
        with psycopg.connect(hearth.superuser_url, autocommit=True) as root:
            root.execute("alter database hearth set synchronous_commit = on")
        with standby_of(primary) as standby:
            yield hearth, standby


# -- One takes over --------------------------------------------------------------------------------


@pytest.mark.parametrize("is_synchronous", [True, False], ids=["synchronous", "asynchronous"])
async def test_a_standby_takes_over_under_load_and_nobody_restarts_the_service(
    serve: Serve, new_person: NewPerson, *, is_synchronous: bool
) -> None:
    with _pair() as (hearth, standby):
        make_synchronous(standby.primary, waits=is_synchronous)
        both = f"{standby.primary.socket},{standby.server.socket}"
        url = f"postgresql://app_api@/hearth?host={both}&target_session_attrs=read-write"
        with serve(hearth.settings(database_url=url, pool_max_size=4)) as service:
            people = [await new_person(at=service) for _ in range(4)]
            await asyncio.to_thread(standby.catch_up)
            crowd = Crowd(people)
            async with asyncio.TaskGroup() as tasks:
                for person in people:
                    tasks.create_task(crowd.write(person))
                await crowd.more(40)
                await asyncio.to_thread(kill, standby.primary)
                await asyncio.to_thread(standby.promote)
                before = {who: len(done) for who, done in crowd.acknowledged.items()}
                await crowd.more(40)
                crowd.may_end = True
            kept = [await titles(person) for person in people]

    acknowledged = [crowd.acknowledged[person.user_id] for person in people]
    if is_synchronous:
        assert kept == acknowledged
    # Of what the standby had not received nothing is left; nothing is there twice.
    since = [done[before[who] :] for who, done in crowd.acknowledged.items()]
    assert all({*mine} <= {*theirs} for mine, theirs in zip(since, kept, strict=True))
    assert all(len({*theirs}) == len(theirs) for theirs in kept)
    assert crowd.statuses <= {201, 503, 504}
    assert crowd.codes <= {"unavailable", "outcome-unknown"}


# -- One reads for another -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Hearth, Standby]]:
    """Yield a migrated database, and a standby of its server that each test leaves as it was."""
    with _pair() as pair:
        yield pair


@dataclass(frozen=True)
class _Served:
    url: str
    operators: str

    async def reads(self) -> dict[str, float]:
        """Return how many reads there were, by server."""
        async with httpx.AsyncClient(base_url=self.operators) as client:
            text = (await client.get("/metrics")).text
        found = re.findall(r'^hearth_reads_total{server="(\w+)"} (.+)$', text, re.MULTILINE)
        return {server: float(number) for server, number in found}

    async def replica(self, wanted: str | None) -> tuple[str, str | None]:
        """Wait until the check of the replica has a reason that fits, or is well.

        Returns the state of the whole, and the reason.
        """
        async with httpx.AsyncClient(base_url=self.operators) as client, asyncio.timeout(60):
            while True:
                report = (await client.get("/health")).json()
                check = report["checks"].get("replica", {"ok": False, "reason": None})
                reason = check["reason"]
                if check["ok"] if wanted is None else reason and re.search(wanted, reason):
                    return report["state"], reason


PAUSES = (0.01,) * 40


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and give a busy machine time to replay and to read."""
    monkeypatch.setattr("app.health.monitor.INTERVAL", 0.1)
    monkeypatch.setattr("app.db.replica.LIMIT", 5.0)
    monkeypatch.setattr("app.db.replica.PAUSES", PAUSES)


@contextmanager
def _served(hearth: Hearth, serve: Serve, replica_url: str, **changes: object) -> Iterator[_Served]:
    listener = socket.create_server(("127.0.0.1", 0))
    settings = hearth.settings(replica_url=replica_url, **changes)
    with serve(settings, operators=listener) as url:
        yield _Served(url, f"http://127.0.0.1:{listener.getsockname()[1]}")


@contextmanager
def _replay_paused(standby: Standby) -> Iterator[None]:
    standby.pause_replay()
    try:
        yield
    finally:
        standby.resume_replay()


async def _get(person: Person, path: str) -> tuple[int, dict[str, Any]]:
    answer = await person.client.get(path)
    return answer.status_code, answer.json()


async def test_reads_go_to_the_replica_and_see_what_was_written(
    pair: tuple[Hearth, Standby], serve: Serve, new_person: NewPerson
) -> None:
    hearth, standby = pair
    with _served(hearth, serve, _on(standby.server).url("app_api")) as served:
        ann = await new_person(at=served.url)
        await served.replica(None)
        before = await served.reads()
        seen = []
        for number in range(20):
            await ann.client.post("/v1/tasks", json={"title": f"Task {number}"})
            seen.append(len((await ann.client.get("/v1/tasks")).json()["items"]))
        after = await served.reads()

    assert seen == [*range(1, 21)]
    assert after["replica"] + after["primary"] - before["replica"] - before["primary"] == 20
    assert after["replica"] > before["replica"]


async def test_whoever_has_written_reads_it_while_the_replica_stands_still(
    pair: tuple[Hearth, Standby], serve: Serve, new_person: NewPerson
) -> None:
    hearth, standby = pair
    with _served(hearth, serve, _on(standby.server).url("app_api")) as served:
        ann = await new_person(at=served.url)
        await served.replica(None)
        with _replay_paused(standby):
            written = await ann.client.post("/v1/tasks", json={"title": "Water the plants"})
            at_once = await _get(ann, "/v1/tasks")
            await served.replica(r"^it is \d+ bytes behind$")
            later = await _get(ann, "/v1/tasks")
        await served.replica(None)

    assert written.status_code == 201
    seen = [[task["title"] for task in body["items"]] for _, body in (at_once, later)]
    assert seen == [["Water the plants"]] * 2


async def test_a_removed_member_is_refused_while_the_replica_stands_still(
    pair: tuple[Hearth, Standby], serve: Serve, new_person: NewPerson
) -> None:
    hearth, standby = pair
    with _served(hearth, serve, _on(standby.server).url("app_api")) as served:
        ann, bob = [await new_person(at=served.url) for _ in range(2)]
        with psycopg.connect(hearth.superuser_url, autocommit=True) as root:
            root.execute(
                "insert into app.family_memberships (family_id, user_id, role, display_name)"
                " values (%s, %s, 'member', 'Bob')",
                (ann.family_id, bob.user_id),
            )
        joined = await bob.client.post(f"/v1/families/{ann.family_id}/token")
        bob.take(joined.json())
        await asyncio.to_thread(standby.catch_up)
        await served.replica(None)
        before, _ = await _get(bob, "/v1/tasks")
        with _replay_paused(standby):
            removed = await ann.client.delete(f"/v1/members/{bob.user_id}")
            status, told = await _get(bob, "/v1/tasks")

    assert (before, removed.status_code) == (200, 204)
    assert (status, told["code"]) == (401, "outdated-token")


async def test_a_replica_that_is_killed_costs_no_error_and_is_used_again(
    pair: tuple[Hearth, Standby], serve: Serve, new_person: NewPerson
) -> None:
    hearth, standby = pair
    with _served(hearth, serve, _on(standby.server).url("app_api")) as served:
        ann = await new_person(at=served.url)
        await served.replica(None)
        port = int(served.url.rpartition(":")[2])
        token = ann.signed_in["access_token"]
        load = Load(lambda: port, [get("/v1/tasks", token)], 8)
        await load.until(50)
        await asyncio.to_thread(kill, standby.server)
        await load.until(50)
        state, _ = await served.replica("^REPLICA_URL: cannot reach the server")
        await asyncio.to_thread(standby.start)
        await served.replica(None)
        before = await served.reads()
        await load.until(50)
        after = await served.reads()
        counts = await load.stop()

    assert state == "degraded"
    assert {*counts} == {"200"}
    assert after["replica"] > before["replica"]


async def test_a_replica_that_is_silent_costs_no_error_and_is_told(
    pair: tuple[Hearth, Standby],
    serve: Serve,
    new_person: NewPerson,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hearth, standby = pair
    monkeypatch.setattr("app.db.replica.LIMIT", 0.5)
    with _served(hearth, serve, _on(standby.server).url("app_api"), request_timeout=6) as served:
        ann = await new_person(at=served.url)
        await served.replica(None)
        port = int(served.url.rpartition(":")[2])
        load = Load(lambda: port, [get("/v1/tasks", ann.signed_in["access_token"])], 8)
        await load.until(50)
        with standby.silenced():
            await load.until(50)
            state, _ = await served.replica("^REPLICA_URL: ")
            await load.until(50)
        await served.replica(None)
        before = await served.reads()
        await load.until(50)
        after = await served.reads()
        counts = await load.stop()

    assert state == "degraded"
    assert {*counts} == {"200"}
    assert after["replica"] > before["replica"]


class _Names:
    """Observes which queries run."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def took(
        self, step: Step, name: str, started: float, seconds: float, error: str | None
    ) -> None:
        if step is Step.QUERY:
            self.names.append(name)

    def ended(self, outcome: Outcome) -> None:
        pass


async def test_who_finds_a_replica_behind_spares_the_others_the_wait(
    pair: tuple[Hearth, Standby], serve: Serve, new_person: NewPerson
) -> None:
    hearth, standby = pair
    with serve(hearth.settings()) as url:
        ann = await new_person(at=url)
    who = _context(ann)
    database = ReplicatedDatabase(hearth.settings(replica_url=_on(standby.server).url("app_api")))
    await database.connect()
    observed = _Names()
    token = observer.set(observed)
    try:
        await asyncio.to_thread(standby.catch_up)
        looks = [(await database.look_at_replica())[0]]
        with _replay_paused(standby):
            with psycopg.connect(hearth.superuser_url, autocommit=True) as root:
                root.execute("select pg_logical_emit_message(true, 'hearth', 'more')")
            places = [await database.run(who, _place, read_only=True) for _ in range(3)]
            asked = observed.names.count("get_replica_fault")
        await asyncio.to_thread(standby.catch_up)
        looks.append((await database.look_at_replica())[0])
        places.append(await database.run(who, _place, read_only=True))
        written = await database.run(who, _place)
    finally:
        observer.reset(token)
        await database.disconnect()

    assert looks == [None, None]
    assert places == ["primary"] * 3 + ["replica"]
    assert written == "primary"
    assert asked == len(PAUSES) + 1 + 1  # of the first read, and of the look before it


async def test_a_read_whose_replica_falls_silent_under_it_is_done_on_the_primary(
    pair: tuple[Hearth, Standby], serve: Serve, new_person: NewPerson
) -> None:
    hearth, standby = pair
    with serve(hearth.settings()) as url:
        ann = await new_person(at=url)
    settings = hearth.settings(replica_url=_on(standby.server).url("app_api"), request_timeout=2)
    database = ReplicatedDatabase(settings)
    stopped: list[int] = []

    async def fall_silent(opened: Transaction) -> str:
        if await _place(opened) == "replica":
            stopped.append(await opened._connection.fetchval("select pg_backend_pid()"))
            os.kill(stopped[0], signal.SIGSTOP)
        return await _place(opened)

    await asyncio.to_thread(standby.catch_up)
    await database.connect()
    try:
        look = (await database.look_at_replica())[0]
        async with asyncio.timeout(30):
            place = await database.run(_context(ann), fall_silent, read_only=True)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        await database.disconnect()

    assert look is None
    assert len(stopped) == 1
    assert place == "primary"


def _context(person: Person) -> Context:
    return Context(person.user_id, None, person.family_id, MemberRole(person.role))


async def _place(opened: Transaction) -> str:
    is_standby = await opened._connection.fetchval("select pg_is_in_recovery()")
    return "replica" if is_standby else "primary"


async def test_at_the_end_of_a_segment_a_replica_that_has_all_is_used(
    pair: tuple[Hearth, Standby], serve: Serve, new_person: NewPerson
) -> None:
    hearth, standby = pair
    with _served(hearth, serve, _on(standby.server).url("app_api")) as served:
        ann = await new_person(at=served.url)
        with psycopg.connect(hearth.superuser_url, autocommit=True) as root:
            root.execute("select pg_switch_wal()")
        await served.replica(None)
        before = await served.reads()
        await _get(ann, "/v1/tasks")
        after = await served.reads()

    assert after["replica"] == before["replica"] + 1


@pytest.mark.parametrize(
    ("login", "database", "why"),
    [
        ("app_reader", "hearth", "its login is another one"),
        ("app_api", "nowhere", "REPLICA_URL: the server has no such database"),
        ("nobody", "hearth", "REPLICA_URL: the server refuses this login"),
    ],
)
async def test_what_is_no_replica_of_ours_is_told_and_not_used(
    pair: tuple[Hearth, Standby],
    serve: Serve,
    new_person: NewPerson,
    login: str,
    database: str,
    why: str,
) -> None:
    hearth, standby = pair
    url = _on(standby.server).cluster.url(login, database)
    with _served(hearth, serve, url) as served:
        ann = await new_person(at=served.url)
        _, reason = await served.replica(why)
        before = await served.reads()
        status, _ = await _get(ann, "/v1/tasks")
        after = await served.reads()

    assert reason == why
    assert status == 200
    assert after["replica"] == before["replica"]


async def test_a_standby_of_a_primary_that_was_replaced_is_not_used(
    serve: Serve, new_person: NewPerson
) -> None:
    with _pair() as (hearth, heir), standby_of(heir.primary) as left_behind:
        both = f"{heir.primary.socket},{heir.server.socket}"
        url = f"postgresql://app_api@/hearth?host={both}&target_session_attrs=read-write"
        replica = _on(left_behind.server).url("app_api")
        with _served(hearth, serve, replica, database_url=url) as served:
            ann = await new_person(at=served.url)
            await served.replica(None)
            heir.catch_up()
            # What the heir never receives makes the other one the farther of the two.
            embedded.stop(heir.server)
            for number in range(20):
                await ann.client.post("/v1/tasks", json={"title": f"Lost {number}"})
            left_behind.catch_up()
            kill(heir.primary)
            heir.start()
            heir.promote()
            await served.replica("^it does not yet follow the server that is the primary now$")
            await ann.client.post("/v1/tasks", json={"title": "Kept"})
            _, tasks = await _get(ann, "/v1/tasks")

    assert [task["title"] for task in tasks["items"]] == ["Kept"]


class _Held(Watch):
    """Has its first answer, and keeps it back until it may give it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.asked = 0
        self.has_answer, self.may_answer = asyncio.Event(), asyncio.Event()

    async def value(self, name: str, values: Mapping[str, object]) -> Any:
        value = await super().value(name, values)
        self.asked += 1
        self.has_answer.set()
        await self.may_answer.wait()
        return value


async def test_no_position_is_older_than_the_request_for_it_and_many_share_one(
    hearth: Hearth,
) -> None:
    watch = _Held(hearth.settings())
    positions = Positions(watch)
    early = asyncio.create_task(positions.take())
    await watch.has_answer.wait()
    with psycopg.connect(hearth.superuser_url, autocommit=True) as root:
        root.execute("select pg_logical_emit_message(false, 'hearth', 'written meanwhile')")
        (written,) = root.execute("select pg_current_wal_insert_lsn() - '0/0'").fetchone() or ()
    late = [asyncio.create_task(positions.take()) for _ in range(5)]
    watch.may_answer.set()
    first, *others = [str(one) for one in await asyncio.gather(early, *late)]
    positions.close()

    assert watch.asked == 2
    assert {*others} == {others[0]}
    assert _bytes(first) < written <= _bytes(others[0])


def _bytes(position: str) -> int:
    high, low = json.loads(position)["lsn"].split("/")
    return (int(high, 16) << 32) + int(low, 16)
