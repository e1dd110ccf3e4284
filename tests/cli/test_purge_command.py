"""`hearth purge`: what it deletes for good, what it leaves, and how it says so."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from app.db.queries import load_queries
from app.ops.purge import kinds
from tests.support.fixtures import Hearth, wait_until_blocked
from tests.support.households import Household, Rows, make_household, snapshot
from tests.support.terminal import on_terminal

pytestmark = pytest.mark.no_judge

# What is of people and not of what they have; and their tables, where these are called otherwise.
OF_PEOPLE = ("memberships", "families", "accounts", "invitations", "sessions")
TABLES = {"memberships": "family_memberships", "accounts": "users"}

NOTHING = dict.fromkeys(kinds(), 0)

# What keeps the names of those who are gone.
TRAIL = {"audit_log", "account_events"}


@dataclass(frozen=True)
class Done:
    """What a run of the command has said, and how it ended."""

    returncode: int | None
    stdout: str
    stderr: str

    @property
    def counted(self) -> dict[str, int]:
        """The numbers it printed, by kind."""
        lines = [line.split() for line in self.stdout.splitlines()[:-1]]
        return {kind: int(number) for kind, number in lines}


async def start(
    hearth: Hearth, *arguments: str, login: str = "hearth_deployer"
) -> asyncio.subprocess.Process:
    """Start `hearth purge`."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "purge", *arguments),
        env={**os.environ, "COLUMNS": "200", "DIRECT_URL": hearth.url(login)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def end(process: asyncio.subprocess.Process) -> Done:
    """Wait for the end of a command."""
    said, complained = await process.communicate()
    return Done(process.returncode, said.decode(), complained.decode())


async def purge(hearth: Hearth, *arguments: str, login: str = "hearth_deployer") -> Done:
    """Run `hearth purge` to its end."""
    return await end(await start(hearth, *arguments, login=login))


@pytest.fixture
async def root(own_hearth: Hearth) -> AsyncIterator[asyncpg.Connection]:
    """Yield a superuser's connection to a database of the test's own; what it does lasts."""
    connection = await asyncpg.connect(own_hearth.superuser_url, statement_cache_size=0)
    yield connection
    await connection.close()


@pytest.fixture
async def home(root: asyncpg.Connection) -> Household:
    """Return a household that lasts."""
    return await make_household(root)


@pytest.fixture
async def other(root: asyncpg.Connection, home: Household) -> Household:
    """Return another, alike to the letter."""
    return await make_household(root)


async def all_rows(root: asyncpg.Connection) -> Rows:
    """Return every row there is."""
    async with root.transaction():
        return await snapshot(root)


@dataclass(frozen=True)
class Retired:
    """What was retired, or has ended: rows of a table, by what names them."""

    ids: frozenset[str]
    family_id: str = ""

    def is_named_by(self, row: tuple[str, str]) -> bool:
        """Say whether another row names it; the ids of things are the same in every household."""
        return self.family_id in row[1] and any(id_ in row[1] for id_ in self.ids)


async def retire(root: asyncpg.Connection, kind: str, household: Household, age: str) -> Retired:
    """Retire the household, its member, or what its owner has of a kind."""
    found = re.search(
        r"delete from app\.(\w+) as \w+\s+where\s+\w+\.(\w+) <",
        load_queries()[f"purge_{kind}"].text,
    )
    assert found
    table, ended_at = found.groups()
    who = household.users["owner" if kind not in OF_PEOPLE else "member"]
    column, value = ("user_id", who)
    if kind in ("accounts", "families"):
        column, value = ("id", household.family_id if kind == "families" else who)
    rows = await root.fetch(
        f"update app.{table} as t set {ended_at} = now() - '{age}'::interval"
        f" where {column} = $1 returning to_jsonb(t) as t",
        value,
    )
    assert rows, f"the household has no {kind}"
    documents = [json.loads(row["t"]) for row in rows]
    ids = {document.get("id", document.get("user_id")) for document in documents}
    if kind == "accounts":
        ids.add(str(household.sessions["member"]))
    is_of_a_family = kind not in ("accounts", "sessions")
    return Retired(frozenset(ids), str(household.family_id) if is_of_a_family else "")


async def until_blocked(root: asyncpg.Connection) -> None:
    """Wait until the command waits for a lock."""
    pid = None
    async with asyncio.timeout(10):
        while pid is None:
            pid = await root.fetchval(
                "select pid from pg_stat_activity where datname = current_database()"
                " and usename = 'hearth_deployer' and wait_event_type = 'Lock'"
            )
            await root.execute("select pg_stat_clear_snapshot()")
    await wait_until_blocked(root, pid)


# What goes, and what does not.


@pytest.mark.parametrize("kind", kinds())
async def test_what_was_retired_long_ago_goes_with_what_hangs_on_it_and_nothing_else(
    own_hearth: Hearth,
    root: asyncpg.Connection,
    home: Household,
    other: Household,
    kind: str,
) -> None:
    old = await retire(root, kind, home, "31 days")
    await retire(root, kind, other, "29 days")
    before = await all_rows(root)

    done = await purge(own_hearth, "--older-than", "30d")

    after = await all_rows(root)
    table = TABLES.get(kind, kind)
    retired = {row for row in before if row[0] == table and old.is_named_by(row)}
    assert done.returncode == 0, done.stderr
    assert done.counted == {**NOTHING, kind: len(retired)}
    assert before - after == {row for row in before if row[0] not in TRAIL and old.is_named_by(row)}
    assert {row[0] for row in after if old.is_named_by(row)} <= TRAIL


async def test_everything_of_a_closed_account_goes_in_one_purge(
    own_hearth: Hearth, root: asyncpg.Connection, home: Household
) -> None:
    for kind in ("memberships", "accounts", "sessions"):
        await retire(root, kind, home, "31 days")

    done = await purge(own_hearth, "--older-than", "30d")

    assert done.counted == {**NOTHING, "memberships": 1, "accounts": 1}
    naming = {table for table, row in await all_rows(root) if str(home.users["member"]) in row}
    assert naming == {"audit_log", "account_events"}


async def test_the_trail_and_the_events_keep_who_purged(
    own_hearth: Hearth, root: asyncpg.Connection, home: Household
) -> None:
    await retire(root, "accounts", home, "31 days")

    await purge(own_hearth, "--older-than", "30d")

    event = await root.fetchrow(
        "select event_type::text, metadata ->> 'login', metadata ->> 'database_role'"
        " from app.account_events where user_id = $1 order by occurred_at desc limit 1",
        home.users["member"],
    )
    record = await root.fetchrow(
        "select action_type::text, metadata ->> 'login', metadata ->> 'database_role'"
        " from app.audit_log where table_name = 'family_memberships'"
        " order by occurred_at desc limit 1"
    )
    assert event is not None
    assert record is not None
    assert tuple(event) == ("account_purged", "hearth_deployer", "app_ops")
    assert tuple(record)[:2] == ("delete", "hearth_deployer")


async def test_only_what_is_named_goes(
    own_hearth: Hearth, root: asyncpg.Connection, home: Household, other: Household
) -> None:
    await retire(root, "families", home, "31 days")
    await retire(root, "accounts", other, "31 days")

    done = await purge(own_hearth, "--older-than", "30d", "--only", "families")

    assert done.counted == {"families": 1}
    assert await root.fetchval("select count(*) from app.users where not is_active") == 1


async def test_a_dry_run_counts_and_changes_nothing(
    own_hearth: Hearth, root: asyncpg.Connection, home: Household
) -> None:
    await retire(root, "families", home, "31 days")
    before = await all_rows(root)

    done = await purge(own_hearth, "--older-than", "30d", "--dry-run")

    assert done.returncode == 0
    assert done.counted == {**NOTHING, "families": 1}
    assert done.stdout.endswith("would be deleted\n")
    assert await all_rows(root) == before


async def test_on_a_terminal_there_is_a_bar_and_nothing_is_left_of_it(
    own_hearth: Hearth, root: asyncpg.Connection, home: Household
) -> None:
    await retire(root, "families", home, "31 days")
    command = [sys.executable, "-m", "app.cli", "purge", "--older-than", "30d"]
    environment = {"DIRECT_URL": own_hearth.url("hearth_deployer")}

    with on_terminal(command, env=environment) as terminal:
        terminal.read_until()

    assert terminal.process.returncode == 0
    assert "━" in terminal.written
    *counted, done = [line for line in terminal.lines if line]
    assert counted == [f"{kind:12}{int(kind == 'families'):8}" for kind in kinds()]
    assert re.fullmatch(r"deleted \(\d+\.\d\d s\)", done)


# What it refuses.


@pytest.mark.parametrize("options", [(), ("--only", "sessions"), ("--dry-run",)])
async def test_a_quiet_night_is_no_failure(
    own_hearth: Hearth, home: Household, options: tuple[str, ...]
) -> None:
    done = await purge(own_hearth, "--older-than", "30d", *options)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "nothing is old enough to purge\n"


async def test_of_what_was_named_the_purge_takes_what_there_is(
    own_hearth: Hearth, root: asyncpg.Connection, home: Household
) -> None:
    await retire(root, "families", home, "31 days")
    named = ("--only", "families", "--only", "invitations")

    done = await purge(own_hearth, "--older-than", "30d", *named)

    assert (done.returncode, done.stderr) == (0, "")
    assert await root.fetchval("select count(*) from app.families") == 0


async def test_what_no_policy_lets_go_is_not_passed_over(
    own_hearth: Hearth, root: asyncpg.Connection, home: Household
) -> None:
    await retire(root, "families", home, "31 days")
    await root.execute("drop policy delete_ops on app.families")

    done = await purge(own_hearth, "--older-than", "30d")

    assert done.returncode == 1
    assert done.stderr == (
        "hearth: 1 of the families found could not be deleted:"
        " `hearth status` shows whether a policy is missing\n"
    )


@pytest.mark.parametrize("age", ["30", "30x", "-1d", "1.5d", "d", "99999d", "", " 30d"])
async def test_an_age_that_is_none_is_refused_by_name(hearth: Hearth, age: str) -> None:
    done = await purge(hearth, f"--older-than={age}")

    assert done.returncode == 2
    assert "--older-than" in done.stderr
    assert "must be a number of hours, days or weeks, such as 12h, 30d or 8w" in " ".join(
        done.stderr.replace("│", "").split()
    )


@pytest.mark.parametrize(("option", "value"), [("--only", "tasks"), ("--batch-size", "0")])
async def test_other_options_are_refused_by_name(hearth: Hearth, option: str, value: str) -> None:
    done = await purge(hearth, "--older-than", "30d", option, value)

    assert done.returncode == 2
    assert option in done.stderr


async def test_whoever_may_not_work_as_maintenance_is_told(hearth: Hearth) -> None:
    done = await purge(hearth, "--older-than", "30d", login="app_api")

    assert done.returncode == 1
    assert done.stderr == (
        'hearth: DIRECT_URL: permission denied to set role "app_ops";'
        " the login should be the deployer's\n"
    )


# While others are at work.


async def test_batches_are_committed_one_by_one_and_a_killed_purge_can_be_run_again(
    own_hearth: Hearth, root: asyncpg.Connection, home: Household, other: Household
) -> None:
    third = await make_household(root)
    for household, age in ((home, "33 days"), (other, "32 days"), (third, "31 days")):
        await retire(root, "families", household, age)
    remaining = "select id from app.families order by deleted_at"

    holder = await asyncpg.connect(own_hearth.superuser_url)
    async with holder.transaction():
        await holder.execute("select from app.families where id = $1 for share", other.family_id)
        process = await start(own_hearth, "--older-than", "30d", "--batch-size", "1")
        await until_blocked(root)
        meanwhile = await root.fetch(remaining)
        process.kill()
        await process.wait()
    await holder.close()
    async with asyncio.timeout(10):
        while await root.fetchval(
            "select exists (select from pg_stat_activity"
            " where datname = current_database() and usename = 'hearth_deployer')"
        ):
            await root.execute("select pg_stat_clear_snapshot()")
    killed = await root.fetch(remaining)
    again = await purge(own_hearth, "--older-than", "30d", "--batch-size", "1")

    assert [id_ for (id_,) in meanwhile] == [other.family_id, third.family_id]
    assert killed == meanwhile
    assert again.counted["families"] == 2
    assert await root.fetch(remaining) == []


async def test_who_restores_an_account_at_this_moment_is_waited_for_and_wins(
    own_hearth: Hearth, root: asyncpg.Connection, home: Household
) -> None:
    await retire(root, "accounts", home, "31 days")
    member = home.users["member"]

    restorer = await asyncpg.connect(own_hearth.url("hearth_deployer"))
    async with restorer.transaction():
        await restorer.execute("set local role app_ops")
        assert await restorer.fetchval("select app.restore_account($1)", member)
        process = await start(own_hearth, "--older-than", "30d")
        await until_blocked(root)
    await restorer.close()
    done = await end(process)

    assert (done.returncode, done.counted["accounts"]) == (0, 0)
    assert await root.fetchval("select is_active from app.users where id = $1", member)


async def test_there_is_one_purge_at_a_time(
    own_hearth: Hearth, root: asyncpg.Connection, home: Household
) -> None:
    await retire(root, "families", home, "31 days")
    await root.execute("select pg_advisory_lock(hashtextextended('app.purge', 0))")

    done = await purge(own_hearth, "--older-than", "30d")

    assert (done.returncode, done.stderr) == (1, "hearth: another purge is running\n")
