"""No context reaches what is another family's, or somebody's alone: proven, for every row there is.

tests/security/test_isolation.py attacks with rows that were made for it; here z3 looks for any row
and any
context at all (tests/security/proofs.py). A claim is written in SQL. It says what is true of every
row that
a login reaches, and knows nothing of the policies. What fails is printed with a counterexample.
"""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg
import pytest
import z3

from tests.security.proofs import ACCESSES, Table, UnknownExpressionError, read_tables, truth
from tests.support.households import ROLES, RUNTIME, act_as
from tests.support.tally import tally

LOGINS = ("app_api", "app_reader")

# Whose a row is: of the family that it names, else of the user, unless it says so otherwise.
OWN = {
    "families": "id = app.current_family_id()",
    "users": "id = app.current_user_id()",
    "sessions": "user_id = app.current_user_id()",  # of a user, who moves from family to family
}

# Whose it is within a family, where that is not the user it names.
WITHIN = {
    "audit_log": "private_to is null or private_to = app.current_user_id()",
    "invitations": "app.current_member_role() <> 'member'",  # for those who may invite
}

CONTEXT = "app.current_family_id() is not null or app.current_user_id() is not null"


def own(table: Table) -> str | None:
    """Return the claim that a row is the context's own; None if a row cannot say whose it is."""
    if table.name in OWN:
        return OWN[table.name]
    named = (name for name in ("family_id", "user_id") if name in table.columns)
    return next((f"{name} = app.current_{name}()" for name in named), None)


def private(table: Table) -> str:
    """Return the claim that a row is not another member's alone.

    The table says it by a column or, where each of its rows is its user's, by what its trigger
    tells the audit trail; one without a trail is taken for private.
    """
    if table.name in WITHIN:
        return WITHIN[table.name]
    if "visibility" in table.columns:
        return "visibility = 'family' or user_id = app.current_user_id()"
    is_private = "user_id" in table.columns and table.trail in ("private", None)
    return "user_id = app.current_user_id()" if is_private else "true"


@dataclass(frozen=True)
class Theorem:
    """What is claimed of a table as a login meets it by one command, and what refutes it."""

    name: str
    table: Table
    access: str
    counterexample: str | None

    @property
    def is_trivial(self) -> bool:
        return not self.table.is_granted(self.access)


def theorems(table: Table) -> Iterator[Theorem]:
    """Prove, or refute, all there is to prove of a table."""
    # Of a row that cannot say whose it is, nothing is true: nobody may reach it.
    whose = own(table) or "false"
    for access in ACCESSES:
        claims = {"read" if access == "select" else "write": whose, "no context": CONTEXT}
        if "family_id" in table.columns:
            claims["private"] = private(table)
        for name, claim in claims.items():
            yield Theorem(name, table, access, table.counterexample(access, claim))
    if own(table):
        yield Theorem("two contexts", table, "select", table.shared_row(whose))
    # So that neither the trail nor a column promises less, or more, than the policies keep.
    if table.is_granted("select") and table.name not in WITHIN:
        yield Theorem("not hidden", table, "select", table.hidden_row(whose, private(table)))


async def prove(root: asyncpg.Connection) -> list[Theorem]:
    """Return every theorem of every table and login."""
    tables = await read_tables(root, *LOGINS)
    return [theorem for table in tables for theorem in theorems(table)]


def refuted(found: list[Theorem], name: str) -> list[str]:
    """Return the counterexamples to the theorems of a name."""
    return [each.counterexample for each in found if each.name == name and each.counterexample]


async def test_every_row_that_a_login_reaches_is_the_contexts_own(
    root: asyncpg.Connection,
) -> None:
    found = await prove(root)

    tables = {theorem.table.name for theorem in found}
    unproven = {theorem.table.name for theorem in found if theorem.counterexample}
    tally(
        "proofs",
        f"{len(tables - unproven)} / {len(tables)} tables,"
        f" {sum(not each.counterexample for each in found)} / {len(found)} theorems"
        f" ({sum(each.is_trivial for each in found)} of commands that are not granted)",
    )
    broken = [
        f"sql/policies/{each.table.name}.sql: {each.name}: {each.counterexample}"
        for each in found
        if each.counterexample
    ]
    assert not broken, "\n".join(broken)


