"""What the functions and checks of the schema promise, one by one."""

import asyncio
import json
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import NoneType
from typing import get_args
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.http import fields, models
from app.http.fields import TimeZone
from app.resources import ENDPOINTS
from app.settings import sql_directory
from tests.support.addresses import NO_ADDRESS
from tests.support.fixtures import Hearth, wait_until_blocked
from tests.support.households import Household, act_as, attempt, make_household, row_id


async def plan_of(root: asyncpg.Connection, statement: str) -> str:
    """Return the plan of a statement, with every expression in it."""
    lines = await root.fetch(f"explain (verbose, costs off) {statement}")
    return "\n".join(line for (line,) in lines)


# new_id


async def test_new_ids_are_ordered_by_time_where_the_server_can_make_them(
    root: asyncpg.Connection,
) -> None:
    expected = 7 if root.get_server_version().major >= 18 else 4

    ids = [await root.fetchval("select app.new_id()") for _ in range(3)]

    assert {id_.version for id_ in ids} == {expected}
    assert len(set(ids)) == 3
    assert expected == 4 or ids == sorted(ids)


# What inlines, and so costs nothing.


async def calls_left(root: asyncpg.Connection) -> set[str]:
    """Return the functions of SQL without a search path that are called when a plan runs.

    Each is planned as the service calls it, with columns as arguments: a constant would be folded.
    """
    functions = await root.fetch("""
        select oid::regproc::text as name, proretset as is_set,
            array(
                select format('a%s %s', place, format_type(type, null))
                from unnest(proargtypes) with ordinality as argument (type, place)
                order by place
            ) as columns
        from pg_proc
        where pronamespace = 'app'::regnamespace and proconfig is null
            and prolang = (select oid from pg_language where lanname = 'sql')
    """)
    assert functions

    left = set()
    for name, is_set, columns in functions:
        call = f"{name}({', '.join(column.split()[0] for column in columns)})"
        query = "select {} from pg_temp.given"
        if is_set:
            query = "select result from pg_temp.given cross join {} as result"
        await root.execute(
            "reset role; drop table if exists pg_temp.given;"
            f" create temporary table given ({', '.join(columns)});"
            " grant select on given to app_api"
        )
        await act_as(root, "app_api")
        if f"{name}(" in await plan_of(root, query.format(call)):
            left.add(name)
    await root.execute("reset role")
    return left


async def test_a_function_of_sql_without_a_search_path_leaves_no_call_in_the_plan(
    root: asyncpg.Connection,
) -> None:
    left = await calls_left(root)
    # Of null it now has to return null, which its expression does not.
    await root.execute("alter function app.task_json strict")

    assert not left
    assert await calls_left(root) == {"app.task_json"}


async def test_the_default_of_an_id_is_the_bare_function(root: asyncpg.Connection) -> None:
    await act_as(root, "app_api")

    plan = await plan_of(
        root,
        "insert into app.conversations (family_id, user_id, title)"
        " select gen_random_uuid(), gen_random_uuid(), '-' from generate_series(1, 2)",
    )

    assert "app.new_id" not in plan
    assert ("uuidv7()" in plan) is (root.get_server_version().major >= 18)


async def test_policies_become_the_condition_of_an_index(
    root: asyncpg.Connection, home: Household
) -> None:
    await act_as(root, "app_api", **home.context("member"))
    await root.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")

    plan = await plan_of(root, "select title from app.tasks")

    assert "Index Cond: (tasks.family_id = (NULLIF(current_setting('app.family_id'" in plan
    assert "app.current_" not in plan


async def test_policies_are_checked_once_where_the_query_names_the_family(
    root: asyncpg.Connection, home: Household
) -> None:
    await act_as(root, "app_api", **home.context("member"))
    await root.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")

    plan = await plan_of(
        root,
        f"select title from app.tasks where family_id = '{home.family_id}' order by created_at",
    )

    assert "One-Time Filter: " in plan
    assert f"Index Cond: (tasks.family_id = '{home.family_id}'::uuid)" in plan
    assert "app.current_" not in plan


# assert_membership


async def test_a_plan_that_is_kept_asserts_the_membership_anew(
    root: asyncpg.Connection, home: Household
) -> None:
    await act_as(root, "app_api", **home.context("admin"))
    await root.execute("prepare assertion as select app.assert_membership()")
    await root.execute("execute assertion")

    await act_as(root, "app_api", **home.context("admin") | {"member_role": "owner"})
    response = await attempt(root, "execute assertion")

    await root.execute("deallocate assertion")
    assert response == "ZH001"


# event_metadata


async def test_each_event_of_a_connection_names_the_request_that_made_it(
    root: asyncpg.Connection, home: Household
) -> None:
    requests = {str(uuid4()), str(uuid4())}

    for request_id in requests:
        await act_as(root, "app_api", **home.context("owner") | {"request_id": request_id})
        await root.execute("select app.change_password('$argon2id$', '$argon2id$')")

    await root.execute("set local role none")
    named = await root.fetch(
        "select metadata ->> 'request_id' from app.account_events"
        " where user_id = $1 and event_type = 'password_changed'",
        home.users["owner"],
    )
    assert {name for (name,) in named} == requests


# touch


