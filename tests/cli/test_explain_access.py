"""`hearth explain-access`: what it says is what happens."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.support.fixtures import Hearth, Join, NewPerson, Person
from tests.support.households import ROLES, Household, act_as, attempt, columns, row_id

pytestmark = pytest.mark.first

COMMANDS = ("select", "update", "delete")


async def _explain(
    root: asyncpg.Connection, context: Mapping[str, object], table: str, key: object, command: str
) -> dict[str, Any]:
    await act_as(root, "app_ops")
    text = await root.fetchval(
        "select app.explain_access($1, $2, $3, $4, $5, $6)::text",
        *(table, key, command, context["user_id"], context["family_id"], context["member_role"]),
    )
    report: dict[str, Any] = json.loads(text)
    return report


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("role", ROLES)
async def test_the_verdict_is_what_the_statement_meets(
    root: asyncpg.Connection, home: Household, other: Household, role: str, command: str
) -> None:
    keys = await root.fetch("""
        select distinct on (c.oid) c.relname as table, a.attname as key
        from pg_class as c
        join pg_index as i on i.indrelid = c.oid and i.indisprimary
        join pg_attribute as a on a.attrelid = c.oid and a.attnum = any(i.indkey)
        where c.relnamespace = 'app'::regnamespace and not c.relispartition
            and a.attname <> 'family_id' and a.atttypid = 'uuid'::regtype
        order by c.oid, a.attname = 'id' desc, a.attname = 'user_id', a.attnum
    """)
    rows = [
        (table, key, row["key"], row["family_id"])
        for table, key in keys
        for row in await root.fetch(
            f"select {key} as key, to_jsonb(t) ->> 'family_id' as family_id from app.{table} as t"
            " where t.xmin = pg_current_xact_id()::xid"  # the households, and no other test's
        )
    ]
    context = home.context(role)
    # A change of nothing, in a column that the service's login may change, if there is one.
    may_update = await columns(root, "app_api", "update")

    explained, met = {}, {}
    for table, key, value, family_id in rows:
        if family_id in (None, str(home.family_id)):  # ids repeat: one's own family comes first
            report = await _explain(root, context, table, value, command)
            explained[table, value] = report["verdict"]
            await act_as(root, "app_api", **context)
            where, column = f"where {key} = $1", may_update.get(table, [key])[0]
            statement = {
                "select": f"select {key} from app.{table} {where}",
                "update": f"update app.{table} set {column} = {column} {where}",
                "delete": f"delete from app.{table} {where}",
            }[command]
            tag = await attempt(root, statement, value)
            met[table, value] = {"0": "hidden", "42501": "refused"}.get(tag.split()[-1], "admitted")

    assert explained == met
    assert len(set(met.values())) > 1
    assert {table for table, _ in met} == {table for table, _ in keys}


async def test_of_a_row_in_another_family_the_floor_is_named(
    root: asyncpg.Connection, home: Household, other: Household
) -> None:
    key = uuid4()
    await root.execute(
        "insert into app.tasks (family_id, user_id, id, title, visibility)"
        " values ($1, $2, $3, 'Theirs', 'family')",
        *(other.family_id, other.users["owner"], key),
    )

    report = await _explain(root, home.context("owner"), "tasks", key, "delete")

    assert report["verdict"] == "hidden"
    assert report["row"] == {
        "family_id": str(other.family_id),
        "id": str(key),
        "user_id": str(other.users["owner"]),
        "visibility": "family",
    }
    floor = [policy for policy in report["policies"] if policy["kind"] == "restrictive"]
    assert [(policy["name"], policy["command"], policy["holds"]) for policy in floor] == [
        ("tenant_floor", "select", False),
        ("tenant_floor", "delete", False),
    ]


async def test_a_policy_of_any_flat_shape_is_taken_apart_and_asked(
    root: asyncpg.Connection, home: Household
) -> None:
    await root.execute("""
        drop policy select_own_or_shared on app.tasks;
        create policy select_odd on app.tasks for select to app_api using (
            (user_id = app.current_user_id() or app.current_member_role() = 'owner')
            and (title <> 'A AND (B')
            and not (due_on is null and completed_at is not null)
        );
        grant select on app.tasks to app_ops;
    """)
    key = row_id("private task", "owner")

    report = await _explain(root, home.context("owner"), "tasks", key, "select")

    (odd,) = [policy for policy in report["policies"] if policy["name"] == "select_odd"]
    assert [condition["holds"] for condition in odd["conditions"]] == [True, True, True]
    assert odd["conditions"][1]["condition"] == "(title <> 'A AND (B'::text)"


async def _met(root: asyncpg.Connection, context: Mapping[str, object], statement: str) -> str:
    await act_as(root, "app_api", **context)
    return await attempt(root, statement, row_id("private task", "owner"))


@pytest.mark.parametrize(
    ("change", "verdict", "met"),
    [
        (
            "create policy mistake on app.tasks as restrictive for update to app_api"
            " using (true) with check (false)",
            "refused",
            "42501",
        ),
        (
            "drop policy update_own_or_shared on app.tasks; grant app_auth to app_api;"
            " create policy lent on app.tasks for update to app_auth using (true)",
            "admitted",
            "UPDATE 1",
        ),
        ("drop policy update_own_or_shared on app.tasks", "hidden", "UPDATE 0"),
        (
            "create policy narrow on app.tasks as restrictive for update to public"
            " using (visibility = 'family')",
            "hidden",
            "UPDATE 0",
        ),
    ],
    ids=["restrictive check", "inherited", "no policy", "to public"],
)
async def test_the_verdict_follows_what_somebody_changed(
    root: asyncpg.Connection, home: Household, change: str, verdict: str, met: str
) -> None:
    await root.execute(change)

    context = home.context("owner")
    key = row_id("private task", "owner")
    report = await _explain(root, context, "tasks", key, "update")

    assert report["verdict"] == verdict
    assert await _met(root, context, "update app.tasks set title = 'New' where id = $1") == met


async def test_to_who_stands_in_no_family_a_row_of_one_is_hidden(
    root: asyncpg.Connection, home: Household
) -> None:
    context = {**home.context("owner"), "family_id": None, "member_role": None}

    report = await _explain(root, context, "tasks", row_id("private task", "owner"), "select")

    assert report["verdict"] == "hidden"
    assert not any(policy["holds"] for policy in report["policies"])


async def test_without_row_level_security_the_grant_alone_decides(
    root: asyncpg.Connection, home: Household
) -> None:
    await root.execute("alter table app.tasks disable row level security")
    key = row_id("private task", "owner")

    report = await _explain(root, home.context("owner"), "tasks", key, "select")

    assert (report["verdict"], report["policies"]) == ("admitted", [])


def _hearth(hearth: Hearth, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "explain-access", *arguments],
        env={**os.environ, "COLUMNS": "200", "DIRECT_URL": hearth.url("hearth_deployer")},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_the_command_says_it_in_words_and_in_json(
    hearth: Hearth, ann: Person, join: Join, new_person: NewPerson
) -> None:
    kid = await new_person()
    await join(kid, ann, "member")
    made = await kid.client.post("/v1/tasks", json={"title": "Hide the present"})
    key = made.json()["id"]

    told = _hearth(hearth, "tasks", key, "--as", ann.email)
    parsed = _hearth(
        hearth, "tasks", key, "--as", kid.email, "--family", str(ann.family_id), "--json"
    )

    assert told.returncode == 0, told.stderr
    first, *lines = told.stdout.splitlines()
    assert first == f"hidden: {ann.email} cannot see this row of app.tasks to select it"
    assert f"      app.user_id = {ann.user_id}" in lines
    assert "      visibility = private" in lines
    assert "  yes grant: app_api has one on the whole table" in lines
    assert "  yes restrictive policy tenant_floor, using" in lines
    assert "  no  permissive policy select_own_or_shared, using" in lines
    assert "Hide the present" not in told.stdout
    assert parsed.returncode == 0, parsed.stderr
    assert json.loads(parsed.stdout)["verdict"] == "admitted"


async def test_of_an_update_it_says_that_the_check_is_asked_of_the_row_as_it_is(
    hearth: Hearth, ann: Person
) -> None:
    body = {"email": "guest@example.com", "role": "member"}
    made = await ann.client.post("/v1/invitations", json=body)
    path = f"/v1/invitations/{made.json()['invitation']['id']}"

    told = _hearth(
        hearth, "invitations", path.rpartition("/")[2], "--as", ann.email, "--command", "update"
    )
    done = await ann.client.delete(path)

    assert told.stdout.startswith(f"refused: {ann.email} may not update")
    assert told.stdout.splitlines()[-1] == (
        "The check was asked about the row as it is now; the changed row may differ."
    )
    assert done.status_code == 204


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ("nothing", str(uuid4()), "--as", "{email}"),
            1,
            "TABLE: the table app.nothing does not exist",
        ),
        (("tasks", "1", "--as", "{email}"), 2, "Invalid value for 'key'"),
        (("tasks", "{user_id}", "--as", "{email}"), 1, "KEY: no row of app.tasks has the key"),
        (("tasks", str(uuid4()), "--as", "nobody@example.com"), 1, "--as: no active account"),
        (("tasks", str(uuid4()), "--as", "{email}", "--family", "No"), 1, "is not in No, only in"),
        (("tasks", str(uuid4()), "--as", "{email}", "--command", "drop"), 2, "'--command'"),
    ],
)
async def test_what_cannot_be_explained_is_told_by_its_name(
    hearth: Hearth, ann: Person, arguments: tuple[str, ...], code: int, told: str
) -> None:
    names = {"email": ann.email, "user_id": ann.user_id}

    done = _hearth(hearth, *(argument.format_map(names) for argument in arguments))

    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr
