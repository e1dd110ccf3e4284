"""`hearth demo`: households with a history, made through the doors that everybody uses."""

import os
import subprocess
import sys

import asyncpg
import httpx
import pytest

from app.ops.demo import PASSWORD
from tests.support.fixtures import Hearth, NewHearth, Serve

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

# What was done, without ids and times of creation.
CONTENT = """
    select 'task', t.title, t.due_on::text, t.visibility::text, t.points::text from app.tasks as t
    union all
    select 'habit', h.name, l.logged_on::text, l.value::text, l.is_done::text
    from app.habits as h join app.habit_logs as l on l.habit_id = h.id
    union all
    select 'exercise', x.name, l.performed_on::text, l.reps::text, l.distance_m::text
    from app.exercises as x join app.exercise_logs as l on l.exercise_id = x.id
    union all
    select 'routine', r.name, c.completed_on::text, c.version::text, r.points::text
    from app.routines as r join app.routine_completions as c on c.routine_id = r.id
    union all
    select 'talk', c.title, m.role::text, m.content, null
    from app.conversations as c join app.messages as m on m.conversation_id = c.id
    union all
    select 'person', u.email, u.full_name, u.time_zone, m.role::text
    from app.users as u join app.family_memberships as m on m.user_id = u.id
    order by 1, 2, 3, 4, 5
"""

# Points that are owed for what was done and is worth something, and those in the ledger.
OWED = """
    with owed as (
        select t.family_id, 'task' as kind, t.id, t.user_id, t.points
        from app.tasks as t where t.is_completed
        union all
        select l.family_id, 'habit', h.id, l.user_id, h.points
        from app.habit_logs as l join app.habits as h on h.id = l.habit_id where l.is_done
        union all
        select l.family_id, 'exercise', l.id, l.user_id, x.points
        from app.exercise_logs as l join app.exercises as x on x.id = l.exercise_id
        union all
        select c.family_id, 'routine', r.id, c.user_id, r.points
        from app.routine_completions as c join app.routines as r on r.id = c.routine_id
    ), ledger as (
        select e.family_id, e.kind::text, e.source_id, e.user_id, e.points
        from app.score_entries as e
    )
    select count(*) from (
        (select * from owed except all select * from ledger)
        union all
        (select * from ledger except all select * from owed)
    ) as different
"""


def demo(hearth: Hearth, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `hearth demo`."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "demo", *arguments],
        env={**os.environ, **environment, "DIRECT_URL": hearth.url("hearth_deployer")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


async def rows(hearth: Hearth, query: str) -> list[asyncpg.Record]:
    """Return the rows of a query, as a superuser."""
    connection = await asyncpg.connect(hearth.superuser_url)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


def test_every_list_and_statistic_has_something_to_show(own_hearth: Hearth, serve: Serve) -> None:
    done = demo(own_hearth, "--families", "3", "--days", "90")
    assert done.returncode == 0, done.stderr
    email = done.stdout.splitlines()[-1].split()[3]

    with serve(own_hearth.settings()) as url:
        account = {"email": email, "password": PASSWORD}
        signed_in = httpx.post(f"{url}/v1/auth/signin", json=account)
        client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {signed_in.json()['access_token']}"},
        )
        with client:
            empty = [
                path
                for path in (
                    "tasks",
                    "tasks?is_completed=true",
                    "conversations",
                    "members",
                    "invitations",
                    "habits",
                    "habits?is_active=false",
                    "routines",
                    "exercises",
                    "exercises?is_active=false",
                    "scores",
                    "leaderboard",
                    "audit",
                )
                if not client.get(f"/v1/{path}").raise_for_status().json()["items"]
            ]
            habits, exercises = (
                [thing["id"] for thing in client.get(f"/v1/{things}").json()["items"]]
                for things in ("habits", "exercises")
            )
            paths = [
                *(f"/v1/habits/{id_}/stats" for id_ in habits),
                *(f"/v1/exercises/{id_}/{of}" for id_ in exercises for of in ("records", "volume")),
                "/v1/today",
            ]
            figures = [client.get(path).raise_for_status().json() for path in paths]

    assert empty == []
    shown = {name for each in figures for name, value in each.items() if value}
    assert set().union(*figures) - shown <= {"next"}


async def test_the_ledger_has_what_was_earned(own_hearth: Hearth) -> None:
    demo(own_hearth, "--families", "3", "--days", "30")

    assert (await rows(own_hearth, "select count(*) > 100 from app.score_entries"))[0][0]
    assert (await rows(own_hearth, OWED))[0][0] == 0


async def test_the_same_seed_makes_the_same_households(
    own_hearth: Hearth, new_hearth: NewHearth
) -> None:
    some = ("--families", "2", "--days", "30", "--seed", "42")
    with new_hearth("demo") as another:
        for hearth in (own_hearth, another):
            demo(hearth, *some)
        contents = [await rows(hearth, CONTENT) for hearth in (own_hearth, another)]

    assert contents[0] == contents[1]
    assert len(contents[0]) > 100
    texts = {text for row in contents[0] for text in row if text}
    assert {text for text in texts if " ".join(text.split()) != text} == set()


async def test_households_that_are_there_stay_as_they_are(own_hearth: Hearth) -> None:
    demo(own_hearth, "--families", "1", "--days", "10")
    first = await rows(own_hearth, CONTENT)

    again = demo(own_hearth, "--families", "1", "--days", "20")

    assert "1 existed already" in again.stdout
    assert await rows(own_hearth, CONTENT) == first


async def test_where_people_are_a_demo_wants_to_be_forced(own_hearth: Hearth) -> None:
    await rows(
        own_hearth, "insert into app.users (email, full_name) values ('ann@example.com', 'Ann')"
    )

    refused = demo(own_hearth, "--families", "1")
    forced = demo(own_hearth, "--families", "1", "--days", "1", "--force")

    assert refused.returncode == 1
    assert refused.stderr.startswith("hearth: the database has accounts that are not a demo's (1)")
    assert forced.returncode == 0


def test_production_gets_no_demo_whatever_is_said(own_hearth: Hearth) -> None:
    production = {"ENVIRONMENT": "production", "CORS_ORIGINS": "https://home.example"}

    done = demo(own_hearth, "--families", "1", "--force", **production)

    assert done.returncode == 1
    assert done.stderr == (
        "hearth: ENVIRONMENT is production: no demo is made there, for everybody knows its"
        " password\n"
    )


async def test_where_one_household_fails_it_ends_and_leaves_no_half_of_one(
    own_hearth: Hearth,
) -> None:
    await rows(own_hearth, "revoke insert on app.tasks from app_api")

    done = demo(own_hearth, "--families", "20", "--days", "10")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("hearth: ")
    assert "Traceback" not in done.stderr
    assert (await rows(own_hearth, "select count(*) from app.users"))[0][0] == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [("--families", "0"), ("--days", "-1"), ("--days", "many"), ("--seed", "text")],
)
def test_options_that_cannot_be_are_named(hearth: Hearth, option: str, value: str) -> None:
    done = demo(hearth, option, value)

    assert done.returncode == 2
    assert option in done.stderr
