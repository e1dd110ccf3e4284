"""The trail: what it says, who reads it, that nobody changes it, and its months."""

import asyncio
import json
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.examples import EXAMPLE_OF
from tests.support.fixtures import AsRole, Hearth, Person, wait_until_blocked
from tests.support.households import RUNTIME, Household, act_as, attempt, row_id

NOW_MONTH = "date_trunc('month', now() at time zone 'UTC')"


async def last_records(root: asyncpg.Connection, family_id: object, count: int) -> list[Any]:
    """Return the last records of a family's trail, oldest first, as what JSON makes of them."""
    rows = await root.fetch(
        "select to_jsonb(a) - '{family_id,id,occurred_at}'::text[] from app.audit_log as a"
        " where family_id = $1 order by occurred_at desc, id desc limit $2",
        *(family_id, count),
    )
    return [json.loads(row) for (row,) in reversed(rows)]


# What a record says.


async def test_an_update_at_a_psql_prompt_is_told_by_the_database_role(
    root: asyncpg.Connection, home: Household, hearth: Hearth
) -> None:
    await root.execute(
        "update app.tasks set title = 'Water the plants' where (family_id, id) = ($1, $2)",
        *(home.family_id, row_id("shared task", "member")),
    )

    assert await last_records(root, home.family_id, 1) == [
        {
            "action_type": "update",
            "table_name": "tasks",
            "row_key": {"id": str(row_id("shared task", "member"))},
            "before": {"title": "Take out the rubbish"},
            "after": {"title": "Water the plants"},
            "actor_id": None,
            "actor_role": None,
            "private_to": None,
            "metadata": {
                "login": hearth.cluster.user,
                "database_role": hearth.cluster.user,
            },
        }
    ]


async def test_an_update_in_a_context_names_the_actor_and_the_request(
    hearth: Hearth, root: asyncpg.Connection, home: Household
) -> None:
    request_id = uuid4()
    await act_as(root, "app_api", **home.context("admin"), request_id=request_id)

    await root.execute("update app.families set name = 'The Others', time_zone = 'Europe/Vienna'")

    await root.execute("reset role")
    assert await last_records(root, home.family_id, 1) == [
        {
            "action_type": "update",
            "table_name": "families",
            "row_key": {"id": str(home.family_id)},
            "before": {"name": "The Alikes", "time_zone": "UTC"},
            "after": {"name": "The Others", "time_zone": "Europe/Vienna"},
            "actor_id": str(home.users["admin"]),
            "actor_role": "admin",
            "private_to": None,
            "metadata": {
                # Not app_api logged in, but somebody in its role: the trail tells.
                "login": hearth.cluster.user,
                "database_role": "app_api",
                "request_id": str(request_id),
            },
        }
    ]


async def test_an_update_over_http_names_the_actor_and_the_request(
    root: asyncpg.Connection, ann: Person
) -> None:
    response = await ann.client.patch("/v1/family", json={"name": "The Anns"})

    records = await last_records(root, ann.family_id, 1)
    assert [(record["actor_id"], record["actor_role"]) for record in records] == [
        (str(ann.user_id), "owner")
    ]
    assert records[0]["after"] == {"name": "The Anns"}
    assert records[0]["metadata"] == {
        "login": "app_api",
        "database_role": "app_api",
        "application": "hearth",
        "request_id": response.headers["X-Request-Id"],
    }


@pytest.mark.parametrize(
    ("changes", "before", "after"),
    [
        (
            {"title": "'Rest'", "description": "'Long'", "due_on": "null"},
            '{"title": "Take out", "due_on": "2026-05-01", "description": null}',
            '{"title": "Rest", "due_on": null, "description": "Long"}',
        ),
        ({"title": "title"}, "{}", "{}"),
    ],
    ids=["filled and emptied", "nothing changed"],
)
async def test_an_update_tells_the_columns_that_changed_and_no_others(
    root: asyncpg.Connection,
    home: Household,
    changes: dict[str, str],
    before: str,
    after: str,
) -> None:
    await act_as(root, "app_api", **home.context("member"))
    task = await root.fetchval(
        "insert into app.tasks (family_id, user_id, title, due_on)"
        " values ($1, $2, 'Take out', '2026-05-01') returning id",
        *(home.family_id, home.users["member"]),
    )
    assignments = ", ".join(f"{column} = {value}" for column, value in changes.items())
    await root.execute(f"update app.tasks set {assignments} where id = $1", task)

    await root.execute("reset role")
    (row,) = await root.fetch(
        "select before::text, after::text from app.audit_log"
        " where family_id = $1 order by occurred_at desc limit 1",
        home.family_id,
    )
    assert tuple(row) == (before, after)


