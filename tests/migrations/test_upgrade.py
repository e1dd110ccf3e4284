"""A major upgrade of the server: from 16 to 18, with data."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import psycopg
import pytest

from app import embedded, migrations
from app.embedded import cluster as programs
from app.embedded.system_user import user_for
from app.settings import sql_directory
from tests.conftest import Cluster
from tests.support.fixtures import PASSWORD, Hearth, Serve, bootstrap
from tests.support.households import make_household
from tests.support.rows import all_rows

# Starts servers of 16 and 18 itself.
pytestmark = [pytest.mark.newest, pytest.mark.straight("the servers are others")]


@pytest.fixture
def place() -> Iterator[Path]:
    """Yield a directory that the servers' user can reach."""
    with tempfile.TemporaryDirectory(prefix="hearth-upgrade-") as name:
        yield Path(name)


def _upgrade(old: Path, new: Path) -> None:
    """Make a cluster of 18 beside one of 16 and move the data over, as an administrator would."""
    user = user_for(old)
    before, after = (programs.programs(version, reader=user) for version in (16, 18))
    programs.make(new, user, 18, durable=False, binaries=after)
    scratch = old.with_name("scratch")
    user.own_directory(scratch)
    # 18 has checksums from the start, 16 had to be asked for them.
    done = user.run([before / "pg_checksums", "--enable", "-D", old])
    assert done.returncode == 0, done.stderr
    # It writes where it stands.
    enter: list[str | Path] = ["sh", "-c", 'cd "$0" && exec "$@"', scratch]
    places: list[str | Path] = ["-b", before, "-B", after, "-d", old, "-D", new]
    done = user.run([*enter, after / "pg_upgrade", *places, "-U", "postgres"])
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _running(data: Path, version: int) -> Iterator[Hearth]:
    server = embedded.start(data, version=version, durable=False)
    try:
        yield Hearth(Cluster(str(server.socket), 5432, "postgres"), "hearth")
    finally:
        embedded.stop(server)


def _users(hearth: Hearth) -> dict[str, UUID]:
    with psycopg.connect(hearth.superuser_url) as connection:
        rows = connection.execute("select email, id from app.users").fetchall()
    return dict(rows)


@contextmanager
def _served(serve: Serve, hearth: Hearth) -> Iterator[tuple[str, tuple[int, str]]]:
    """Serve; yield where, with the status of its health and what makes new ids."""
    with (
        socket.create_server(("127.0.0.1", 0)) as operators,
        serve(hearth.settings(), operators=operators) as url,
    ):
        port = operators.getsockname()[1]
        told = httpx.get(f"http://127.0.0.1:{port}/health")
        yield url, (told.status_code, told.json()["checks"]["database"]["new_id"])


async def _add_a_household(hearth: Hearth) -> None:
    root = await asyncpg.connect(hearth.superuser_url)
    try:
        await make_household(root)
    finally:
        await root.close()


async def test_after_an_upgrade_the_next_migrate_switches_new_ids_and_leaves_the_rest(
    place: Path, serve: Serve
) -> None:
    def sign_up(url: str, email: str) -> None:
        body = {"email": email, "password": PASSWORD, "full_name": "Somebody"}
        assert httpx.post(f"{url}/v1/auth/signup", json=body).status_code == 201

    with _running(place / "old", 16) as hearth:
        bootstrap(hearth.cluster, hearth.name)
        migrations.migrate(hearth.url("hearth_deployer"), sql_directory())
        with serve(hearth.settings()) as url:
            sign_up(url, "old@example.com")
        await _add_a_household(hearth)
        old, rows = _users(hearth), await all_rows(hearth)
    _upgrade(place / "old", place / "new")

    with _running(place / "new", 18) as hearth:
        deployer = hearth.url("hearth_deployer")
        upgraded = migrations.status(deployer, sql_directory())
        with _served(serve, hearth) as (_, upgraded_health):
            health = [upgraded_health]
        migrations.migrate(deployer, sql_directory())
        migrated = migrations.status(deployer, sql_directory())
        migrated_rows = await all_rows(hearth)
        with _served(serve, hearth) as (url, migrated_health):
            sign_up(url, "new@example.com")
            health.append(migrated_health)
        users = _users(hearth)

    assert "functions/values/new_id.sql" in {item.file for item in upgraded.items}
    assert migrated.is_consistent
    assert health == [(200, "gen_random_uuid"), (200, "uuidv7")]
    assert len(rows) > 30
    assert migrated_rows == rows
    assert (users["old@example.com"].version, users["new@example.com"].version) == (4, 7)
    assert users["old@example.com"] == old["old@example.com"]
