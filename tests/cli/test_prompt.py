"""`hearth psql`, `hearth explain`: who one is, and what one may not do by mistake."""

import os
import re
import subprocess
import sys

import psycopg
import pytest

from app.settings import sql_directory
from tests.support.fixtures import Hearth, Join, Person
from tests.support.terminal import on_terminal

HEARTH = [sys.executable, "-m", "app.cli"]

# Parts of the others, and what `hearth explain` runs.
_NO_MACRO = {"psqlrc", "act", "greeting", "explain"}

MACROS = sorted({path.stem for path in (sql_directory() / "prompt").glob("*.sql")} - _NO_MACRO)

INSERT = "insert into tasks (family_id, user_id, title) select family_id, user_id, 'By hand'"


def _hearth(hearth: Hearth, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HEARTH, *arguments],
        env={**os.environ, "DIRECT_URL": hearth.url("hearth_deployer")},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_reads_until_it_is_asked_to_write(hearth: Hearth, ann: Person) -> None:
    insert = f"{INSERT} from family_memberships limit 1"

    refused = _hearth(hearth, "psql", "--as", ann.email, "--", "-c", insert)
    bare = _hearth(hearth, "psql", "--", "-X", "-Atc", "select 1")
    asked = _hearth(hearth, "psql", "--as", ann.email, typed=f":write\n{insert};\n")
    told = _hearth(hearth, "psql", "--write", "--as", ann.email, "--", "-c", insert)

    assert "cannot execute INSERT in a read-only transaction" in refused.stderr
    assert bare.stderr.startswith("hearth: -X: would not keep it from writing")
    assert (asked.stdout, told.stdout) == ("INSERT 0 1\n", "INSERT 0 1\n")


@pytest.mark.newest
def test_it_finds_our_names_without_a_schema(hearth: Hearth) -> None:
    typed = "set role app_ops;\nselect count(*) from tasks where false;\n"

    done = _hearth(hearth, "psql", "--", "-Atq", typed=typed)

    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.newest
@pytest.mark.parametrize("argument", ["-X", "-AXt", "--no-psqlrc"])
def test_nobody_is_left_out_of_a_persons_context(
    hearth: Hearth, ann: Person, argument: str
) -> None:
    done = _hearth(hearth, "psql", "--as", ann.email, "--", argument, "-c", "select 1")

    assert done.returncode == 1
    assert done.stderr == f"hearth: {argument}: would leave out what --as asks for\n"


@pytest.mark.newest
def test_the_prompt_says_who_acts_and_whether_they_may_write(hearth: Hearth, ann: Person) -> None:
    environment = {"DIRECT_URL": hearth.url("hearth_deployer"), "PSQL_HISTORY": "/dev/null"}

    with on_terminal([*HEARTH, "psql"], env=environment) as terminal:
        terminal.read_until("as hearth_deployer, reading=>")
        greeting = " ".join(terminal.lines)
        terminal.type(f"\\set person {ann.email}")
        terminal.type(":as")
        terminal.read_until(f"as app_api for {ann.email}, reading=>")
        terminal.type(":write")
        terminal.read_until(f"as app_api for {ann.email}, WRITING=>")
        assert f"\x1b[1;31mapp_api for {ann.email}, WRITING\x1b[0m" in terminal.written
        terminal.type(":ops")
        terminal.read_until("as app_ops, WRITING=>")
        terminal.type(":login")
        terminal.type(":read")
        terminal.type(":as")
        terminal.read_until("Whose address?")
        terminal.type("nobody@example.com")
        terminal.read_until("no active account has the address nobody@example.com")
        terminal.type("\\q")

    assert "Nothing can be written until you say :write" in greeting
    assert re.search(r"as hearth_deployer, reading=> *\\q", terminal.lines[-2])


def test_who_is_told_by_the_server_and_not_by_the_prompt(hearth: Hearth, ann: Person) -> None:
    done = _hearth(hearth, "psql", "--as", ann.email, typed="\\x on\nset role app_ops;\n:who\n")

    told = dict(re.findall(r"│ (\w+) +│ (\S+)", done.stdout))
    assert (told["login"], told["role"]) == ("hearth_deployer", "app_ops")
    assert (told["person"], told["user_id"]) == (ann.email, str(ann.user_id))
    assert (told["member_role"], told["reads_only"]) == ("owner", "on")


