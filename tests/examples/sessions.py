"""Sessions, with a chain of tokens each."""

from tests.support.example import Example, Leave

SESSIONS = Example(
    table="sessions",
    private="always",
    household="""
        insert into app.sessions (id, user_id, family_id, expires_at)
        select session_id, user_id, family_id, now() + interval '1 day' from people
    """,
    crowd="""
        insert into app.sessions (id, user_id, family_id, expires_at, revoked_at, network_hash)
        select
            pg_temp.id('session of ' || person || ', ', n),
            pg_temp.id('user', person),
            pg_temp.id('family', family),
            case when n > 1 then timestamptz '2020-02-02' else now() + interval '30 days' end,
            case when n > 1 then timestamptz '2020-02-01' end,
            sha256(convert_to('network ' || person || ', ' || n % 3, 'UTF8'))
        from sign_ins
    """,
    leaves={
        "open_session": Leave(
            budget=150, why="It makes a session, a token and an event, with their indexes."
        ),
        "purge_sessions": Leave(
            budget=200, why="It finds and deletes twenty sessions, as many as it may."
        ),
    },
)

REFRESH_TOKENS = Example(
    table="refresh_tokens",
    private="always",
    household="""
        insert into app.refresh_tokens (token_hash, session_id)
        select sha256(session_id::text::bytea), session_id from people
    """,
    crowd="""
        insert into app.refresh_tokens (token_hash, session_id, replaces_hash)
        select
            sha256(convert_to('token ' || person || ', ' || n, 'UTF8')),
            pg_temp.id('session of ' || person || ', ', 1),
            case when n > 1 then sha256(convert_to('token ' || person || ', ' || n - 1, 'UTF8')) end
        from sign_ins
    """,
    leaves={
        "refresh_session": Leave(
            budget=200, why="It makes a token and changes a session, with their indexes."
        ),
    },
)
