"""Who a person is to the database, and why a row is theirs to see or is not."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db.admin import run_as_ops
from app.settings import SettingsError

Report = Mapping[str, Any]

_VERDICTS = {
    "admitted": "admitted: {email} may {command} this row of app.{table}",
    "hidden": "hidden: {email} cannot see this row of app.{table} to {command} it",
    "refused": "refused: {email} may not {command} this row of app.{table}",
}


@dataclass(frozen=True)
class Person:
    """An active account, and the family that it acts in; without one, `role` is `None` too."""

    email: str
    user_id: UUID
    family_id: UUID | None
    role: str | None


def find_person(url: str, email: str, family: str | None) -> Person:
    """Return the person with an address, in the family of that name or id if there are several.

    Args:
        url: `DIRECT_URL`, of a login that may take the role of app_ops.
        email: The address, in any case.
        family: The family's name or id; needed only by who is in several.

    Raises:
        SettingsError: There is no such account, no such family, or more than one.
        DatabaseError: The server cannot be reached, or refuses.
    """
    found = asyncio.run(run_as_ops(url, "find_contexts", {"email": email}))
    if not found:
        raise SettingsError(f"--as: no active account has the address {email}")
    names = sorted(
        f"{row['family_name']} ({row['family_id']})" for row in found if row["family_id"]
    )
    fitting = [row for row in found if family in (None, row["family_name"], str(row["family_id"]))]
    if family is not None and not fitting:
        there = f"only in {', '.join(names)}" if names else "in no family"
        raise SettingsError(f"--family: {email} is not in {family}, {there}")
    if len(fitting) > 1:
        raise SettingsError(f"--family: {email} is in several: {', '.join(names)}")
    row = fitting[0]
    return Person(email, row["user_id"], row["family_id"], row["role"])


def explain(url: str, person: Person, table: str, row_id: UUID, command: str) -> Report:
    """Return what admits a row to a person or hides it, as `app.explain_access` says it.

    Args:
        url: `DIRECT_URL`, of a login that may take the role of app_ops.
        person: Who asks for the row.
        table: The table, without its schema.
        row_id: The row's id; of a membership, the user's.
        command: `select`, `update` or `delete`.

    Returns:
        `verdict` (admitted, hidden or refused), `role`, `grants` by command and, unless a grant is
        missing, `settings`, `row` (what decides) and `policies` with their conditions.

    Raises:
        SettingsError: There is no such table or row.
        DatabaseError: The server cannot be reached, or refuses.
    """
    values = {
        "table_name": table,
        "row_id": row_id,
        "command": command,
        "user_id": person.user_id,
        "family_id": person.family_id,
        "member_role": person.role,
    }
    ((answer,),) = (row.values() for row in asyncio.run(run_as_ops(url, "explain_access", values)))
    if answer is None:
        raise SettingsError(f"TABLE: the table app.{table} does not exist")
    report: Report = json.loads(answer)
    if report["verdict"] == "absent":
        raise SettingsError(f"KEY: no row of app.{table} has the key {row_id}")
    return report


def in_words(report: Report, person: Person, table: str, command: str) -> Iterator[str]:
    """Yield the lines that tell a reader what `explain` found."""
    yield _VERDICTS[report["verdict"]].format(email=person.email, command=command, table=table)
    settings = f"the role {report['role']} has the settings"
    for head, name in ((settings, "settings"), ("the row has the values", "row")):
        if name in report:
            yield f"\n{head}"
            yield from (f"      {key} = {_shown(value)}" for key, value in report[name].items())
    for asked in sorted(report["grants"], key="select".__ne__):
        columns = report["grants"][asked]
        what = "the whole table" if columns == ["*"] else f"the columns {', '.join(columns)}"
        has = f"one on {what}" if columns else "none"
        yield f"\n{asked} needs the grant, every restrictive policy and one permissive policy"
        yield f"  {_yes(columns)} grant: {report['role']} has {has}"
        for policy in report.get("policies", ()):
            if policy["command"] == asked:
                what = f"{policy['kind']} policy {policy['name']}, {policy['clause']}"
                yield f"  {_yes(policy['holds'])} {what}"
                for condition in policy["conditions"]:
                    yield f"        {_yes(condition['holds'])} {condition['condition']}"
    if "policies" in report:
        yield f"\nThe policies are in sql/policies/{table}.sql. Triggers were not asked."
        if command == "update":
            yield "The check was asked about the row as it is now; the changed row may differ."


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _yes(holds: object) -> str:
    return "yes" if holds else "no "