@pytest.mark.newest
async def test_somebody_in_two_families_is_asked_which(hearth: Hearth, ann: Person) -> None:
    await ann.client.post("/v1/families", json={"name": "Second home"})
    lines = [f"\\set person {ann.email}", ":as", "Second home", "select name from families;"]

    done = _hearth(hearth, "psql", "--", "-At", typed="\n".join(lines))

    assert done.stderr == ""
    assert done.stdout.endswith("Second home\n")


@pytest.mark.parametrize("before", [":login", ":ops", ":as"])
async def test_every_macro_works_whoever_one_is(hearth: Hearth, ann: Person, before: str) -> None:
    made = (await ann.client.post("/v1/tasks", json={"title": "Seen"})).json()
    lines = []
    for macro in MACROS:
        lines += [
            f"\\set person {ann.email}",
            before,
            f"\\set person {ann.email}",
            "\\set table tasks",
            f"\\set id {made['id']}",
            "select current_user as was \\gset",
            f":{macro}",
            "select current_user = :'was' as unchanged \\gset",
            f"\\echo after {macro} unchanged is :unchanged",
        ]

    done = _hearth(hearth, "psql", typed="\n".join(lines))

    assert done.stderr == ""
    told = re.findall("after (.*) unchanged is t\n", done.stdout)
    assert set(MACROS) - set(told) <= {"as", "ops", "login"}


@pytest.mark.newest
def test_help_tells_every_macro() -> None:
    told = re.findall(r"echo ':(\w+) ", (sql_directory() / "prompt/help.sql").read_text())
    assert sorted([*told, "help", "read"]) == MACROS


async def test_a_row_is_told_by_who_sees_it(
    hearth: Hearth, ann: Person, bob: Person, join: Join
) -> None:
    await join(bob, ann, "member")
    private = (await ann.client.post("/v1/tasks", json={"title": "Mine"})).json()["id"]

    done = _hearth(
        hearth,
        "psql",
        "--",
        "-At",
        typed=f"\\set table tasks\n\\set id {private}\n:seen_by\n",
    )

    assert f"{ann.email}|owner|admitted" in done.stdout
    assert f"{bob.email}|member|hidden" in done.stdout


async def test_a_query_is_explained_as_the_service_runs_it(hearth: Hearth, ann: Person) -> None:
    planned = _hearth(hearth, "explain", "list_tasks", "--as", ann.email, "limit=5")
    run = _hearth(hearth, "explain", "list_tasks", "--as", ann.email, "--analyze", "limit=5")

    assert (planned.stderr, planned.returncode) == ("", 0)
    assert "on tasks t" in planned.stdout
    assert "actual" not in planned.stdout
    assert f"As app_api for user {ann.user_id} in family {ann.family_id}, owner." in run.stdout
    assert "The plan is generic: one for all values, kept." in run.stdout
    assert "actual" in run.stdout
    assert "tenant_floor, restrictive, for all" in run.stdout
    assert "delete_own_or_admin" not in run.stdout


async def test_what_an_explained_query_writes_is_undone(hearth: Hearth, ann: Person) -> None:
    values = ["title=Tried", "description=", "due_on=", "visibility=family", "points=1"]
    run = _hearth(
        hearth,
        *("explain", "create_task", "--as", ann.email, "--analyze"),
        *(*values, "is_completed=true"),
    )

    assert run.stderr == ""
    assert "Trigger _900_audit" in run.stdout
    with psycopg.connect(hearth.superuser_url) as connection:
        found = connection.execute("select count(*) from app.tasks where title = 'Tried'")
        assert found.fetchone() == (0,)


@pytest.mark.newest
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list_task"], "QUERY: no request runs a query list_task; did you mean list_tasks"),
        (["list_tasks", "limit=1000"], "limit: Input should be less than or equal to 100"),
        (["list_tasks", "limt=1"], "limt: list_tasks has no such parameter, but "),
        (["list_tasks", "limit"], "limit: is not NAME=VALUE"),
        (["get_task"], "get_task needs task_id=…"),
    ],
)
def test_what_cannot_be_explained_is_refused_by_name(
    hearth: Hearth, ann: Person, arguments: list[str], says: str
) -> None:
    done = _hearth(hearth, "explain", *arguments, "--as", ann.email)

    assert done.returncode == 1
    assert done.stderr.startswith(f"hearth: {says}")


@pytest.mark.newest
def test_a_value_that_the_server_refuses_is_told_by_it(hearth: Hearth, ann: Person) -> None:
    done = _hearth(hearth, "explain", "get_task", "--as", ann.email, "task_id=x")

    assert done.returncode != 0
    assert 'invalid input syntax for type uuid: "x"' in done.stderr
