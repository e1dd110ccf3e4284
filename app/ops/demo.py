"""The demo: households with a history, made through the doors that everybody uses."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from app.auth.passwords import hash_password
from app.auth.tokens import hash_token
from app.db.admin import Admin, connect
from app.db.context import Context, MemberRole
from app.db.pool import DatabaseError, Transaction

# What all of them sign in with.
PASSWORD = "hearth demo"  # noqa: S105 - said to everybody

# Connections that work at the same time, a household each.
WORKERS = 4


@dataclass(frozen=True)
class Demo:
    """What is to be made.

    Args:
        families: How many households.
        days: How far their history goes back.
        seed: Decides who they are and what they did.
    """

    families: int
    days: int
    seed: int

    async def email(self, url: str) -> str:
        """Return the address of the owner of the first household."""
        async with connect(url) as admin, admin.transaction("app_api") as transaction:
            return str((await self._people(transaction, 1))[0]["email"])

    async def make(self, url: str, *, force: bool, progress: Callable[[int], None]) -> None:
        """Make the households.

        Args:
            url: `DIRECT_URL`, of the deployer.
            force: Also beside accounts that are no demo's.
            progress: Told of each household how many people it has; 0 if it was there already.

        Raises:
            DatabaseError: There are such accounts; the server cannot be reached, or refuses.
        """
        async with connect(url) as admin:
            (counted,) = await admin.rows("count_demo", {})
        if counted["of_others"] and not force:
            raise DatabaseError(
                f"the database has accounts that are not a demo's ({counted['of_others']}), and"
                " everybody knows a demo's password; --force makes a demo anyway"
            )
        password_hash = await hash_password(PASSWORD)
        households = iter(range(1, self.families + 1))

        async def work() -> None:
            async with connect(url) as admin:
                for household in households:
                    progress(await self._household(admin, household, password_hash))

        workers = [asyncio.create_task(work()) for _ in range(min(WORKERS, self.families))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _people(self, transaction: Transaction, household: int) -> list[Mapping[str, Any]]:
        values = {"household": household, "seed": self.seed}
        return list(await transaction.rows("list_demo_people", values))

    async def _household(self, admin: Admin, household: int, password_hash: str) -> int:
        async with admin.transaction("app_api") as transaction:
            people = await self._people(transaction, household)
        if await admin.value("find_demo_household", {"email": people[0]["email"]}):
            return 0
        # All of it or nothing.
        async with admin.transaction("app_api") as transaction:
            members: list[Context] = []
            for person in people:
                invitation = await _invite(transaction, members[0], person) if members else None
                members.append(await _sign_up(transaction, person, password_hash, invitation))
            for place, member in enumerate(members):
                await self._history(transaction, member, f"{self.seed}, {household}, {place}")
            guest = {"email": f"guest{household}@demo.example", "role": "member"}
            await _invite(transaction, members[0], guest)
        return len(people)

    async def _history(self, transaction: Transaction, member: Context, key: str) -> None:
        await transaction.enter(member)
        is_owner = member.role is MemberRole.OWNER
        values = {
            "family_id": member.family_id,
            "user_id": member.user_id,
            "is_owner": is_owner,
            "days": self.days,
            "key": key,
        }
        await transaction.rows("demo_tasks", values)
        await transaction.rows("demo_conversations", values)
        if is_owner:
            await transaction.rows("demo_exercises", values)
        await transaction.rows("demo_exercise_logs", values)
        await transaction.rows("demo_habits", values)
        await transaction.rows("demo_routines", values)
        await transaction.rows("demo_routine_change", values)
        if is_owner:
            await transaction.rows("demo_routine_change", values)
        await transaction.rows("demo_routine_completions", values)
        await transaction.rows("demo_retire", values)


async def _invite(transaction: Transaction, host: Context, guest: Mapping[str, Any]) -> bytes:
    """Invite somebody and return the hash of the token."""
    await transaction.enter(host)
    values = {
        "family_id": host.family_id,
        "user_id": host.user_id,
        "email": guest["email"],
        "role": guest["role"],
    }
    token: str = json.loads(await transaction.value("create_invitation", values))["token"]
    return hash_token(token)


async def _sign_up(
    transaction: Transaction,
    person: Mapping[str, Any],
    password_hash: str,
    invitation: bytes | None,
) -> Context:
    """Make an account; its first session ends at once, for nobody has its token."""
    await transaction.leave()
    values = {
        **person,
        "password_hash": password_hash,
        "invitation_hash": invitation,
        "token_hash": secrets.token_bytes(32),
        "lifetime": timedelta(0),
        "network_hash": None,
    }
    made = json.loads(await transaction.value("sign_up", values))
    return Context(UUID(made["user_id"]), None, UUID(made["family_id"]), MemberRole(made["role"]))