async def test_an_update_freezes_the_birth_of_a_row_and_counts(
    root: asyncpg.Connection, home: Household
) -> None:
    columns = "created_at, updated_at, row_version"
    rows = [
        await root.fetchrow(f"select {columns} from app.families where id = $1", home.family_id)
    ]
    for _ in range(3):
        rows.append(
            await root.fetchrow(
                "update app.families set created_at = 'epoch', updated_at = 'epoch',"
                f" row_version = 0 where id = $1 returning {columns}",
                home.family_id,
            )
        )

    made, changed, versions = zip(*rows, strict=True)
    assert set(made) == {made[0]}
    assert list(changed) == sorted(set(changed))
    assert versions == (1, 2, 3, 4)


async def test_an_update_comes_after_the_last_one_even_if_the_clock_was_set_back(
    root: asyncpg.Connection, home: Household
) -> None:
    await root.execute(
        "set local session_replication_role = replica;"
        f" update app.families set updated_at = '2999-01-01Z' where id = '{home.family_id}';"
        " set local session_replication_role = origin"
    )

    changed = await root.fetchval(
        "update app.families set name = 'New' where id = $1 returning updated_at", home.family_id
    )

    assert changed == datetime(2999, 1, 1, 0, 0, 0, 1, tzinfo=UTC)


# is_time_zone


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Europe/Vienna", True),
        ("UTC", True),
        ("America/Argentina/Buenos_Aires", True),
        ("Europe/Atlantis", False),
        ("europe/vienna", False),
        ("CEST", False),
        ("+03:00", False),
        ("FOO5", False),
        ("", False),
        (" ", False),
        ("UTC; drop table", False),
        (None, False),
    ],
)
async def test_the_server_knows_a_time_zone_or_not(
    root: asyncpg.Connection, name: str | None, known: bool
) -> None:
    assert await root.fetchval("select app.is_time_zone($1)", name) is known


async def test_the_models_take_only_names_that_the_check_takes(root: asyncpg.Connection) -> None:
    zones = await root.fetch(
        "select name, app.is_time_zone(name) as is_known from pg_timezone_names"
    )
    time_zone = TypeAdapter(TimeZone)

    def is_taken(name: str) -> bool:
        try:
            return time_zone.validate_python(name) == name
        except ValidationError:
            return False

    taken = {zone["name"] for zone in zones if is_taken(zone["name"])}

    assert "Europe/Vienna" in taken
    assert taken - {zone["name"] for zone in zones if zone["is_known"]} == set()


# cursor_of


