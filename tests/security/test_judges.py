"""Judges from outside: what pgrls and rlsgrid find in the migrated database, and that they look.

pgrls.toml and rlsgrid.toml hold what they are told of this model, and what is excepted, and why.
squawk, the judge of migrations, runs on its own (`make squawk`).
"""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest

from tests.security.test_isolation import ATTACKS
from tests.security.test_proofs import LOGINS, prove
from tests.support.fixtures import Hearth
from tests.support.tally import tally

Findings = set[tuple[str, str]]

ROOT = Path(__file__).parents[2]
RULES: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "pgrls.toml").read_text("utf-8"))["lint"][
    "rules"
]
EXCEPTED: Findings = {(rule, name) for rule in RULES for name in RULES[rule].get("allowlist", [])}


def ask(hearth: Hearth, program: str, *arguments: str) -> Any:
    """Run a judge on a database and return its JSON; fail with what it says if there is none."""
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        env={**os.environ, "DATABASE_URL": hearth.superuser_url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr  # 1: it has found something
    return json.loads(done.stdout)


# pgrls lint.


def lint(hearth: Hearth, config: Path = ROOT / "pgrls.toml") -> dict[tuple[str, str], str]:
    """Return the findings: for rule and object, what is said of them."""
    found = ask(hearth, "pgrls", "lint", "--format=json", f"--config={config}")["violations"]
    return {(finding["rule_id"], finding["location"]): finding["message"] for finding in found}


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return our configuration without its exceptions."""
    rules = {rule for rule, _ in EXCEPTED}
    nothing = "".join(f"{rule}.allowlist = []\n" for rule in sorted(rules))
    config = tmp_path / "pgrls.toml"
    config.write_text(f'extends = "{ROOT}/pgrls.toml"\n[lint.rules]\n{nothing}')
    return config


def test_pgrls_finds_what_is_excepted_with_a_reason_and_nothing_else(
    own_hearth: Hearth, bare: Path
) -> None:
    said = lint(own_hearth, bare)

    found = set(said)
    rules = ask(own_hearth, "pgrls", "explain", "--format=json")["count"]
    tally(
        "pgrls lint",
        f"{rules} rules, {len(found - EXCEPTED)} findings, {len(EXCEPTED)} exceptions with reasons",
    )
    assert found - EXCEPTED == set(), "\n".join(
        ["mend sql/, or except it in pgrls.toml with the reason:"]
        + [f"{rule} {name}: {said[rule, name]}" for rule, name in sorted(found - EXCEPTED)]
    )
    assert EXCEPTED - found == set(), "nothing is found there any more: take it out of pgrls.toml"
    assert lint(own_hearth) == {}


# pgrls matrix.


def test_nothing_is_open_to_a_login_but_through_a_function_or_a_key(own_hearth: Hearth) -> None:
    runtime = ("app_api", "app_reader", "app_auth", "app_audit", "app_ops")
    roles = ",".join(("PUBLIC", *runtime))

    matrix = ask(own_hearth, "pgrls", "matrix", "--format=json", f"--roles={roles}")

    cells = [
        (row["table"], row["command"], role, cell["verdict"], cell["note"] or "by its own grant")
        for row in matrix["rows"]
        for role, cell in row["access"].items()
    ]
    counts = ", ".join(
        f"{matrix['summary'][verdict]} {verdict}"
        for verdict in ("denied", "conditional", "open", "undecided")
    )
    tally("pgrls matrix", f"{len(cells)} cells of role, table and command: {counts}")
    reached = {cell for cell in cells if cell[3] != "denied"}
    assert {cell for cell in reached if cell[2] == "PUBLIC" or cell[1] == "TRUNCATE"} == set()
    assert {cell for cell in reached if cell[2] == "app_reader"} == {
        cell for cell in reached if cell[2] == "app_reader" and cell[1] == "SELECT"
    }
    # A function or a trigger that lends the rights of its owner, or the cascade of a foreign key.
    assert {
        cell
        for cell in reached
        if cell[2] in LOGINS
        and cell[3] != "conditional"
        and not ("through " in cell[4] or "foreign key" in cell[4])
    } == set()


# pgrls verify.

CONTEXT = ("app.current_family_id", "app.current_user_id", "app.current_member_role")

# Not a family's: what tells rows apart there is the user.
OF_A_USER = ("app.sessions", "app.users")

# It has no translation for `private_to is null`.
UNDECIDED = {"app.audit_log.select_admin"}


def verify(hearth: Hearth, mode: str, *functions: str) -> dict[str, str]:
    """Return the verdict on each policy: isolated, leak or unverified."""
    named = [f"--auth-function={function}" for function in functions]
    found = ask(hearth, "pgrls", "verify", "--format=json", f"--mode={mode}", *named)
    return {
        f"{table['table']}.{policy['policy']}": policy["verdict"]
        for table in found["tables"]
        for policy in table["policies"]
    }


def of_logins(hearth: Hearth, *commands: str) -> set[str]:
    """Return the permissive policies for the logins and these commands."""
    with psycopg.connect(hearth.superuser_url) as connection:
        rows = connection.execute(
            "select format('%%s.%%s.%%s', schemaname, tablename, policyname) from pg_policies"
            " where permissive = 'PERMISSIVE' and roles && %s::name[] and cmd = any(%s)",
            (list(LOGINS), list(commands)),
        )
        return {name for (name,) in rows}


def test_pgrls_proves_that_who_has_no_context_reads_nothing(own_hearth: Hearth) -> None:
    verdicts = verify(own_hearth, "anon", *CONTEXT)

    proven = {policy for policy, verdict in verdicts.items() if verdict == "isolated"}
    tally("pgrls verify, anon", f"{len(proven)} / {len(verdicts)} policies")
    assert verdicts.keys() - proven == UNDECIDED


@pytest.mark.parametrize(
    ("mode", "commands", "undecided"),
    [
        ("cross-tenant", ["SELECT"], UNDECIDED),
        ("write", ["INSERT", "UPDATE", "DELETE"], set()),
    ],
)
def test_pgrls_proves_that_no_policy_for_a_login_reaches_across(
    own_hearth: Hearth, mode: str, commands: list[str], undecided: set[str]
) -> None:
    # One function a run: it leaves a policy undecided that compares with two it was told of. One
    # that it does not know may return anything, so what is proven holds for whatever it returns.
    by_family = verify(own_hearth, mode, "app.current_family_id")
    by_user = verify(own_hearth, mode, "app.current_user_id")

    verdicts = {
        policy: (by_user if policy.startswith(OF_A_USER) else by_family)[policy]
        for policy in of_logins(own_hearth, *commands)
    }
    proven = {policy for policy, verdict in verdicts.items() if verdict == "isolated"}
    tally(f"pgrls verify, {mode}", f"{len(proven)} / {len(verdicts)} policies for the logins")
    assert verdicts.keys() - proven == undecided
    assert {policy for policy, verdict in by_family.items() if verdict == "leak"} == set()


async def test_what_pgrls_leaves_undecided_is_proven_here(root: asyncpg.Connection) -> None:
    theorems = await prove(root)

    for policy in UNDECIDED:
        table = policy.split(".")[1]
        about = [theorem for theorem in theorems if theorem.table.name == table]
        assert about
        assert not [theorem.counterexample for theorem in about if theorem.counterexample]


def test_the_ways_past_the_policies_are_the_functions_that_are_attacked(own_hearth: Hearth) -> None:
    found = ask(own_hearth, "pgrls", "verify", "--format=json", "--mode=escalation")
    views = ask(own_hearth, "pgrls", "verify", "--format=json", "--mode=reachability")

    doors = {door["table"] for door in found["tables"]}
    tally("pgrls verify, escalation", f"{len(doors)} functions, each attacked in our own tests")
    tally("pgrls verify, reachability", f"{len(views['tables'])} views to go through")
    assert doors == {call.split("(")[0] for _, call, _ in ATTACKS}
    assert views["tables"] == []


# rlsgrid.

# Policies alone shall stand between: no grant, key, check or trigger may refuse before them.
PREPARE = """
    do $$
    declare
        v record;
    begin
        for v in
            select pg_get_functiondef(oid) as definition from pg_proc
            where pronamespace = 'app'::regnamespace and proname like 'current\\_%'
        loop
            execute replace(v.definition, '''app.', '''request.jwt.claim.');
        end loop;

        -- It takes for the tenant what the first of them refers to.
        for v in
            select conrelid::regclass as table, conname as name from pg_constraint
            where connamespace = 'app'::regnamespace
                and (contype = 'c' or contype = 'f' and confrelid <> 'app.families'::regclass)
                and coninhcount = 0
        loop
            execute format('alter table %s drop constraint %I', v.table, v.name);
        end loop;

        for v in
            select oid::regclass as table from pg_class
            where relnamespace = 'app'::regnamespace and relkind = 'r'
        loop
            execute format('alter table %s disable trigger all', v.table);
            execute format('grant all on %s to app_api, app_reader', v.table);
        end loop;
    end $$;

    alter table app.tasks alter user_id set default '00000000-0000-0000-0000-000000000001';
    alter table app.habits alter user_id set default '00000000-0000-0000-0000-000000000001';
    alter table app.habit_logs alter user_id set default '00000000-0000-0000-0000-000000000001';
    -- It makes up no days.
    alter table app.habit_logs
        alter logged_on set default now(),
        alter entered_on set default now();
    alter table app.messages alter user_id set default '00000000-0000-0000-0000-000000000001';
    alter table app.conversations alter user_id set default '00000000-0000-0000-0000-000000000001';
    alter table app.exercises alter user_id set default '00000000-0000-0000-0000-000000000001';
    alter table app.exercise_logs
        alter performed_on set default '2025-11-20', alter reps set default 8;
    alter table app.exercise_logs alter user_id set default '00000000-0000-0000-0000-000000000001';
    alter table app.routines alter user_id set default '00000000-0000-0000-0000-000000000001';
    alter table app.routine_versions
        alter user_id set default '00000000-0000-0000-0000-000000000001',
        alter author_id set default '00000000-0000-0000-0000-000000000001';
    alter table app.routine_steps
        alter position set default 1,
        alter user_id set default '00000000-0000-0000-0000-000000000001';
    alter table app.routine_completions
        alter user_id set default '00000000-0000-0000-0000-000000000001',
        alter completed_on set default '2030-02-28',
        alter owner_id set default '00000000-0000-0000-0000-000000000001';
    alter table app.score_entries
        alter user_id set default '00000000-0000-0000-0000-000000000001',
        alter scored_on set default '2030-02-28';
    alter table app.idempotency_keys alter user_id set default
    '00000000-0000-0000-0000-000000000001';
    alter table app.invitations alter user_id set default '00000000-0000-0000-0000-000000000001';
    alter table app.family_memberships
        alter user_id set default '00000000-0000-0000-0000-000000000001';
"""


def attack(hearth: Hearth, *mistakes: str) -> Any:
    """Make the mistakes, then let rlsgrid fill four families and attack each from the others."""
    with psycopg.connect(hearth.superuser_url) as connection:
        connection.execute(PREPARE)
        for mistake in mistakes:
            connection.execute(mistake)
    return ask(hearth, "rlsgrid", "check", "--json", "--tenants=4")


def breaches(found: Any) -> set[tuple[str, str, str]]:
    """Return where it broke in: who, by which command, into which table."""
    parts = ("actor_role", "operation", "table")
    return {tuple(breach[part] for part in parts) for breach in found["breaches"]}


def test_rlsgrid_breaks_into_no_family(own_hearth: Hearth) -> None:
    found = attack(own_hearth)

    plan = ask(own_hearth, "rlsgrid", "plan", "--json", "--show=conditional")["cells"]
    tables = {cell["table"] for cell in plan}
    tally(
        "rlsgrid",
        f"{found['iterations']:,} attempts on {len(tables)} tables by {len(plan)} ways,"
        f" {len(found['breaches'])} breaches",
    )
    assert breaches(found) == set()
    assert found["skip_reasons"] == {}
    assert tables == {
        *("conversations", "families", "family_memberships", "messages", "tasks"),
        *("habits", "habit_logs"),
        *("exercises", "exercise_logs"),
        *("routines", "routine_versions", "routine_steps", "routine_completions"),
        *("score_entries", "invitations", "idempotency_keys"),
    }


# A judge that never finds anything judges nothing.

NO_FLOOR = "drop policy if exists tenant_floor on app.{}"
BY_USER = "alter policy select_own on app.{} using (user_id = app.current_user_id())"


def test_rlsgrid_breaks_in_where_the_family_is_not_compared(own_hearth: Hearth) -> None:
    found = attack(own_hearth, NO_FLOOR.format("messages"), BY_USER.format("messages"))

    assert breaches(found) == {
        ("app_api", "SELECT", "messages"),
        ("app_reader", "SELECT", "messages"),
    }


def test_pgrls_lint_names_each_mistake(own_hearth: Hearth) -> None:
    mistakes = {
        NO_FLOOR.format("tasks"): ("SEC007", "app.tasks"),
        "alter table app.tasks no force row level security": ("SEC002", "app.tasks"),
        "alter policy select_own on app.messages to public": (
            "SEC003",
            "app.messages.select_own",
        ),
        "alter policy select_family on app.families using (true)": (
            "SEC008",
            "app.families.select_family",
        ),
        "alter function app.tg_touch() security definer": ("SEC014", "app.tg_touch"),
    }
    with psycopg.connect(own_hearth.superuser_url) as connection:
        for mistake in mistakes:
            connection.execute(mistake)

    assert set(mistakes.values()) <= set(lint(own_hearth))


def test_an_exception_that_finds_nothing_is_named(own_hearth: Hearth, bare: Path) -> None:
    with psycopg.connect(own_hearth.superuser_url) as connection:
        connection.execute("drop policy update_ops on app.users")

    assert EXCEPTED - set(lint(own_hearth, bare)) == {("PERF003", "app.users.update_ops")}


def test_pgrls_verify_names_a_policy_that_compares_no_family(own_hearth: Hearth) -> None:
    with psycopg.connect(own_hearth.superuser_url) as connection:
        connection.execute(NO_FLOOR.format("messages"))
        connection.execute(BY_USER.format("messages"))

    verdicts = verify(own_hearth, "cross-tenant", "app.current_family_id")
    assert verdicts["app.messages.select_own"] != "isolated"