async def test_every_table_says_whose_its_rows_are_or_is_shut(root: asyncpg.Connection) -> None:
    tables = await read_tables(root, *LOGINS)

    assert {table.name for table in tables if table.granted and own(table) is None} == set()
    assert {table.name for table in tables if not own(table)} == {
        "rate_limit_hits",  # of nobody yet; for the functions of app_auth alone
        "refresh_tokens",  # of a session; for the functions of app_auth alone
    }


# A proof that cannot fail proves nothing: each theorem, and what breaks it.

UNGUARDED = (
    "drop policy if exists tenant_floor on app.{0}; create policy mistake on app.{0} for {1}"
)
MISTAKES = [
    (
        "read",
        UNGUARDED.format(
            "messages", "select to app_reader using (user_id = app.current_user_id())"
        ),
        "app_reader on app.messages, select: ",
    ),
    (
        "read",
        "alter table app.audit_log_default disable row level security;"
        "grant select on app.audit_log_default to app_api",
        "app_api on app.audit_log_default, select: ",
    ),
    (
        "read",
        "grant select on app.refresh_tokens to public;"
        "create policy mistake on app.refresh_tokens for select using (true)",
        "app_reader on app.refresh_tokens, select: any row, in any context",
    ),
    (
        "read",
        "grant app_auth to app_reader",
        "app_reader on app.credentials, select: ",
    ),
    (
        "read",
        "alter role app_reader bypassrls",
        "app_reader on app.conversations, select: ",
    ),
    (
        "write",
        UNGUARDED.format("tasks", "insert to app_api with check (user_id = app.current_user_id())"),
        "app_api on app.tasks, insert: ",
    ),
    (
        "write",  # out of the family, though only from one's own
        "drop policy if exists tenant_floor on app.tasks;"
        "drop policy update_own_or_shared on app.tasks;"
        "create policy mistake on app.tasks for update to app_api"
        " using (family_id = app.current_family_id()) with check (visibility = 'family')",
        "app_api on app.tasks, update to a row: ",
    ),
    (
        "write",
        UNGUARDED.format("tasks", "delete to app_api using (visibility <> 'private')"),
        "app_api on app.tasks, delete: ",
    ),
    (
        "no context",
        "create policy mistake on app.sessions for select to app_api using (revoked_at is null)",
        "app_api on app.sessions, select: ",
    ),
    (
        "private",
        "create policy mistake on app.tasks for select to app_api"
        " using (family_id = app.current_family_id() and app.current_member_role() <> 'member')",
        "app_api on app.tasks, select: ",
    ),
    (
        "private",
        "create policy mistake on app.audit_log for select to app_reader"
        " using (family_id = app.current_family_id() and private_to is not null)",
        "app_reader on app.audit_log, select: ",
    ),
    (
        "private",
        "drop trigger _900_audit on app.exercises",
        "app_api on app.exercises, select: ",
    ),
    (
        "not hidden",
        "alter table app.tasks rename visibility to seen_by",
        "app_api on app.tasks, select of a hidden row: ",
    ),
    (
        "not hidden",
        "create or replace trigger _900_audit after insert or update or delete on app.conversations"
        " for each row execute function app.tg_record_audit()",
        "app_api on app.conversations, select of a hidden row: ",
    ),
    (
        "not hidden",
        "alter policy select_family on app.exercises"
        " using (family_id = app.current_family_id() and user_id = app.current_user_id())",
        "app_reader on app.exercises, select of a hidden row: ",
    ),
    (
        "two contexts",
        UNGUARDED.format("conversations", "select to app_api using (title = 'Everybody''s')"),
        "app_api on app.conversations, select in two contexts: ",
    ),
]


@pytest.mark.parametrize(
    ("theorem", "mistake", "message"),
    MISTAKES,
    ids=[f"{theorem} - {message}".rstrip(": ") for theorem, _, message in MISTAKES],
)
async def test_a_mistake_is_refuted_by_a_row_and_a_context(
    root: asyncpg.Connection, theorem: str, mistake: str, message: str
) -> None:
    await root.execute(mistake)

    found = refuted(await prove(root), theorem)
    assert any(each.startswith(message) for each in found), "\n".join(found)


