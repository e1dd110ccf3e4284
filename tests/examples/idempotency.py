"""Idempotency keys: responses that are kept for whoever sends a request again."""

from tests.support.example import Example, Leave

IDEMPOTENCY_KEYS = Example(
    table="idempotency_keys",
    private="always",
    household="""
        insert into app.idempotency_keys
            (family_id, user_id, idempotency_key, request_hash, status)
        select family_id, user_id, 'saturday', sha256('flour'), 201 from people
    """,
    # Everybody who is signed in has sent a request with a key, today or yesterday.
    crowd="""
        insert into app.idempotency_keys (
            family_id, user_id, idempotency_key, request_hash, status, created_at
        )
        select
            pg_temp.id('family', family),
            pg_temp.id('user', person),
            case n when 1 then 'saturday' else 'key ' || n end,
            sha256('flour'),
            201,
            now() - person % 30 * interval '1 hour'
        from sign_ins
    """,
    leaves={
        "find_idempotent_response": Leave(
            budget=150, why="It forgets twenty old answers on the way."
        ),
    },
)