@pytest.mark.parametrize(
    "at",
    [
        datetime(1900, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2025, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 2, 28, 12, 0, 0, 1, tzinfo=UTC),
        datetime(2999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
async def test_a_cursor_comes_back_as_the_row_it_stands_for(
    root: asyncpg.Connection, at: datetime
) -> None:
    row_id = uuid4()

    cursor = await root.fetchval("select app.cursor_of($1, $2)", at, row_id)

    values = models.Paging(cursor=cursor).values()
    assert (values["after_at"], values["after_id"]) == (at, row_id)


# What a retired account cannot do


async def test_a_retired_account_shows_no_hash_and_gets_no_family(
    root: asyncpg.Connection, home: Household
) -> None:
    user_id = home.users["member"]
    await root.execute("update app.users set deleted_at = now() where id = $1", user_id)
    await act_as(root, "app_api", user_id=user_id)

    find = "select from app.find_credentials($1)"
    assert await attempt(root, find, f"{user_id}@example.com") == "SELECT 0"
    assert await attempt(root, "select app.create_family('Mine', null)") == "ZH001"


# tg_keep_an_owner


@pytest.mark.parametrize(
    ("change", "condition", "response"),
    [
        ("role = 'admin'", "role = 'owner'", "ZH002"),
        ("deleted_at = now()", "role = 'owner'", "ZH002"),
        ("deleted_at = now()", "true", "ZH002"),
        ("display_name = 'New'", "role = 'owner'", "UPDATE 1"),
        ("deleted_at = now()", "role <> 'owner'", "UPDATE 2"),
    ],
)
async def test_a_family_keeps_its_only_owner(
    root: asyncpg.Connection, home: Household, change: str, condition: str, response: str
) -> None:
    update = f"update app.family_memberships set {change} where family_id = $1 and {condition}"

    assert await attempt(root, update, home.family_id) == response


async def test_of_two_owners_one_may_go_but_not_both(
    root: asyncpg.Connection, home: Household
) -> None:
    of_family = "where family_id = $1 and role"
    await root.execute(
        f"update app.family_memberships set role = 'owner' {of_family} = 'admin'", home.family_id
    )

    demote = f"update app.family_memberships set role = 'member' {of_family} = 'owner'"
    one = (home.family_id, home.users["owner"])
    assert await attempt(root, f"{demote} and user_id = $2", *one) == "UPDATE 1"
    assert await attempt(root, demote, home.family_id) == "ZH002"


async def test_an_owner_who_has_left_does_not_count(
    root: asyncpg.Connection, home: Household
) -> None:
    of_family = "where family_id = $1 and role"
    await root.execute(
        "update app.family_memberships set role = 'owner', deleted_at = now()"
        f" {of_family} = 'admin'",
        home.family_id,
    )

    leave = f"update app.family_memberships set deleted_at = now() {of_family} = 'owner'"
    assert await attempt(root, f"{leave} and deleted_at is null", home.family_id) == "ZH002"


async def test_a_retired_family_needs_no_owner(root: asyncpg.Connection, home: Household) -> None:
    await root.execute("update app.families set deleted_at = now() where id = $1", home.family_id)

    leave = "update app.family_memberships set deleted_at = now() where family_id = $1"
    assert await attempt(root, leave, home.family_id) == "UPDATE 3"


async def test_the_only_owner_stays_whatever_role_the_context_claims(
    root: asyncpg.Connection, home: Household
) -> None:
    # As a member they may not lock the family: the trigger function lends that.
    await act_as(root, "app_api", **home.context("owner") | {"member_role": "member"})

    assert await attempt(root, "update app.family_memberships set role = 'member'") == "ZH002"


async def test_of_two_owners_who_demote_each_other_at_once_one_stays(own_hearth: Hearth) -> None:
    root, first, second = [
        await asyncpg.connect(own_hearth.url(login))
        for login in (own_hearth.cluster.user, "app_api", "app_api")
    ]
    home = await make_household(root)
    await root.execute("update app.family_memberships set role = 'owner' where role = 'admin'")
    demote = "update app.family_memberships set role = 'member' where user_id = $1"
    for connection, by in ((first, "owner"), (second, "admin")):
        await connection.execute("begin")
        await act_as(connection, "app_api", **home.context(by) | {"member_role": "owner"})
    await first.execute(demote, home.users["admin"])

    later = asyncio.create_task(second.execute(demote, home.users["owner"]))
    await wait_until_blocked(root, second.get_server_pid())
    await first.execute("commit")

    with pytest.raises(asyncpg.PostgresError, match="the last owner") as refused:
        await later
    assert refused.value.sqlstate == "ZH002"
    for connection in (root, first, second):
        await connection.close()


# restore_family


async def test_a_family_does_not_come_back_without_an_active_owner(
    root: asyncpg.Connection, home: Household
) -> None:
    for retire in (
        "update app.families set deleted_at = now() where id = $1",
        "update app.family_memberships set deleted_at = now()"
        " where family_id = $1 and role = 'owner'",
    ):
        await root.execute(retire, home.family_id)
    await act_as(root, "app_ops")

    assert await attempt(root, "select app.restore_family($1)", home.family_id) == "ZH002"


# Messages


@pytest.mark.parametrize(
    "statement",
    [
        "update app.messages set content = 'Never said'",
        "delete from app.messages",
        "truncate app.messages",
        "truncate app.conversations cascade",
    ],
)
async def test_messages_do_not_change_even_for_a_superuser(
    root: asyncpg.Connection, home: Household, statement: str
) -> None:
    assert await attempt(root, statement) == "ZH003"


async def test_messages_go_with_their_conversation(
    root: asyncpg.Connection, home: Household
) -> None:
    of_member = "where family_id = $1 and user_id = $2"
    member = (home.family_id, home.users["member"])

    await root.execute(f"delete from app.conversations {of_member}", *member)

    assert await root.fetchval(f"select count(*) from app.messages {of_member}", *member) == 0


async def test_messages_of_one_transaction_keep_their_order(
    root: asyncpg.Connection, home: Household
) -> None:
    said = [f"{number}" for number in range(5)]
    for content in said:
        await root.execute(
            "insert into app.messages (family_id, user_id, conversation_id, role, content)"
            " values ($1, $2, $3, 'assistant', $4)",
            *(home.family_id, home.users["owner"], row_id("conversation", "owner"), content),
        )

    heard = await root.fetch(
        "select content, created_at from app.messages"
        " where family_id = $1 and role = 'assistant' order by created_at",
        home.family_id,
    )
    assert [content for content, _ in heard] == said
    assert len({created_at for _, created_at in heard}) == len(said)


# Kept answers and attempts


@pytest.mark.parametrize(
    "change",
    [
        "update app.idempotency_keys set status = 200",
        "update app.rate_limit_hits set id = app.new_id()",
    ],
)
async def test_what_was_answered_or_attempted_does_not_change_even_for_a_superuser(
    root: asyncpg.Connection, home: Household, change: str
) -> None:
    assert await attempt(root, change) == "ZH003"


# Columns: what each must have, and what it must refer to.


def ids_of(household: Household) -> str:
    """Return a pattern for what names the household or its people; others made rows before."""
    people = [*household.users.values(), *household.sessions.values()]
    return "|".join(map(str, [household.family_id, *people]))


async def copied_with(
    root: asyncpg.Connection, household: Household, given: str | None
) -> dict[str, str]:
    """Copy a household's row of each table once for each column, which is given this text there.

    The copy has a key of its own, and nothing where a column may have nothing. Return, by column,
    what came of it.
    """
    tables = await root.fetch("""
        select c.relname as name,
            array_agg(a.attname::text) as columns,
            json_object_agg(a.attname, null) filter (where not a.attnotnull) as may_be_null,
            json_object_agg(a.attname, case a.atttypid
                when 'bytea'::regtype then sha256('a key')::text
                when 'text'::regtype then 'a key'
                when 'date'::regtype then '2000-02-29'
                when 'integer'::regtype then '99'
                when 'timestamptz'::regtype then now()::text
                else gen_random_uuid()::text
            end) filter (where a.attnum = k.conkey[cardinality(k.conkey)]) as own_key
        from pg_class as c
        join pg_constraint as k on k.conrelid = c.oid and k.contype = 'p'
        join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and a.attgenerated = ''
            and not a.attisdropped
        where c.relnamespace = 'app'::regnamespace and not c.relispartition
        group by c.relname
    """)
    responses = {}
    for table in tables:
        columns = ", ".join(table["columns"])
        copy = (
            f"insert into app.{table['name']} ({columns}) select {columns} from (select"
            f" (jsonb_populate_record(t, $1)).* from app.{table['name']} as t"
            f" order by t::text ~ '{ids_of(household)}' desc limit 1) as changed"
        )
        for column in table["columns"]:
            nothing, key = (json.loads(table[part] or "{}") for part in ("may_be_null", "own_key"))
            changes = json.dumps(nothing | key | {column: given})
            responses[f"{table['name']}.{column}"] = await attempt(root, copy, changes)
    return responses


def shown_by(response: object) -> Iterator[type[BaseModel]]:
    """Yield the models in a response, those of its parts and items too."""
    for part in get_args(response):
        yield from shown_by(part)
    if isinstance(response, type) and issubclass(response, BaseModel):
        yield response
        for field in response.model_fields.values():
            yield from shown_by(field.annotation)


async def fields_of_rows(root: asyncpg.Connection) -> dict[str, bool]:
    """Say of each column that a response shows whether the response may have nothing there.

    `habit_log_json` makes JSON of a row of habit_logs, and HabitLog is the model of that.
    """
    models_by_name = {
        model.__name__: model
        for endpoint in ENDPOINTS
        if endpoint.response
        for model in shown_by(endpoint.response)
    }
    rows = await root.fetch("""
        select replace(initcap(replace(left(p.proname, -5), '_', ' ')), ' ', ''),
            c.relname, a.attname
        from pg_proc as p
        join pg_class as c on c.reltype = p.proargtypes[0]
        join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and a.attgenerated = ''
        where p.pronamespace = 'app'::regnamespace and p.proname ~ '_json$' and p.pronargs = 1
    """)
    return {
        f"{table}.{column}": NoneType
        in get_args(models_by_name[model].model_fields[column].annotation)
        for model, table, column in rows
        if model in models_by_name and column in models_by_name[model].model_fields
    }


async def test_only_these_columns_may_be_empty(root: asyncpg.Connection, home: Household) -> None:
    shown = await fields_of_rows(root)
    await root.execute("set local session_replication_role = replica")  # no triggers, no keys

    responses = await copied_with(root, home, None)

    assert {column for column, response in responses.items() if response != "23502"} == {
        # what people may leave out, or is not there yet: as the models of responses say
        *(column for column, may_be_empty in shown.items() if may_be_empty),
        # not retired, not revoked, not accepted yet
        *(column for column in responses if column.endswith(".deleted_at")),
        "sessions.revoked_at",
        *(f"invitations.{name}" for name in ("accepted_at", "member_id", "revoked_at")),
        # a user may have no family, and a chain has a first link
        *("sessions.family_id", "refresh_tokens.replaces_hash"),
        "sessions.network_hash",  # of a demonstration's, which begin in none
        # an insert has no before, a delete no after; a check tells which
        *("audit_log.before", "audit_log.after"),
        # written without a context, and not private to anybody
        *("audit_log.actor_id", "audit_log.actor_role", "audit_log.private_to"),
        # not every answer has them
        *("idempotency_keys.body", "idempotency_keys.etag_version"),
    }


async def test_what_names_another_row_must_name_one_that_exists(
    root: asyncpg.Connection, home: Household
) -> None:
    # Or a check, or the uniqueness of a name, is what a copy breaks first.
    await root.execute("""
        do $$
        declare
            v_statement text;
        begin
            for v_statement in
                select format('alter table %s drop constraint %I', conrelid::regclass, conname)
                from pg_constraint
                where connamespace = 'app'::regnamespace and conislocal and (
                    contype = 'c'
                    or contype = 'u' and conindid not in (
                        select conindid from pg_constraint where contype = 'f'
                    )
                )
                union all
                select format('drop index %s', i.indexrelid::regclass)
                from pg_index as i
                join pg_class as c on c.oid = i.indexrelid
                where c.relnamespace = 'app'::regnamespace and i.indisunique
                    and not exists (select from pg_constraint where conindid = i.indexrelid)
            loop
                execute v_statement;
            end loop;
        end
        $$
    """)

    responses = await copied_with(root, home, str(uuid4()))

    looked_at = await root.fetch("""
        select c.relname || '.' || name
        from pg_trigger as g
        join pg_class as c on c.oid = g.tgrelid
        cross join unnest(
            array['family_id', (string_to_array(encode(g.tgargs, 'escape'), '\\000'))[2]]
        ) as name
        where g.tgfoid = 'app.tg_require_visible_parent'::regproc
    """)
    names = {column for column in responses if re.search("_id$|replaces", column)}
    assert {column for column in names if responses[column] != "23503"} == {
        # the record outlives what it tells of
        *("account_events.user_id", "audit_log.actor_id", "audit_log.family_id"),
        # a trigger looks first: tg_require_visible_parent, tg_check_step
        *(column for (column,) in looked_at),
        *("routine_steps.family_id", "routine_steps.routine_id"),
        *("routine_steps.habit_id", "routine_steps.exercise_id"),
        # points outlive what they were won with
        "score_entries.source_id",
    }


async def test_a_chain_of_tokens_ends_where_a_link_is_deleted(
    root: asyncpg.Connection, home: Household
) -> None:
    session_id = home.sessions["owner"]
    await root.execute(
        "insert into app.refresh_tokens (token_hash, session_id, replaces_hash)"
        " select sha256('second'), $1, token_hash from app.refresh_tokens where session_id = $1"
        " union all select sha256('third'), $1, sha256('second')",
        session_id,
    )

    await root.execute("delete from app.refresh_tokens where token_hash = sha256('second')")

    left = "select count(*) from app.refresh_tokens where session_id = $1"
    assert await root.fetchval(left, session_id) == 1


# visible, is_line, text_key


async def test_what_cannot_be_seen_is_the_same_for_the_service_and_for_the_database(
    root: asyncpg.Connection,
) -> None:
    characters = [chr(n) for n in range(1, 0x110000) if not 0xD800 <= n <= 0xDFFF]

    async def found(condition: str) -> set[str]:
        query = f"""
            with numbers as materialized (
                select n from generate_series(1, 1114111) as n where n not between 55296 and 57343
            )
            select chr(n) from numbers where {condition}
        """
        return {character for (character,) in await root.fetch(query)}

    unseen = await found("app.visible(chr(n)) = ''")
    assert unseen == {c for c in characters if not re.fullmatch(fields._LINE, c)}
    assert unseen == await found("not app.is_line(chr(n))")
    assert await found("not app.is_line('x' || chr(n))") == {c for c in characters if c.isspace()}
    assert await found("not app.is_line(chr(n) || 'x')") == {c for c in characters if c.isspace()}
    assert await found("app.visible('x' || chr(n) || 'x') = 'x x'") == {
        c for c in characters if c.isspace()
    }
    key = "app.text_key('a' || chr(n) || 'b@x')"
    assert await found(f"{key} !~ '^[^@ ]+@[^@ ]+$' or app.visible(chr(n)) = ''") == {
        c for c in characters if not re.fullmatch(fields._ADDRESS, f"a{c}b@x")
    }
    # By Unicode's categories: separators, controls, and formats but for those that draw a sign.
    drawn = "ARABIC|SYRIAC ABBREVIATION|KAITHI"
    assert unseen >= {
        c
        for c in characters
        if unicodedata.category(c) in {"Zs", "Zl", "Zp", "Cc", "Cf"}
        and (c == "\N{ARABIC LETTER MARK}" or not re.match(drawn, unicodedata.name(c, "")))
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("K", "k"),
        ("\u212a", "k"),
        ("Caf\u00e9", "CAFE\u0301"),
        ("\ufb01ne", "fine"),
        ("\uff33\uff31\uff35\uff21\uff34", "Squat"),
        (
            "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3",
            "\u039f\u03b4\u03c5\u03c3\u03c3\u03b5\u03c5\u03c2",
        ),
        (
            "\u041f\u0440\u0438\u0441\u0435\u0434\u0430\u043d\u0438\u0435",
            "\u041f\u0420\u0418\u0421\u0415\u0414\u0410\u041d\u0418\u0415",
        ),
        ("Øvelse", "ØVELSE"),
        ("Squat", " squat\u200b\u3000"),
        ("Push\u00a0 up", "push up"),
        ("I", "i"),
        ("\u1e96", "H\u0331"),
    ],
)
async def test_what_people_take_for_the_same_has_one_key(
    root: asyncpg.Connection, one: str, other: str
) -> None:
    keys = [await root.fetchval("select app.text_key($1)", text) for text in (one, other)]

    assert keys[0] == keys[1]
    assert await root.fetchval("select app.text_key($1)", keys[0]) == keys[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [("\u0131", "i"), ("İ", "i"), ("ß", "ss"), ("e", "é"), ("push up", "pushup"), ("\u0430", "a")],
)
async def test_what_only_looks_alike_has_two_keys(
    root: asyncpg.Connection, one: str, other: str
) -> None:
    keys = [await root.fetchval("select app.text_key($1)", text) for text in (one, other)]

    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("full_name", "display_name"),
    [
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 100),
        ("x" * 99 + " yz", "x" * 99),
        ("\u200b" * 100 + "x", "x"),
    ],
)
async def test_a_newcomer_is_called_by_as_much_of_the_name_as_fits(
    root: asyncpg.Connection, full_name: str, display_name: str
) -> None:
    assert await root.fetchval("select app.display_name_of($1)", full_name) == display_name