async def test_an_insert_and_a_delete_keep_the_whole_row(
    root: asyncpg.Connection, home: Household
) -> None:
    await act_as(root, "app_api", **home.context("member"))
    row = json.loads(
        await root.fetchval(
            "insert into app.tasks as t (family_id, user_id, title) values ($1, $2, 'Rest')"
            " returning to_jsonb(t)",
            *(home.family_id, home.users["member"]),
        )
    )
    await root.execute("delete from app.tasks where id = $1", UUID(row["id"]))

    await root.execute("reset role")
    made, gone = await last_records(root, home.family_id, 2)
    assert (made["action_type"], made["before"], made["after"]) == ("insert", None, row)
    assert (gone["action_type"], gone["before"], gone["after"]) == ("delete", row, None)


async def test_a_row_without_an_id_is_named_by_the_rest_of_its_key(
    root: asyncpg.Connection, home: Household
) -> None:
    habit = row_id("shared habit", "member")
    await act_as(root, "app_api", **home.context("member"))

    await root.execute("update app.habit_logs set note = 'Twice' where habit_id = $1", habit)

    await root.execute("reset role")
    (record,) = await last_records(root, home.family_id, 1)
    assert record["row_key"] == {"habit_id": str(habit), "logged_on": "2026-03-29"}


async def test_a_cascade_is_recorded_with_who_began_it(
    root: asyncpg.Connection, home: Household
) -> None:
    request_id = uuid4()
    await act_as(root, "app_api", **home.context("member"), request_id=request_id)

    await root.execute("delete from app.conversations")

    await root.execute("reset role")
    records = await last_records(root, home.family_id, 3)
    assert sorted((record["table_name"], record["action_type"]) for record in records) == [
        ("conversations", "delete"),
        ("messages", "delete"),
        ("messages", "delete"),
    ]
    assert {
        (record["actor_id"], record["metadata"]["database_role"], record["metadata"]["request_id"])
        for record in records
    } == {(str(home.users["member"]), "app_api", str(request_id))}


async def test_the_text_of_a_message_is_told_by_its_hash(
    root: asyncpg.Connection, home: Household
) -> None:
    await act_as(root, "app_api", **home.context("member"))
    await root.execute(
        "insert into app.messages (family_id, user_id, conversation_id, role, content)"
        " values ($1, $2, $3, 'user', 'Grüß Gott')",
        *(home.family_id, home.users["member"], row_id("conversation", "member")),
    )
    await root.execute("delete from app.conversations")

    await root.execute("reset role")
    records = [
        record[side]
        for record in await last_records(root, home.family_id, 5)
        for side in ("before", "after")
        if record["table_name"] == "messages" and record[side] is not None
    ]
    contents = [record["content"] for record in records]
    expected = f"sha256:{sha256('Grüß Gott'.encode()).hexdigest()}"
    assert len(contents) == 4
    assert contents.count(expected) == 2
    assert all(content.startswith("sha256:") for content in contents)


# Who reads it.


async def audited(root: asyncpg.Connection) -> list[tuple[str, str]]:
    """Return the audited tables, and in SQL to whom a row is private, as tests/examples say."""
    private_to = {
        "always": "t.user_id",
        "by visibility": "case when t.visibility = 'private' then t.user_id end",
        "never": "null::uuid",
    }
    tables = await root.fetch(
        "select c.relname from pg_trigger as g join pg_class as c on c.oid = g.tgrelid"
        " where g.tgname = '_900_audit' and g.tgparentid = 0"
    )
    return [(table, private_to[EXAMPLE_OF[table].private]) for (table,) in tables]


