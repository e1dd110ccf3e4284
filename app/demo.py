"""The demo: households with a history, made through the doors that everybody uses."""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.database import Context, DatabaseError, MemberRole, Operator, Stage, operator
from app.passwords import hash_password
from app.tokens import hash_token

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
        async with operator(url) as ops, ops.as_service() as stage:
            return str((await self._people(stage, 1))[0]["email"])

    async def make(self, url: str, *, force: bool, progress: Callable[[int], None]) -> None:
        """Make the households.

        Args:
            url: `DIRECT_URL`, of the deployer.
            force: Also beside accounts that are no demo's.
            progress: Told of each household how many people it has; 0 if it was there already.

        Raises:
            DatabaseError: There are such accounts; the server cannot be reached, or refuses.
        """
        async with operator(url) as ops:
            (counted,) = await ops.rows("count_demo", {})
        if counted["of_others"] and not force:
            raise DatabaseError(
                f"{counted['of_others']} accounts here are no demo, and everybody knows a demo's"
                " password; --force makes one all the same"
            )
        password_hash = await hash_password(PASSWORD)
        households = iter(range(1, self.families + 1))

        async def work() -> None:
            async with operator(url) as ops:
                for household in households:
                    progress(await self._household(ops, household, password_hash))

        workers = [asyncio.create_task(work()) for _ in range(min(WORKERS, self.families))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _people(self, stage: Stage, household: int) -> list[Mapping[str, Any]]:
        values = {"household": household, "seed": self.seed}
        return list(await stage.rows("list_demo_people", values))

    async def _household(self, ops: Operator, household: int, password_hash: str) -> int:
        async with ops.as_service() as stage:
            people = await self._people(stage, household)
        if await ops.value("find_demo_household", {"email": people[0]["email"]}):
            return 0
        # All of it or nothing.
        async with ops.as_service() as stage:
            members: list[Context] = []
            for person in people:
                invitation = await _invite(stage, members[0], person) if members else None
                members.append(await _sign_up(stage, person, password_hash, invitation))
            for place, member in enumerate(members):
                await self._history(stage, member, f"{self.seed}, {household}, {place}")
            guest = {"email": f"guest{household}@demo.example", "role": "member"}
            await _invite(stage, members[0], guest)
        return len(people)

    async def _history(self, stage: Stage, member: Context, key: str) -> None:
        await stage.enter(member)
        is_owner = member.role is MemberRole.OWNER
        values = {
            "family_id": member.family_id,
            "user_id": member.user_id,
            "is_owner": is_owner,
            "days": self.days,
            "key": key,
        }
        await stage.rows("demo_tasks", values)
        await stage.rows("demo_conversations", values)
        if is_owner:
            await stage.rows("demo_exercises", values)
        await stage.rows("demo_exercise_logs", values)
        await stage.rows("demo_habits", values)
        await stage.rows("demo_routines", values)
        await stage.rows("demo_routine_change", values)
        if is_owner:
            await stage.rows("demo_routine_change", values)
        await stage.rows("demo_routine_completions", values)
        await stage.rows("demo_retire", values)


async def _invite(stage: Stage, host: Context, guest: Mapping[str, Any]) -> bytes:
    """Invite somebody and return the hash of the token."""
    await stage.enter(host)
    values = {
        "family_id": host.family_id,
        "user_id": host.user_id,
        "email": guest["email"],
        "role": guest["role"],
    }
    token: str = json.loads(await stage.value("create_invitation", values))["token"]
    return hash_token(token)


async def _sign_up(
    stage: Stage, person: Mapping[str, Any], password_hash: str, invitation: bytes | None
) -> Context:
    """Make an account; its first session ends at once, for nobody has its token."""
    await stage.leave()
    values = {
        **person,
        "password_hash": password_hash,
        "invitation_hash": invitation,
        "token_hash": secrets.token_bytes(32),
        "expires_at": datetime.now(UTC),
    }
    made = json.loads(await stage.value("sign_up", values))
    return Context(UUID(made["user_id"]), None, UUID(made["family_id"]), MemberRole(made["role"]))