# Limits: each check is passed by what is just inside and broken by what is just outside. The usual
# ones say in their names where they are, and LIMITS says it of the others.


Values = list[dict[str, object]]


def texts(column: str, longest: int) -> tuple[Values, Values]:
    """Return what a text of 1 to so many characters may be, and what not."""
    inside = ("ß", "ß ß", "\u200daß\u200d", "ß" * longest)
    outside = ("", "   ", "\t\n", "\u200b", "\ufeff\u2800", " ß", "ß\u00a0", "ß" * (longest + 1))
    return [{column: text} for text in inside], [{column: text} for text in outside]


def measures(column: str, least: object, most: object, *outside: object) -> tuple[Values, Values]:
    """Return what a measure of a log may be, nothing included, and what not."""
    inside = [{"reps": 8, column: n} for n in (None, least, most)]
    return inside, [{column: n} for n in outside]


def address(length: int) -> str:
    """Return an e-mail address so many characters long."""
    return "@example.com".rjust(length, "x")


EMAILS: tuple[Values, Values] = (
    [{"email": email} for email in ("a@b", "ä@XN--bcher-kva.c", address(254))],
    [
        {"email": email}
        for email in ("", "a", " a@b", "a@b\u200b", address(255), "a@b\u00fccher.c", *NO_ADDRESS)
    ],
)
# Habits of each type, and days of them.
BOOLEAN: dict[str, object] = {"type": "boolean", "target_value": None, "unit": None}
NUMERIC: dict[str, object] = {"type": "numeric", "target_value": 10, "unit": "pages"}
DURATION: dict[str, object] = {"type": "duration", "target_value": 10, "unit": None}
COUNTED = (NUMERIC, DURATION)
NOON = datetime(2026, 3, 7, 12, tzinfo=UTC)
YES: dict[str, object] = {"type": "boolean", "value": None, "target_value": None, "is_done": True}
DONE: dict[str, object] = {"type": "numeric", "value": 10, "target_value": 10, "is_done": True}