@pytest.mark.parametrize("login", ["app_api", "app_reader"])
@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_who_runs_the_family_reads_all_but_what_is_private_to_others(
    root: asyncpg.Connection, home: Household, login: str, role: str
) -> None:
    expected = set()
    for table, whose in await audited(root):
        made = await root.fetch(
            f"select {whose}, count(*)::integer from app.{table} as t"
            f" where {'id' if table == 'families' else 'family_id'} = $1 group by 1",
            home.family_id,
        )
        expected |= {
            (table, private_to, count)
            for private_to, count in made
            if private_to in (None, home.users[role])
        }
    await act_as(root, login, **home.context(role))

    rows = await root.fetch(
        "select table_name, private_to, count(*)::integer from app.audit_log group by 1, 2"
    )

    assert {tuple(row) for row in rows} == expected


async def test_members_read_nothing_and_maintenance_everything(
    root: asyncpg.Connection, home: Household
) -> None:
    count = "select count(*) from app.audit_log where family_id = $1"
    everything = await root.fetchval(count, home.family_id)
    seen = []
    for login in ("app_api", "app_ops"):
        await act_as(root, login, **home.context("member"))
        seen.append(await root.fetchval(count, home.family_id))

    assert seen == [0, everything]
    assert everything > 0


async def test_what_was_private_before_or_is_after_stays_private(
    root: asyncpg.Connection, home: Household
) -> None:
    await act_as(root, "app_api", **home.context("member"))
    task = row_id("private task", "member")
    for change in ("visibility = 'family'", "title = 'Known'", "visibility = 'private'"):
        await root.execute(f"update app.tasks set {change} where id = $1", task)

    await root.execute("reset role")
    records = await last_records(root, home.family_id, 3)
    member = str(home.users["member"])
    assert [record["private_to"] for record in records] == [member, None, member]


# Nobody changes it.


@pytest.mark.parametrize("table", ["audit_log", "audit_log_default", "account_events"])
@pytest.mark.parametrize("command", ["update", "delete", "truncate"])
async def test_the_trail_is_append_only_for_everybody(
    root: asyncpg.Connection, home: Household, table: str, command: str
) -> None:
    statement = {
        "update": f"update app.{table} set metadata = default",
        "delete": f"delete from app.{table}",
        "truncate": f"truncate app.{table}",
    }[command]

    responses = {}
    for role in (*RUNTIME, "app_owner", "none"):
        await act_as(root, role, **home.context("owner"))
        responses[role] = await attempt(root, statement)

    assert responses == {
        **dict.fromkeys(RUNTIME, "42501"),
        # The owner has the privilege, but sees no row.
        "app_owner": "ZH003" if command == "truncate" else f"{command.upper()} 0",
        "none": "ZH003",  # the superuser
    }


async def test_rows_leave_one_by_one_and_not_by_truncate_even_for_a_superuser(
    root: asyncpg.Connection,
) -> None:
    tables = await root.fetch(
        "select relname from pg_class"
        " where relnamespace = 'app'::regnamespace and relkind in ('r', 'p')"
    )

    unguarded = set()
    for (table,) in tables:
        savepoint = root.transaction()
        await savepoint.start()
        try:
            await root.execute(f"truncate app.{table} cascade")
        except asyncpg.PostgresError as refused:
            if refused.table_name == table:  # and not another one, to which it cascades
                continue
        finally:
            await savepoint.rollback()
        unguarded.add(table)

    assert unguarded == {
        # Of accounts, whose rows are not in the trail.
        *("users", "credentials", "sessions", "refresh_tokens"),
        # Kept for a day.
        *("rate_limit_hits", "idempotency_keys"),
    }


