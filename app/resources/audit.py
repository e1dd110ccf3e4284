"""The audit trail: who changed what."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from app.db.context import MemberRole
from app.http import problems
from app.http.endpoint import Resource, get
from app.http.models import EXAMPLE_TIME, EXAMPLE_USER_ID, NewestFirst, Page, Response

_TASK_ID = "019a9f41-0c6d-7e11-8b44-c0ffee15600d"


class AuditRecord(Response):
    """A record of the audit trail."""

    example = {
        "id": "019a9f41-0c6e-7f22-9c55-0123456789ab",
        "occurred_at": EXAMPLE_TIME,
        "action_type": "update",
        "table_name": "tasks",
        "row_key": {"id": _TASK_ID},
        "before": {"title": "Water the plant"},
        "after": {"title": "Water the plants"},
        "actor_id": EXAMPLE_USER_ID,
        "actor_role": "owner",
        "metadata": {
            "login": "app_api",
            "database_role": "app_api",
            "application": "hearth",
            "request_id": "3f7c0f9e-8a4e-4b0e-9d53-6f3ad0f1b2c4",
        },
    }

    id: UUID
    occurred_at: datetime
    action_type: Literal["insert", "update", "delete"]
    table_name: str
    row_key: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    actor_id: UUID | None
    actor_role: MemberRole | None
    metadata: dict[str, Any]


audit = Resource(
    "Audit",
    "Who changed what, for owners and admins.",
    (
        get(
            "/v1/audit",
            "List the audit trail, newest first (owners and admins)",
            query="list_audit",
            parameters=NewestFirst,
            response=Page[AuditRecord],
            when_empty=problems.FORBIDDEN,
        ),
    ),
)
