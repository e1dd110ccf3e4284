"""An example of every query, with the values that the service would give it.

For the tests that go through all of `sql/queries`. An endpoint's query gets its values as the
endpoint makes them, from an example of the body or the query string; the others have theirs here.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from app.db.queries import load_queries
from app.http.endpoint import Endpoint
from app.resources import ENDPOINTS
from tests.support.examples import BODIES

QUERIES = load_queries()

# Where each query stands: "sql/queries/service/tasks.sql: list_tasks".
PLACES = {name: f"sql/queries/{query.path}: {name}" for name, query in QUERIES.items()}

OF_ENDPOINTS: Mapping[str, Endpoint] = {query: row for row in ENDPOINTS for query in row.queries}

# Run before sign-in, or by the service for itself: no context.
OUTSIDE = {
    *("sign_up", "find_credentials", "open_session", "refresh_session"),
    *("get_email_key", "hit_rate_limit", "reset_rate_limit", "knows_network"),
    *("get_health", "list_constraints", "get_position", "get_replica_fault"),
}

# Run by people at the command line, as app_ops; what makes a demo is run as app_api.
OF_OPS = {
    name
    for name, query in QUERIES.items()
    if query.path.parent.name == "ops" and query.path.stem != "demo"
}

# Asked only after a write that touched nothing, of what no endpoint shows.
EXISTENCE_CHECKS = {row.existence_check for row in ENDPOINTS if row.existence_check}

_NEW_TOKEN = {
    "token_hash": sha256(b"a new token").digest(),
    "lifetime": timedelta(days=30),
}

# As in the crowd, of its reader (tests/examples/sessions.py).
_NETWORK = {"network_hash": sha256(b"network 200000, 1").digest()}

_ATTEMPT = {"rate_limit": "sign_in", "subject_hash": sha256(b"ann").digest()}

_DEMO = {"is_owner": True, "days": 2, "key": "1, 1, 0"}

_BATCH = {"retired_before": datetime(2020, 3, 1, tzinfo=UTC), "batch_size": 20}

# Of queries that no endpoint runs by itself: what they are given that is no fact about the caller.
_GIVEN: Mapping[str, Mapping[str, object]] = {
    "sign_up": {
        "email": "Newcomer@Example.com",
        "password_hash": "$argon2id$new",
        "full_name": "New Comer",
        "family_name": "The Comers",
        "time_zone": "Europe/Vienna",
        "invitation_hash": None,
        **_NEW_TOKEN,
        **_NETWORK,
    },
    "find_credentials": {},
    "open_session": {**_NEW_TOKEN, **_NETWORK},
    "knows_network": _NETWORK,
    "refresh_session": {
        "new_token_hash": _NEW_TOKEN["token_hash"],
        "lifetime": _NEW_TOKEN["lifetime"],
    },
    "close_session": {},
    "own_credentials": {},
    "change_password": {"new_hash": "$argon2id$new"},
    "switch_family": {},
    **{name: {"may_create": True} for name in EXISTENCE_CHECKS},
    "get_health": {"files": "{}", "deployers_lock": 1, "service_time": datetime.now(UTC)},
    "list_constraints": {},
    "get_position": {},
    "get_replica_fault": {"position": "{}"},
    "lift_limits": {},
    "ensure_audit_partitions": {"months_ahead": 1},
    "get_audit_months": {},
    "find_contexts": {},
    "hit_rate_limit": {**_ATTEMPT, "max_attempts": 1000, "seconds": 900.0},
    "reset_rate_limit": {**_ATTEMPT, "newest": 1},
    "get_email_key": {},
    "find_idempotent_response": {"idempotency_key": "saturday"},
    "save_idempotent_response": {
        "idempotency_key": "sunday",
        "request_hash": sha256(b"flour").digest(),
        "status": 201,
        "body": "{}",
        "etag_version": 1,
    },
    "explain_access": {"table_name": "users", "command": "update"},
    "count_demo": {},
    "find_demo_household": {},
    "list_demo_people": {"household": 1, "seed": 1},
    **{name: _DEMO for name in PLACES if name.startswith("demo_")},
    "begin_purge": {"age": timedelta(days=30)},
    **{name: _BATCH for name in PLACES if name.startswith("purge_") or name.endswith("_to_purge")},
}


def example(query: str, facts: Mapping[str, object], **parameters: str) -> Mapping[str, object]:
    """Return values for a query, by name.

    Args:
        query: The query.
        facts: About the caller and their things: `user_id`, `task_id`, `password_hash` and so on;
            for who restores, `retired_habit_id` and its like.
        parameters: What the query string says, where there is one.

    Raises:
        LookupError: No example is known of this query, or of its endpoint's body.
    """
    row = OF_ENDPOINTS.get(query)
    of_retired = re.fullmatch(r"get_retired_(\w+)", (row and row.existence_check) or query)
    if of_retired and f"retired_{of_retired[1]}_id" in facts:
        facts = {**facts, f"{of_retired[1]}_id": facts[f"retired_{of_retired[1]}_id"]}
    if row is None:
        return {**facts, **_GIVEN[query]}
    values = {**facts, "if_match": None, "may_create": True}
    if row.parameters is not None:
        values |= row.parameters.model_validate(parameters).values()
    if row.body is not None:
        values |= row.body.model_validate_json(json.dumps(BODIES[row.body]), strict=True).values()
    return values