async def test_nobody_appends_to_the_trail_but_its_trigger(
    root: asyncpg.Connection, home: Household
) -> None:
    forged = (
        "insert into app.audit_log (family_id, action_type, table_name, row_key, after)"
        f" values ('{home.family_id}', 'insert', 'tasks', '{{}}', '{{}}')"
    )

    responses = {}
    for role in (*RUNTIME, "app_owner"):
        await act_as(root, role, **home.context("owner"))
        responses[role] = await attempt(root, forged)

    refused = dict.fromkeys((*RUNTIME, "app_owner"), "42501")
    assert responses == refused | {"app_audit": "INSERT 0 1"}  # as whom the trigger runs


@pytest.mark.parametrize(
    ("event", "writers"),
    [
        ("signed_in", {"app_auth"}),
        ("account_restored", {"app_auth", "app_ops"}),
        ("account_purged", {"app_auth", "app_ops"}),
    ],
)
async def test_nobody_appends_to_the_events_but_who_makes_them_happen(
    root: asyncpg.Connection, home: Household, event: str, writers: set[str]
) -> None:
    forged = "insert into app.account_events (user_id, event_type) values ($1, $2)"

    responses = {}
    for role in (*RUNTIME, "app_owner"):
        await act_as(root, role, **home.context("owner"))
        responses[role] = await attempt(root, forged, home.users["owner"], event)

    refused = dict.fromkeys((*RUNTIME, "app_owner"), "42501")
    assert responses == refused | dict.fromkeys(writers, "INSERT 0 1")


# Its months.

SIGN_UP = (
    "select app.sign_up('ann@example.com', '$argon2id$', 'Ann', 'The Anns', 'UTC', null,"
    " sha256('token'), now(), null)"
)


# What the default partition is, all that a new one has to have again.
SHAPE = """
    select c.relrowsecurity, c.relforcerowsecurity, c.relowner::regrole::text, c.relacl::text,
        obj_description(c.oid, 'pg_class'),
        array(
            select pg_get_triggerdef(t.oid)
            from pg_trigger as t where t.tgrelid = c.oid order by t.tgname
        ),
        array(
            select pg_get_indexdef(i.indexrelid)
            from pg_index as i where i.indrelid = c.oid order by i.indexrelid::regclass::text
        )
    from pg_class as c where c.oid = 'app.audit_log_default'::regclass
"""


async def months(connection: asyncpg.Connection, first: int, last: int) -> list[str]:
    """Return the names of partitions, counted from this month."""
    query = (
        f"select 'audit_log_' || to_char({NOW_MONTH} + make_interval(months => n), 'YYYY_MM')"
        " from generate_series($1::integer, $2) as n"
    )
    return [name for (name,) in await connection.fetch(query, first, last)]


async def ensure_months(connection: asyncpg.Connection, ahead: int) -> list[str]:
    """Make partitions as app_ops and return their names."""
    await connection.execute("set local role app_ops")
    made = await connection.fetch("select app.ensure_audit_partitions($1)", ahead)
    return [name for (name,) in made]


async def used(connection: asyncpg.Connection) -> set[str]:
    """Return the partitions that hold records."""
    await connection.execute("set local role app_ops")
    rows = await connection.fetch("select tableoid::regclass::text from app.audit_log")
    return {name.removeprefix("app.") for (name,) in rows}


async def test_rows_for_which_there_was_no_month_move_into_one(
    own_hearth: Hearth, as_role: AsRole
) -> None:
    root = await asyncpg.connect(own_hearth.superuser_url)
    connection = await as_role.on(own_hearth)("app_api")
    await connection.execute(SIGN_UP)
    assert await used(connection) == {"audit_log_default"}
    await connection.execute("commit")
    await root.execute(
        "insert into app.audit_log"
        " (family_id, action_type, table_name, row_key, after, occurred_at)"
        f" select $1, 'insert', 'tasks', '{{}}', '{{}}', {NOW_MONTH} + make_interval(days => n)"
        " from generate_series(-100, -10, 10) as n",
        uuid4(),
    )
    everything = "select array_agg(to_jsonb(l) order by l.id) from app.audit_log as l"
    before, shape = await root.fetchval(everything), await root.fetch(SHAPE)

    await connection.execute("begin")
    made = await ensure_months(connection, 2)
    await connection.execute("commit")

    assert set(made) >= {*await months(connection, 0, 2), *await months(connection, -3, -1)}
    assert await root.fetchval(everything) == before
    assert await root.fetch("select from only app.audit_log_default") == []
    assert await root.fetch(SHAPE) == shape
    await root.close()


