"""Migrations under traffic: they give way to whoever has a lock, and nobody has to wait long."""

import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from app import migrations
from app.migrations import MigrationError
from app.migrations.sources import Tree
from app.settings import sql_directory
from tests.support.fixtures import Hearth, Serve

WIDER = """\
-- One more column.
--
-- depends: {head}

set local role app_owner;
alter table app.tasks add column note text;
comment on column app.tasks.note is 'A note.';
"""


@pytest.fixture
def wider(tmp_path: Path) -> Path:
    """Return the files, with a migration that shuts everybody out of the tasks for a moment."""
    sql = tmp_path / "sql"
    shutil.copytree(sql_directory(), sql)
    head = Tree.read(sql).migrations[-1].name
    (sql / "migrations/9999_wider.sql").write_text(WIDER.format(head=head))
    (sql / "migrations/9999_wider.rollback.sql").write_text(
        "-- The notes.\nset local role app_owner;\nalter table app.tasks drop column note;\n"
    )
    return sql


class Told(list[str]):
    """What a migration says; and waits until it has said something so many times."""

    def __init__(self) -> None:
        super().__init__()
        self._said = threading.Condition()

    def __call__(self, line: str) -> None:
        """Take a line."""
        with self._said:
            self.append(line)
            self._said.notify_all()

    def wait_for(self, start: str, times: int) -> None:
        """Wait until so many lines begin so."""
        with self._said:
            assert self._said.wait_for(
                lambda: sum(line.startswith(start) for line in self) >= times, timeout=30
            ), self


@contextmanager
def _reader(hearth: Hearth) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(hearth.superuser_url, application_name="a report") as reader:
        reader.execute("lock table app.tasks in access share mode")
        yield reader


@pytest.mark.straight("migrates the database of a service")
def test_a_migration_waits_for_a_long_reader_and_nobody_else_notices(
    own_hearth: Hearth, serve: Serve, wider: Path
) -> None:
    told, answers, ended = Told(), Counter[int](), threading.Event()
    person = {"email": "ann@example.com", "password": "Correct-horse 9", "full_name": "Ann"}

    def ask(client: httpx.Client) -> None:
        while not ended.is_set():
            answers[client.get("/v1/tasks").status_code] += 1

    with (
        serve(own_hearth.settings()) as url,
        httpx.Client(base_url=url, timeout=30) as client,
        ThreadPoolExecutor() as pool,
    ):
        signed_up = client.post("/v1/auth/signup", json={**person, "family_name": "Home"})
        client.headers["Authorization"] = f"Bearer {signed_up.json()['access_token']}"
        try:
            asking = [pool.submit(ask, client) for _ in range(4)]
            with _reader(own_hearth) as reader:
                work = pool.submit(
                    migrations.migrate, own_hearth.url("hearth_deployer"), wider, progress=told
                )
                told.wait_for("no lock was to be had", 2)
                pid = reader.info.backend_pid
            steps = work.result()
        finally:
            ended.set()
        for each in asking:
            each.result()

    assert [str(step) for step in steps] == ["apply migrations/9999_wider.sql: pending"]
    assert any(line.startswith(f"waiting for pid {pid} (") for line in told)
    assert set(answers) == {200}
    assert answers[200] > 20


def test_who_never_gets_a_lock_gives_up_and_leaves_nothing(own_hearth: Hearth, wider: Path) -> None:
    url, told = own_hearth.url("hearth_deployer"), Told()

    with _reader(own_hearth), pytest.raises(MigrationError, match="another session is using it"):
        migrations.migrate(url, wider, lock_timeout=50, retries=1, progress=told)

    gave_way = [line for line in told if not line.startswith("waiting for ")]
    assert gave_way == ["no lock was to be had: nothing was changed, trying again in 0.5 s"]
    assert migrations.status(url, sql_directory()).is_consistent


def test_what_fails_for_another_reason_is_not_tried_again(own_hearth: Hearth, wider: Path) -> None:
    path, told = wider / "migrations/9999_wider.sql", Told()
    path.write_text(path.read_text().replace("add column note text", "add column note text;\n1/0"))

    with pytest.raises(MigrationError, match=r"9999_wider\.sql:7: syntax error"):
        migrations.migrate(own_hearth.url("hearth_deployer"), wider, progress=told)

    assert told == []
