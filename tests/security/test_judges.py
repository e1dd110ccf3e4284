"""Judges from outside: what pgrls and rlsgrid find in the migrated database, and that they look.

pgrls.toml and rlsgrid.toml hold what they are told of this model, and what is excepted, and why.
squawk, the judge of migrations, runs on its own (`make squawk`).
"""

from typing import Any

import asyncpg
import psycopg
import pytest

from tests.security.judges import EXCEPTIONS, Excepted, ask, complaints, lint, needless, unexcepted
from tests.security.test_isolation import ATTACKS
from tests.security.test_proofs import LOGINS, prove
from tests.support.fixtures import Hearth
from tests.support.tally import tally

pytestmark = [pytest.mark.newest, pytest.mark.no_judge]

# pgrls lint.


def test_pgrls_finds_what_is_excepted_with_a_reason_and_nothing_else(own_hearth: Hearth) -> None:
    found = lint(own_hearth.superuser_url)

    rules = ask(own_hearth.superuser_url, "pgrls", "explain", "--format=json")["count"]
    tally(
        "pgrls lint",
        f"{rules} rules, {len(found)} findings, {len(unexcepted(found))} of them not covered by the"
        f" {len(EXCEPTIONS)} exceptions with reasons",
    )
    assert not complaints(found), "\n".join(complaints(found))


# pgrls matrix.


def test_nothing_is_open_to_a_login_but_through_a_function_or_a_key(own_hearth: Hearth) -> None:
    runtime = ("app_api", "app_reader", "app_auth", "app_audit", "app_ops")
    roles = ",".join(("PUBLIC", *runtime))

    matrix = ask(own_hearth.superuser_url, "pgrls", "matrix", "--format=json", f"--roles={roles}")

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
    found = ask(hearth.superuser_url, "pgrls", "verify", "--format=json", f"--mode={mode}", *named)
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
    found = ask(own_hearth.superuser_url, "pgrls", "verify", "--format=json", "--mode=escalation")
    views = ask(own_hearth.superuser_url, "pgrls", "verify", "--format=json", "--mode=reachability")

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

        -- Whoever a row names, by however many keys, is the one person. It makes up no days.
        for v in
            with recursive people (conrelid, number) as (
                select 'app.users'::regclass::oid, 1::smallint
                union
                select c.conrelid, key.own
                from pg_constraint as c
                cross join unnest(c.conkey, c.confkey) as key (own, theirs)
                join people as p on (c.confrelid, key.theirs) = (p.conrelid, p.number)
            )
            select a.attrelid::regclass as table, a.attname as name,
                case t.typcategory
                    when 'D' then 'now' else '00000000-0000-0000-0000-000000000001'
                end as value
            from pg_attribute as a
            join pg_class as c on c.oid = a.attrelid
            join pg_type as t on t.oid = a.atttypid
            where c.relnamespace = 'app'::regnamespace and c.relkind = 'r' and a.attnum > 0
                and a.attrelid <> 'app.users'::regclass
                and (
                    (a.attrelid, a.attnum) in (select * from people)
                    or t.typcategory = 'D' and a.attnotnull and not a.atthasdef
                )
        loop
            execute format('alter table %s alter %I set default %L', v.table, v.name, v.value);
        end loop;

        -- It takes for the tenant what the first of them refers to.
        for v in
            select conrelid::regclass as table, conname as name from pg_constraint
            where connamespace = 'app'::regnamespace and coninhcount = 0
                and contype in ('c', 'f', 'u') and confrelid <> 'app.families'::regclass
            order by contype  -- the foreign keys before what they refer to
        loop
            execute format('alter table %s drop constraint %I', v.table, v.name);
        end loop;

        for v in
            select i.indexrelid::regclass as index
            from pg_index as i
            join pg_class as c on c.oid = i.indrelid
            where c.relnamespace = 'app'::regnamespace and i.indisunique and not i.indisprimary
        loop
            execute format('drop index %s', v.index);
        end loop;

        for v in
            select oid::regclass as table from pg_class
            where relnamespace = 'app'::regnamespace and relkind = 'r'
        loop
            execute format('alter table %s disable trigger all', v.table);
            execute format('grant all on %s to app_api, app_reader', v.table);
        end loop;
    end $$
