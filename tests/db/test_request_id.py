"""A request is found in PostgreSQL by its id, which leaves nothing behind there."""

import asyncio
import re
from uuid import uuid4

import asyncpg
import psycopg
import pytest

from app import embedded
from app.db.context import Context, MemberRole
from app.db.pool import Database, Transaction
from app.db.transaction import Beginning
from tests.conftest import temporary_server
from tests.support.fixtures import Hearth, Person, wait_until_requests_block

NAMED = "select count(*) from pg_stat_activity where application_name = $1"


async def test_a_request_that_waits_is_seen_by_its_id(hearth: Hearth, ann: Person) -> None:
    request_id = str(uuid4())
    watcher = await asyncpg.connect(hearth.superuser_url)
    holder = await asyncpg.connect(hearth.superuser_url)
    await ann.client.get("/v1/tasks")  # it has been prepared since
    await holder.execute("begin; lock table app.tasks in access exclusive mode")

    asking = asyncio.create_task(ann.client.get("/v1/tasks", headers={"X-Request-Id": request_id}))
    await wait_until_requests_block(watcher, 1)
    during = await watcher.fetchval(NAMED, f"hearth {request_id}")
    await holder.execute("rollback")
    response = await asking
    afterwards = await watcher.fetchval(NAMED, f"hearth {request_id}")
    await holder.close()
    await watcher.close()

    assert (response.status_code, response.headers["X-Request-Id"]) == (200, request_id)
    assert (during, afterwards) == (1, 0)


async def test_a_transaction_leaves_the_connections_name_as_it_was(hearth: Hearth) -> None:
    database = Database(hearth.settings(pool_min_size=1, pool_max_size=1))
    await database.connect()

    async def name(transaction: Transaction) -> object:
        return await transaction._connection.fetchval("show application_name")

    async def fail(_: Transaction) -> None:
        raise ZeroDivisionError

    request_id = uuid4()
    during = await database.run(None, name, request_id=request_id)
    with pytest.raises(ZeroDivisionError):
        await database.run(None, fail, request_id=request_id)
    afterwards = await database.run(None, name)
    await database.disconnect()

    assert (during, afterwards) == (f"hearth {request_id}", "hearth")


def test_what_a_request_adds_to_an_opening_is_constants_of_a_select() -> None:
    who = Context(uuid4(), uuid4(), uuid4(), MemberRole.OWNER)
    one, other = (Beginning(who, request_id=uuid4()).message.split(";") for _ in range(2))

    differ = [(text, also) for text, also in zip(one, other, strict=True) if text != also]

    assert [text.split()[0] for text, _ in differ] == ["SELECT"]
    # As pg_stat_statements does.
    assert len({re.sub("'[^']*'", "$", text) for pair in differ for text in pair}) == 1


def test_a_hundred_requests_are_as_many_entries_as_one() -> None:
    with temporary_server() as server:
        root = server.url("postgres", "postgres")
        with psycopg.connect(root, autocommit=True) as connection:
            available = "select name from pg_available_extensions where name = 'pg_stat_statements'"
            if connection.execute(available).fetchone() is None:
                pytest.skip("this server has no pg_stat_statements")
            connection.execute("alter system set shared_preload_libraries = pg_stat_statements")
        embedded.stop(server)
        again = embedded.start(
            server.data, version=server.version, durable=False, binaries=server.binaries
        )
        try:
            with psycopg.connect(root, autocommit=True) as connection:
                connection.execute("create extension pg_stat_statements")
                counts = []
                for _ in range(100):
                    connection.execute(Beginning(request_id=uuid4()).message + "COMMIT")
                    ((count,),) = connection.execute(
                        "select count(*) from pg_stat_statements"
                    ).fetchall()
                    counts.append(count)
        finally:
            embedded.stop(again)

    assert set(counts[2:]) == {counts[2]}