LIMITS: dict[str, tuple[Values, Values]] = {
    "users_email_looks_like_an_address": EMAILS,
    "users_time_zone_is_known": ([{"time_zone": "Asia/Tokyo"}], [{"time_zone": "Asia/Atlantis"}]),
    "credentials_password_hash_is_argon2id": (
        [{"password_hash": "$argon2id$v=19$m=65536"}],
        [{"password_hash": text} for text in ("", "hunter2", "$argon2i$", " $argon2id$")],
    ),
    "families_time_zone_is_known": ([{"time_zone": "Asia/Tokyo"}], [{"time_zone": ""}]),
    "refresh_tokens_token_hash_is_sha256": (
        [{"token_hash": bytes(32)}],
        [{"token_hash": bytes(length)} for length in (0, 31, 33)],
    ),
    "audit_log_before_and_after_fit_the_action": (
        [
            {"action_type": "insert", "before": None, "after": "{}"},
            {"action_type": "update", "before": "{}", "after": "{}"},
            {"action_type": "delete", "before": "{}", "after": None},
        ],
        [
            {"action_type": "insert", "before": "{}", "after": "{}"},
            {"action_type": "insert", "before": None, "after": None},
            {"action_type": "update", "before": None, "after": "{}"},
            {"action_type": "update", "before": "{}", "after": None},
            {"action_type": "delete", "before": "{}", "after": "{}"},
            {"action_type": "delete", "before": None, "after": None},
        ],
    ),
    "messages_content_is_1_to_5000_characters": (
        [{"content": text} for text in ("ß", "ß" * 5000)],
        [{"content": text} for text in ("", "ß" * 5001)],
    ),
    "idempotency_keys_idempotency_key_is_1_to_255_characters": (
        [{"idempotency_key": text} for text in ("ß", "ß" * 255)],
        [{"idempotency_key": text} for text in ("", "ß" * 256)],
    ),
    "idempotency_keys_request_hash_is_a_sha256": (
        [{"request_hash": bytes(32)}],
        [{"request_hash": bytes(size)} for size in (0, 31, 33)],
    ),
    "idempotency_keys_status_is_one_of_success": (
        [{"status": status} for status in (200, 299)],
        [{"status": status} for status in (199, 300)],
    ),
    "idempotency_keys_body_has_at_most_4_mebibytes": (
        [{"body": text} for text in (None, "a" * 4 * 1024 * 1024)],
        [{"body": "a" * (4 * 1024 * 1024 + 1)}],
    ),
    "exercise_logs_performed_on_is_in_the_calendar": (
        [{"performed_on": date(1900, 1, 1)}],
        [{"performed_on": date(1899, 12, 31)}],
    ),
    "exercise_logs_performed_on_is_at_most_a_day_ahead": (
        [{"performed_on": date(2026, 3, day), "entered_on": date(2026, 3, 7)} for day in (1, 7, 8)],
        [{"performed_on": date(2026, 3, 9), "entered_on": date(2026, 3, 7)}],
    ),
    "tasks_completed_at_is_not_in_the_future": (
        [{"completed_at": moment, "updated_at": NOON} for moment in (None, NOON)],
        [{"completed_at": NOON + timedelta(microseconds=1), "updated_at": NOON}],
    ),
    "exercise_logs_log_has_reps_duration_or_distance": (
        [
            {"reps": 1, "duration_s": None, "distance_m": None},
            {"reps": None, "duration_s": 1, "distance_m": None},
            {"reps": None, "duration_s": None, "distance_m": Decimal(1)},
        ],
        [{"reps": None, "duration_s": None, "distance_m": None, "sets": 3}],
    ),
    "exercise_logs_sets_are_1_to_100": measures("sets", 1, 100, 0, 101),
    "exercise_logs_weight_kg_is_0_01_to_2000": measures(
        "weight_kg",
        *(Decimal(n) for n in ("0.01", "2000", "0.0099", "2000.01", "-1", "NaN", "Infinity")),
    ),
    "exercise_logs_duration_s_is_1_to_86400": measures("duration_s", 1, 86_400, 0, 86_401),
    "exercise_logs_distance_m_is_0_01_to_2000000": measures(
        "distance_m",
        *(Decimal(n) for n in ("0.01", "2000000", "0.0099", "2000000.01", "NaN")),
    ),
    "invitations_email_looks_like_an_address": EMAILS,
    "invitations_token_hash_is_sha256": (
        [{"token_hash": bytes(32)}],
        [{"token_hash": bytes(size)} for size in (0, 31, 33)],
    ),
    "invitations_acceptance_has_a_member": (
        [
            {"accepted_at": None, "member_id": None},
            {"accepted_at": datetime.now(UTC), "member_id": UUID(int=1)},
        ],
        [{"accepted_at": datetime.now(UTC), "member_id": None}],
    ),
    "invitations_end_is_acceptance_or_revocation": (
        [
            {"accepted_at": None, "member_id": None, "revoked_at": datetime.now(UTC)},
            {"accepted_at": datetime.now(UTC), "member_id": UUID(int=1), "revoked_at": None},
        ],
        [
            dict.fromkeys(("accepted_at", "revoked_at"), datetime.now(UTC))
            | {"member_id": UUID(int=1)}
        ],
    ),
    "rate_limit_hits_subject_hash_is_a_sha256": (
        [{"subject_hash": bytes(32)}],
        [{"subject_hash": bytes(size)} for size in (0, 31, 33)],
    ),
    "sessions_network_hash_is_a_sha256": (
        [{"network_hash": bytes(32)}, {"network_hash": None}],
        [{"network_hash": bytes(size)} for size in (0, 31, 33)],
    ),
    "routine_versions_version_is_at_least_1": (
        [{"routine_id": uuid4(), "version": 1}],
        [{"version": 0}],
    ),
    "routine_versions_restored_version_is_an_earlier_one": (
        [
            {"routine_id": uuid4(), "version": 3, "restored_version": restored}
            for restored in (None, 1, 2)
        ],
        [{"version": 3, "restored_version": restored} for restored in (0, 3, 4)],
    ),
    "routine_steps_position_is_1_to_100": (
        [{"routine_id": uuid4(), "position": position} for position in (1, 100)],
        [{"position": position} for position in (0, 101)],
    ),
    "routine_steps_subject_is_a_habit_or_an_exercise": (
        [
            {"habit_id": UUID(int=1), "exercise_id": None},
            {"habit_id": None, "exercise_id": UUID(int=1)},
        ],
        [{"habit_id": UUID(int=1), "exercise_id": UUID(int=1)}],
    ),
    "routine_completions_completed_on_is_in_the_calendar": (
        [
            {"routine_id": uuid4(), "completed_on": day}
            for day in (date(1900, 1, 1), date(2026, 3, 29))
        ],
        [{"completed_on": date(1899, 12, 31)}],
    ),
    "routine_completions_completed_on_is_at_most_a_day_ahead": (
        [
            {
                "routine_id": uuid4(),
                "completed_on": date(2026, 3, day),
                "entered_on": date(2026, 3, 7),
            }
            for day in (1, 7, 8)
        ],
        [{"completed_on": date(2026, 3, 9), "entered_on": date(2026, 3, 7)}],
    ),
    "score_entries_sequence_is_positive": (
        [{"sequence": 1, "points": 1}],
        [{"sequence": 0, "points": -1}],
    ),
    "score_entries_points_fit_the_sequence": (
        [
            {"sequence": sequence, "points": points}
            for sequence, points in ((1, 1), (1, 1000), (2, -1), (2, -1000), (3, 1))
        ],
        [
            {"sequence": sequence, "points": points}
            for sequence, points in ((1, 0), (1, -1), (1, 1001), (2, 0), (2, 1), (2, -1001))
        ],
    ),
    "habits_target_value_is_there_unless_boolean": (
        [BOOLEAN, NUMERIC, DURATION],
        [{**BOOLEAN, "target_value": 1}, *({**of, "target_value": None} for of in COUNTED)],
    ),
    "habits_target_value_is_more_than_0_and_at_most_1000000": (
        [{**DURATION, "target_value": Decimal(text)} for text in ("0.001", "1000000")],
        [{**DURATION, "target_value": Decimal(text)} for text in ("-1", "0.0004", "1000000.001")],
    ),
    "habits_unit_is_there_if_numeric": (
        [BOOLEAN, NUMERIC, DURATION],
        [{**NUMERIC, "unit": None}, *({**of, "unit": "h"} for of in (BOOLEAN, DURATION))],
    ),
    "habits_unit_is_1_to_50_characters": (
        [{**NUMERIC, "unit": text} for text in ("ß", "ß" * 50)],
        [{**NUMERIC, "unit": text} for text in ("", "  ", "ß" * 51)],
    ),
    "habits_schedule_is_by_weekdays_or_by_times_per_week": (
        [{"weekdays": [1], "times_per_week": None}, {"weekdays": None, "times_per_week": 1}],
        [{"weekdays": [1], "times_per_week": 1}, {"weekdays": None, "times_per_week": None}],
    ),
    "habits_weekdays_are_some_of_1_to_7_in_order": (
        [{"weekdays": days, "times_per_week": None} for days in ([1], [7], [2, 5], [*range(1, 8)])],
        [
            {"weekdays": days, "times_per_week": None}
            for days in ([], [0], [8], [12], [5, 2], [1, 1], [1, None], [[1, 2]])
        ],
    ),
    "habits_times_per_week_is_1_to_7": (
        [{"weekdays": None, "times_per_week": number} for number in (1, 7)],
        [{"weekdays": None, "times_per_week": number} for number in (0, 8)],
    ),
    "habit_logs_logged_on_is_in_the_calendar": (
        [{"logged_on": day, "entered_on": day} for day in (date(1900, 1, 1), date(2999, 12, 31))],
        [{"logged_on": day, "entered_on": day} for day in (date(1899, 12, 31), date(3000, 1, 1))],
    ),
    "habit_logs_logged_on_is_at_most_a_day_ahead": (
        [{"logged_on": date(2026, 3, day), "entered_on": date(2026, 3, 7)} for day in (1, 7, 8)],
        [{"logged_on": date(2026, 3, 9), "entered_on": date(2026, 3, 7)}],
    ),
    "habit_logs_value_is_absent_if_boolean": (
        [YES, DONE],
        [{**YES, "value": 0}],
    ),
    "habit_logs_value_is_there_unless_boolean": (
        [YES, DONE, {**DONE, "type": "duration"}],
        [{**DONE, "type": type_, "value": None} for type_ in ("numeric", "duration")],
    ),
    "habit_logs_value_is_0_to_1000000": (
        [{**DONE, "value": 1_000_000}, {**DONE, "value": 0, "is_done": False}],
        [{**DONE, "value": 1_000_001}, {**DONE, "value": -1, "is_done": False}],
    ),
    "habit_logs_target_value_is_there_unless_boolean": (
        [YES, DONE],
        [{**YES, "target_value": 1}, {**DONE, "target_value": None}],
    ),
    "habit_logs_is_done_is_whether_the_target_was_reached": (
        [{**YES, "is_done": False}, DONE, {**DONE, "value": 9, "is_done": False}],
        [{**DONE, "is_done": False}, {**DONE, "value": 9}],
    ),
}


