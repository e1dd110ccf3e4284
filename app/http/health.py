"""Health: what the service says of itself, never well without having asked the database."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import asyncpg

from app.db.pool import Database, DatabaseError, Transaction
from app.migrations.sources import Tree
from app.settings import sql_directory

# How long a response may take, in seconds; orchestrators ask every few seconds.
TIME_LIMIT = 5.0

# From this share of connections in use on, requests are about to wait.
CROWDED = 0.9


class HealthState(StrEnum):
    """How the service is."""

    STARTING = "starting"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"


@dataclass(frozen=True)
class Report:
    """The state, and each check with `ok` and what it saw."""

    state: HealthState
    checks: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether requests should be sent here."""
        return self.state in {HealthState.HEALTHY, HealthState.DEGRADED}

    @property
    def document(self) -> Mapping[str, object]:
        """The report as clients get it."""
        return {"state": self.state.value, "checks": self.checks}


class Health:
    """Asks the database and judges.

    Args:
        database: What is asked.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        tree = Tree.read(sql_directory())
        self._expected = {
            f"{file.kind}/{file.name}": file.sha256 for file in [*tree.migrations, *tree.files]
        }

    async def report(self) -> Report:
        """Return the report, within `TIME_LIMIT`."""
        started = time.perf_counter()
        used, most = self._database.pool_use  # before we use it ourselves
        try:
            async with asyncio.timeout(TIME_LIMIT * 0.7):  # the rest is for the rollback
                server, installed = await self._database.run(None, _ask, read_only=True)
        except (TimeoutError, OSError, DatabaseError, asyncpg.PostgresError) as error:
            return _unreachable(error)
        except asyncpg.InterfaceError as error:
            return _unreachable(error)
        milliseconds = round((time.perf_counter() - started) * 1000, 1)

        differing = sorted(
            name for name, sha256 in self._expected.items() if installed.get(name) != sha256
        )
        checks: dict[str, dict[str, object]] = {
            "database": {
                "ok": True,
                "milliseconds": milliseconds,
                "server_version": server["server_version"],
                "new_id": server["new_id"],
            },
            "role": {"ok": not unsafe(server), "unsafe_because": unsafe(server)},
            "migrations": {"ok": not differing, "differing": differing},
            "pool": {"ok": used <= CROWDED * most, "in_use": used, "max": most},
        }
        return Report(_judge(checks), checks)


def unsafe(server: Mapping[str, Any]) -> list[str]:
    """Return why this login must not serve tenants: none of it may be true.

    Args:
        server: The row of the query `get_server`.
    """
    reasons = {
        "is_superuser": "it is a superuser",
        "bypasses_rls": "it bypasses row level security",
        "owns_tables": "it owns tables, or is a member of a role that does",
        "holds_roles": "it is a member of other roles",
    }
    return [sentence for name, sentence in reasons.items() if server[name]]


async def _ask(transaction: Transaction) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    server = json.loads(await transaction.value("get_server", {}))
    installed = json.loads(await transaction.value("get_installed_files", {}))
    return server, installed


def _judge(checks: Mapping[str, Mapping[str, object]]) -> HealthState:
    if not (checks["database"]["ok"] and checks["role"]["ok"]):
        return HealthState.UNHEALTHY
    if not all(check["ok"] for check in checks.values()):
        return HealthState.DEGRADED
    return HealthState.HEALTHY


def _unreachable(error: Exception) -> Report:
    reason = {"ok": False, "because": type(error).__name__}
    return Report(HealthState.UNHEALTHY, {"database": reason})