async def test_rows_whose_month_was_taken_off_the_trail_are_not_lost(
    own_hearth: Hearth, as_role: AsRole
) -> None:
    connection = await as_role.on(own_hearth)("app_api")
    await connection.execute(SIGN_UP)
    (month,) = await months(connection, 0, 0)
    await connection.execute("set local role app_owner")
    await connection.execute(f"create table app.{month} ()")

    with pytest.raises(asyncpg.DuplicateTableError):
        await ensure_months(connection, 0)


async def test_who_writes_while_rows_are_moved_waits_and_then_has_a_month(
    own_hearth: Hearth, as_role: AsRole
) -> None:
    deployer = await as_role.on(own_hearth)("app_ops")
    await deployer.execute("select app.ensure_audit_partitions(0)")
    writer = await as_role.on(own_hearth)("app_api")
    pid = writer.get_server_pid()

    writing = asyncio.create_task(writer.execute(SIGN_UP))
    await wait_until_blocked(deployer, pid)
    await deployer.execute("commit")
    await writing

    assert await used(writer) == set(await months(writer, 0, 0))


async def test_a_month_with_a_partition_goes_there(own_hearth: Hearth, as_role: AsRole) -> None:
    connection = await as_role.on(own_hearth)("app_ops")

    made = await ensure_months(connection, 2)
    again = await ensure_months(connection, 3)
    await connection.execute("set local role app_api")
    await connection.execute(SIGN_UP)

    assert made == await months(connection, 0, 2)
    assert again == await months(connection, 3, 3)
    assert await used(connection) == set(await months(connection, 0, 0))


async def test_months_begin_and_end_at_midnight_utc_wherever_the_session_is(
    own_hearth: Hearth, as_role: AsRole
) -> None:
    connection = await as_role.on(own_hearth)("app_ops")
    await connection.execute("set local time zone 'Pacific/Auckland'")
    await ensure_months(connection, 13)

    await connection.execute("set local time zone 'UTC'")
    bounds = await connection.fetch(r"""
        select bounds[1]::timestamptz, bounds[2]::timestamptz
        from pg_class, regexp_match(pg_get_expr(relpartbound, oid), '\(''(.+)''\) TO \(''(.+)''\)')
            as bounds
        where relispartition and relnamespace = 'app'::regnamespace and bounds is not null
            and relkind = 'r'
        order by 1
    """)
    assert len(bounds) == 14
    assert all(end == start for (_, end), (start, _) in pairwise(bounds))
    assert all(is_month_start(bound) for row in bounds for bound in row)


def is_month_start(at: datetime) -> bool:
    """Tell whether a month begins at this instant, in UTC."""
    return at == datetime(at.year, at.month, 1, tzinfo=UTC)


async def test_a_month_is_append_only_like_the_trail_itself(root: asyncpg.Connection) -> None:
    await root.execute("select app.ensure_audit_partitions(1)")
    (month,) = await months(root, 1, 1)
    await root.execute(
        "insert into app.audit_log"
        " (family_id, action_type, table_name, row_key, after, occurred_at)"
        f" values ($1, 'insert', 'tasks', '{{}}', '{{}}', {NOW_MONTH} + interval '40 days')",
        uuid4(),
    )

    commands = ("update app.{} set metadata = default", "delete from app.{}", "truncate app.{}")
    assert {await attempt(root, command.format(month)) for command in commands} == {"ZH003"}


@pytest.mark.parametrize("ahead", ["null", "-1", "121"])
async def test_months_ahead_have_a_limit(root: asyncpg.Connection, ahead: str) -> None:
    await act_as(root, "app_ops")

    assert await attempt(root, f"select app.ensure_audit_partitions({ahead})") == "22023"