# The checks of the migrations.
CHECKS = sorted(
    name
    for path in (sql_directory() / "migrations").glob("*[0-9a-z].sql")
    if not path.name.endswith(".rollback.sql")
    for name in re.findall(r"constraint (\w+)\s+check \(", path.read_text("utf-8"))
)


def limits_of(check: str, table: str) -> tuple[Values, Values]:
    """Return what a check must take and refuse: as LIMITS says, or else its name.

    Raises:
        LookupError: Neither says it.
    """
    if check in LIMITS:
        return LIMITS[check]
    said = check.removeprefix(f"{table}_")
    if found := re.fullmatch(r"(\w+)_is_1_to_(\d+)_characters", said):
        return texts(found[1], int(found[2]))
    if found := re.fullmatch(r"(\w+)_is_at_most_(\d+)_characters", said):
        longest = "ß" * int(found[2])
        return [{found[1]: text} for text in ("", longest)], [{found[1]: f"{longest}ß"}]
    if found := re.fullmatch(r"(\w+)_(?:is|are)_(\d+)_to_(\d+)", said):
        least, most = int(found[2]), int(found[3])
        return (
            [{found[1]: number} for number in (least, most)],
            [{found[1]: number} for number in (least - 1, most + 1)],
        )
    if found := re.fullmatch(r"(\w+)_is_in_the_calendar", said):
        return (
            [{found[1]: day} for day in (date(1900, 1, 1), date(2999, 12, 31))],
            [{found[1]: day} for day in (date(1899, 12, 31), date(3000, 1, 1))],
        )
    raise LookupError(f"{check}: say in LIMITS what is just inside and what just outside of it")