async def test_the_floor_alone_keeps_families_apart_and_a_grant_alone_keeps_a_table_shut(
    root: asyncpg.Connection,
) -> None:
    for table in ("tasks", "conversations", "messages", "refresh_tokens"):
        await root.execute(
            f"create policy mistake on app.{table} to app_api using (true) with check (true)"
        )

    found = await prove(root)
    assert refuted(found, "read") + refuted(found, "write") == []
    assert len(refuted(found, "private")) > 3  # the floor is no floor within the family


async def test_the_counterexample_can_be_read(root: asyncpg.Connection) -> None:
    await root.execute(
        "create policy mistake on app.users for select to app_api using (full_name = 'Ann')"
    )

    (found,) = (each for each in refuted(await prove(root), "read") if "app.users" in each)
    assert found.startswith("app_api on app.users, select: ")
    assert 'row.full_name = "Ann"' in found


@pytest.mark.parametrize(
    "condition",
    [
        "exists (select from app.tasks as t where t.family_id = messages.family_id)",
        "content like '%'",
        "app.current_request_id() is null",
        "family_id = app.current_family_id() or length(content) > 1",
    ],
)
async def test_what_has_no_translation_is_an_error_that_names_the_policy(
    root: asyncpg.Connection, condition: str
) -> None:
    await root.execute(
        f"create policy mistake on app.messages for select to app_api using ({condition})"
    )

    with pytest.raises(UnknownExpressionError, match=r"policy mistake on app.messages: "):
        await prove(root)


# That PostgreSQL means by an expression what its translation does.

UUIDS = ("00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b", None)
VALUES: dict[str, tuple[object, ...]] = {
    "event_type": ("signed_up", "account_restored", "account_purged", None),
    "expires_at": ("2020-01-01", "2040-01-01", None),
    "is_active": (True, False, None),
    "is_pending": (True, False, None),
    "revoked_at": ("2030-01-01", None),
    "role": (*ROLES, None),
    **dict.fromkeys(
        ("visibility", "routine_visibility", "saved_visibility"), ("private", "family", None)
    ),
}


def evaluate(expression: str, row: dict[str, object], context: dict[str, object]) -> str:
    """Return "true", "false" or "null" by the translation."""
    named = {f"row.{name}": value for name, value in row.items()}
    named["now"] = "2030-01-01"
    named |= {f"context.current_{name}": value for name, value in context.items()}
    substitutes = []
    for name, value in named.items():
        substitutes += [
            (z3.Bool(f"{name} is null"), z3.BoolVal(value is None)),
            (z3.Bool(name), z3.BoolVal(value is True)),
            (z3.String(name), z3.StringVal(str(value))),
        ]
    found = truth(expression)
    for response, formula in (("true", found.is_true), ("false", found.is_false)):
        if z3.is_true(z3.simplify(z3.substitute(formula, substitutes))):
            return response
    return "null"


async def test_the_translation_agrees_with_postgresql(root: asyncpg.Connection) -> None:
    tables = await read_tables(root, *RUNTIME)
    names = {table.name: set(table.columns) for table in tables}
    expressions = {
        (table.name, expression)
        for table in tables
        for policy in table.policies
        for expression in (policy.condition, policy.check)
        if expression
    }
    dice, compared = random.Random(0), 0  # noqa: S311 - the same every time, on purpose
    for table, expression in sorted(expressions):
        columns = set(re.findall("[a-z_]+", expression)) & names[table]
        for _ in range(10):
            rows = [
                {name: dice.choice(VALUES.get(name, UUIDS)) for name in sorted(columns)}
                for _ in range(10)
            ]
            context: dict[str, object] = {
                "user_id": dice.choice(UUIDS),
                "family_id": dice.choice(UUIDS),
                "member_role": dice.choice((*ROLES, None)),
            }
            await act_as(root, "none", **{name: value or "" for name, value in context.items()})
            responses = await root.fetch(
                f"select coalesce(({expression})::text, 'null')"
                f" from jsonb_populate_recordset(null::app.{table}, $1::jsonb)",
                json.dumps(rows),
            )

            translated = [evaluate(expression, row, context) for row in rows]
            assert translated == [response for (response,) in responses], (
                table,
                expression,
                context,
            )
            compared += len(rows)
    tally("proofs, translation", f"{compared:,} conditions evaluated as PostgreSQL does")
