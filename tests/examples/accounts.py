"""Accounts: users with a password, and what happened to them."""

from tests.support.example import Example, Leave

_PURGE = Leave(rows=2000, why="All that hangs on it goes too, such as a hundred versions.")

USERS = Example(
    table="users",
    private="always",
    household="""
        insert into app.users (id, email, full_name)
        select user_id, user_id || '@example.com', 'Somebody' from people
        on conflict do nothing
    """,
    crowd="""
        insert into app.users (id, email, full_name, deleted_at)
        select
            pg_temp.id('user', person),
            'person' || person || '@example.com',
            'Person ' || person,
            case when place = 998 and person > 200000 then timestamptz '2020-02-02' end
        from people
    """,
    leaves={
        "sign_up": Leave(
            budget=250, why="It makes a row in each of seven tables, with their indexes."
        ),
        "retire_account": Leave(
            budget=400,
            rows=2000,
            why="It looks through the sessions of the user, and for another owner among a"
            " thousand.",
        ),
        "restore_account": Leave(budget=200, why="It restores the families that went with it."),
        "purge_accounts": _PURGE,
        "purge of a user": _PURGE,
    },
)

CREDENTIALS = Example(
    table="credentials",
    private="always",
    household="""
        insert into app.credentials (user_id, password_hash)
        select id, '$argon2id$' from users
    """,
    crowd="""
        insert into app.credentials (user_id, password_hash)
        select pg_temp.id('user', person), '$argon2id$' || md5(person::text)
        from people
    """,
    leaves={
        "change_password": Leave(
            rows=600, why="It looks through the sessions of the user, who has had five hundred."
        ),
    },
)

ACCOUNT_EVENTS = Example(
    table="account_events",
    private="always",
    household="""
        insert into app.account_events (user_id, event_type)
        select id, 'signed_up' from users
    """,
    crowd="""
        insert into app.account_events (user_id, event_type, occurred_at)
        select
            pg_temp.id('user', person),
            'signed_in',
            timestamptz '2026-01-01' + n * interval '1 second'
        from sign_ins
    """,
    unread={
        "account_events_pkey": "a key; events are looked up by nobody yet",
        "account_events_user_id_occurred_at_idx": "for the people who look into one account",
    },
)
