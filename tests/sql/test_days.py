"""The day on which something is written is the database's to say, by the family's clock."""

import json

import asyncpg
import pytest

from tests.support.households import Household, act_as, attempt

ZONES = ("Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago")  # one of them is not at the day in UTC


async def _dated(root: asyncpg.Connection) -> list[asyncpg.Record]:
    """Return each table that knows when it was written, and the day that is held against that."""
    rows = await root.fetch(r"""
        select t.relname as table, (
            select array_agg(a.attname::text) from pg_attribute as a
            where a.attrelid = t.oid and a.attnum > 0 and a.attgenerated = ''
        ) as columns, (
            select (regexp_match(pg_get_constraintdef(c.oid), '\((\w+) <= \(entered_on \+ 1\)'))[1]
            from pg_constraint as c
            where c.conrelid = t.oid and c.conname like '%\_is\_at\_most\_a\_day\_ahead'
        ) as day
        from pg_class as t
        join pg_attribute as e on e.attrelid = t.oid and e.attname = 'entered_on'
        where t.relnamespace = 'app'::regnamespace and t.relkind = 'r'
    """)
    assert rows
    return rows


@pytest.mark.parametrize("zone", ZONES)
async def test_nothing_is_entered_before_its_day_by_the_familys_clock(
    root: asyncpg.Connection, home: Household, zone: str
) -> None:
    await root.execute("update app.families set time_zone = $2 where id = $1", home.family_id, zone)
    today = await root.fetchval("select (now() at time zone $1)::date", zone)

    for table in await _dated(root):
        columns = ", ".join(table["columns"])
        copy = (
            f"insert into app.{table['table']} ({columns}) select {columns} from (select"
            f" (jsonb_populate_record(t, $1::jsonb)).* from app.{table['table']} as t"
            f" where t::text like $2 limit 1) as changed"
        )
        responses = []
        for ahead in (0, 1, 2):
            day = await root.fetchval("select $1::date + $2::integer", today, ahead)
            new = {table["day"]: str(day), "entered_on": "2999-12-30"}
            if "id" in table["columns"]:
                new["id"] = str(await root.fetchval("select gen_random_uuid()"))
            responses.append(await attempt(root, copy, json.dumps(new), f"%{home.family_id}%"))

        assert responses == ["INSERT 0 1", "INSERT 0 1", "23514"], (table["table"], responses)


@pytest.mark.parametrize("column", ["entered_on", "target_value"])
async def test_what_the_database_says_of_a_log_is_not_changed_at_a_prompt(
    root: asyncpg.Connection, home: Household, column: str
) -> None:
    tables = await root.fetch(
        "select attrelid::regclass::text as name from pg_attribute"
        " where attname = $1 and attrelid::regclass::text ~ '^app\\.\\w+_(logs|completions)$'",
        column,
    )
    await act_as(root, "app_api", **home.context("owner"))

    assert tables
    for (table,) in tables:
        assert await attempt(root, f"update {table} set {column} = null") == "42501"


async def test_a_log_has_the_habits_target_whatever_is_written(
    root: asyncpg.Connection, home: Household
) -> None:
    await act_as(root, "app_api", **home.context("owner"))

    target = await root.fetchval("""
        insert into app.habit_logs as l (
            family_id, habit_id, logged_on, user_id, visibility, type, value, target_value
        )
        select family_id, id, '2026-03-30', user_id, visibility, type, 5, 1
        from app.habits
        where target_value = 20 and user_id = app.current_user_id()
        limit 1
        returning (target_value, is_done)
    """)

    assert tuple(target) == (20, False)


async def test_what_is_written_again_is_entered_anew(
    root: asyncpg.Connection, home: Household
) -> None:
    today = await root.fetchval(
        "select (now() at time zone time_zone)::date from app.families where id = $1",
        home.family_id,
    )

    for table in await _dated(root):
        columns = await root.fetch(
            "select attname as name from pg_attribute where attrelid = $1::text::regclass"
            " and attnum > 0 and has_column_privilege('app_api', attrelid, attnum, 'update')",
            f"app.{table['table']}",
        )
        names = [column["name"] for column in columns]
        # Of a log whose day can change, the day; of others, all that can.
        for name in [table["day"]] if table["day"] in names else names:
            await root.execute("set local session_replication_role = replica")
            await root.execute(f"update app.{table['table']} set entered_on = '2999-12-30'")
            await root.execute("set local session_replication_role = origin")
            rows = await root.fetch(
                f"update app.{table['table']} set {name} = {name} where family_id = $1"
                " returning entered_on",
                home.family_id,
            )
            assert {day for (day,) in rows} == {today}, (table["table"], name)


@pytest.mark.parametrize("column", ["value", "is_done", "note"])
async def test_a_day_that_is_not_over_takes_the_target_that_the_habit_has_by_then(
    root: asyncpg.Connection, home: Household, column: str
) -> None:
    mine = "(family_id, user_id) = ($1, $2) and type = 'numeric'"
    owner = (home.family_id, home.users["owner"])
    await root.execute(
        "insert into app.habit_logs (family_id, habit_id, logged_on, user_id, visibility, type,"
        " value) select family_id, id, (now() at time zone 'UTC')::date + 1, user_id, visibility,"
        f" type, 30 from app.habits where {mine}",
        *owner,
    )
    await root.execute(f"update app.habits set target_value = 5 where {mine}", *owner)

    rows = await root.fetch(
        f"update app.habit_logs set {column} = {column} where {mine} and value = 30"
        " returning target_value, is_done",
        *owner,
    )

    assert {tuple(row) for row in rows} == {(5, True)}
