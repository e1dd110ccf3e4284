"""Several servers: one takes over from another, and one reads for another."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from app import embedded, migrations
from app.settings import sql_directory
from tests.conftest import Cluster, temporary_server
from tests.support.crowd import Crowd, titles
from tests.support.fixtures import Hearth, NewPerson, Serve, bootstrap
from tests.support.standby import Standby, kill, make_synchronous, standby_of

pytestmark = pytest.mark.no_judge


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