"""


def attack(hearth: Hearth, *mistakes: str) -> Any:
    """Make the mistakes, then let rlsgrid fill four families and attack each from the others."""
    with psycopg.connect(hearth.superuser_url) as connection:
        connection.execute(PREPARE)
        for mistake in mistakes:
            connection.execute(mistake)
    return ask(hearth.superuser_url, "rlsgrid", "check", "--json", "--tenants=4")


def breaches(found: Any) -> set[tuple[str, str, str]]:
    """Return where it broke in: who, by which command, into which table."""
    parts = ("actor_role", "operation", "table")
    return {tuple(breach[part] for part in parts) for breach in found["breaches"]}


def of_families(hearth: Hearth) -> set[str]:
    """Return the tables that have a floor, but for the trail, which is partitioned."""
    with psycopg.connect(hearth.superuser_url) as connection:
        rows = connection.execute(
            "select c.relname from pg_policy as p join pg_class as c on c.oid = p.polrelid"
            " where not p.polpermissive and c.relkind = 'r'"
        )
        return {name for (name,) in rows}


def test_rlsgrid_breaks_into_no_family(own_hearth: Hearth) -> None:
    found = attack(own_hearth)

    plan = ask(own_hearth.superuser_url, "rlsgrid", "plan", "--json", "--show=conditional")["cells"]
    tables = {cell["table"] for cell in plan}
    tally(
        "rlsgrid",
        f"{found['iterations']:,} attempts on {len(tables)} tables by {len(plan)} ways,"
        f" {len(found['breaches'])} breaches",
    )
    assert breaches(found) == set()
    assert found["skip_reasons"] == {}
    assert tables == of_families(own_hearth)


# A judge that never finds anything judges nothing.

NO_FLOOR = "drop policy if exists tenant_floor on app.{}"
BY_USER = "alter policy select_own on app.{} using (user_id = app.current_user_id())"


def test_rlsgrid_breaks_in_where_the_family_is_not_compared(own_hearth: Hearth) -> None:
    found = attack(own_hearth, NO_FLOOR.format("messages"), BY_USER.format("messages"))

    assert breaches(found) == {
        ("app_api", "SELECT", "messages"),
        ("app_reader", "SELECT", "messages"),
    }


# The reason of an exception, made untrue: what it covered, or what is like it, is found.
UNTRUE = [
    ("SEC008 app.families.update_auth", "alter policy update_auth on app.families using (true)"),
    ("SEC008 app.habits.delete_ops", "alter policy delete_ops on app.habits using (true)"),
    (
        "SEC009 app.audit_log_of_old",
        "create table app.audit_log_of_old (id uuid primary key);"
        "alter table app.audit_log_of_old enable row level security",
    ),
    ("SEC013 app.tasks._100_touch", "alter function app.tg_touch() security definer"),
    ("SEC013 app.tasks._500_score_insert", "alter function app.tg_score_task() rename to another"),
    ("SEC014 app.tg_touch", "alter function app.tg_touch() security definer"),
    ("SEC014 app.assert_membership", "alter function app.assert_membership() security definer"),
    (
        "SEC014 app.tg_keep_an_owner",
        "grant execute on function app.tg_keep_an_owner() to app_reader",
    ),
    (
        "SEC028 app.families.insert_auth",
        "alter policy insert_auth on app.families with check (true)",
    ),
    ("PERF003 app.tasks.select_own_or_shared", NO_FLOOR.format("tasks")),
    ("PERF003 app.users.update_auth", "alter policy update_auth on app.users to app_api"),
    ("PERF003 app.users.select_ops", "alter policy select_ops on app.users using (is_active)"),
    (
        "PERF003 app.routines.delete_ops",
        "alter policy delete_ops on app.routines using (name = '')",
    ),
]

MISTAKES = [
    ("SEC002 app.tasks", "alter table app.tasks no force row level security"),
    ("SEC003 app.messages.select_own", "alter policy select_own on app.messages to public"),
    ("SEC007 app.tasks", NO_FLOOR.format("tasks")),
    (
        "SEC008 app.families.select_family",
        "alter policy select_family on app.families using (true)",
    ),
]


def test_pgrls_lint_names_each_mistake(own_hearth: Hearth) -> None:
    with psycopg.connect(own_hearth.superuser_url) as connection:
        for _, mistake in MISTAKES + UNTRUE:
            connection.execute(mistake)

    found = {f"{each.rule} {each.name}" for each in unexcepted(lint(own_hearth.superuser_url))}
    assert {name for name, _ in MISTAKES + UNTRUE} - found == set()


# Whatever was excepted for roles that nobody can log in as.
LOST = """
    do $$
    declare
        v record;
    begin
        for v in select policyname as name, tablename as table from pg_policies loop
            execute format('alter policy %I on app.%I to app_api', v.name, v.table);
        end loop;

        for v in select oid::regprocedure as function from pg_proc where prosecdef loop
            execute format('alter function %s owner to app_owner', v.function);
        end loop;
    end $$
"""


def test_no_exception_is_for_a_login_or_for_who_owns_the_tables(own_hearth: Hearth) -> None:
    with psycopg.connect(own_hearth.superuser_url) as connection:
        connection.execute(LOST)

    found = lint(own_hearth.superuser_url)
    wide = [
        each for each in found if each.rule in {"SEC005", "SEC008", "SEC020", "SEC028", "SEC038"}
    ]
    lent = [each for each in found if each.facts.get("runs_as") == ["app_owner"]]
    assert wide
    assert lent
    assert {*map(str, wide), *map(str, lent)} <= set(map(str, unexcepted(found)))


def test_an_exception_that_finds_nothing_is_named(own_hearth: Hearth) -> None:
    with psycopg.connect(own_hearth.superuser_url) as connection:
        connection.execute("drop policy delete_auth on app.rate_limit_hits")

    assert set(needless(lint(own_hearth.superuser_url))) == {
        f"{rule} object = app.rate_limit_hits.delete_auth, to = app_auth"
        for rule in ("SEC005", "SEC008")
    }


@pytest.mark.parametrize("missing", ["rules", "object", "reason"])
def test_an_exception_of_a_whole_rule_or_without_a_reason_is_none(missing: str) -> None:
    entry = {"rules": "SEC007", "object": "app.users", "reason": "People."}

    with pytest.raises(ValueError, match="rules, a condition and a reason are needed"):
        Excepted.read({**entry, missing: []})


def test_pgrls_verify_names_a_policy_that_compares_no_family(own_hearth: Hearth) -> None:
    with psycopg.connect(own_hearth.superuser_url) as connection:
        connection.execute(NO_FLOOR.format("messages"))
        connection.execute(BY_USER.format("messages"))

    verdicts = verify(own_hearth, "cross-tenant", "app.current_family_id")
    assert verdicts["app.messages.select_own"] != "isolated"