@pytest.mark.parametrize("constraint", CHECKS)
async def test_a_limit_is_where_it_says(
    root: asyncpg.Connection, home: Household, constraint: str
) -> None:
    table = await root.fetchval(
        "select conrelid::regclass::text from pg_constraint where conname = $1 and conparentid = 0",
        constraint,
    )
    inside, outside = limits_of(constraint, table.removeprefix("app."))
    await root.execute("set local session_replication_role = replica")  # no triggers, only checks

    async def change(values: dict[str, object]) -> str:
        columns = ", ".join(f"{name} = ${n}" for n, name in enumerate(values, start=1))
        one = (
            f"(tableoid, ctid) = (select tableoid, ctid from {table} as t"
            f" order by t::text ~ '{ids_of(home)}' desc limit 1)"
        )
        async with root.transaction():
            return await root.execute(f"update {table} set {columns} where {one}", *values.values())

    assert {await change(values) for values in inside} == {"UPDATE 1"}
    for values in outside:
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await change(values)
        assert refused.value.constraint_name == constraint


async def test_every_check_has_its_limits_tried(root: asyncpg.Connection) -> None:
    checks = await root.fetch(
        "select conname from pg_constraint"
        " where connamespace = 'app'::regnamespace and contype = 'c' and conparentid = 0"
    )

    assert {name for (name,) in checks} == set(CHECKS)
    assert set(LIMITS) <= set(CHECKS)


@pytest.mark.parametrize(
    ("type_name", "values"),
    [
        ("visibility", ["private", "family"]),
        ("message_role", ["user", "assistant"]),
        ("habit_type", ["boolean", "numeric", "duration"]),
        ("member_role", ["owner", "admin", "member"]),
        ("audit_action", ["insert", "update", "delete"]),
        ("rate_limit", ["sign_in", "sign_up", "password_change"]),
        ("score_kind", ["task", "habit", "routine", "exercise"]),
        ("score_period", ["week", "month", "all"]),
    ],
)
async def test_an_enumeration_has_these_values(
    root: asyncpg.Connection, type_name: str, values: list[str]
) -> None:
    found = await root.fetchval(f"select enum_range(null::app.{type_name})::text[]")

    assert found == values
