"""Habits: two of each person, of which the first is shared; each is logged on one day."""

from datetime import UTC, date, datetime

from tests.support.example import MADE_AT, PAGES, Example, Leave, after

HABITS = Example(
    table="habits",
    private="by visibility",
    household="""
        insert into app.habits (
            family_id, user_id, id, name, visibility, type, target_value, unit, weekdays,
            times_per_week, points
        )
        select
            family_id, user_id, md5('habit of ' || role || ', 1')::uuid, 'Read',
            'family'::app.visibility, 'numeric'::app.habit_type, 20, 'pages', null::integer[], 3, 0
        from people
        union all
        select
            family_id, user_id, md5('habit of ' || role || ', 2')::uuid, 'Practise',
            'private', 'boolean', null, null, '{1,3,5}', null, 0
        from people
    """,
    # Every fifth is shared, the first as well; every tenth is retired.
    crowd="""
        insert into app.habits (
            family_id, user_id, id, name, type, target_value, unit, weekdays, visibility,
            created_at, deleted_at
        )
        select
            pg_temp.id('family', family),
            pg_temp.id('user', person),
            pg_temp.id('habit of ' || person || ', ', n),
            'Habit ' || n,
            'numeric',
            10,
            'pages',
            '{1,2,3,4,5}',
            case when n % 10 < 2 and since < 100000 then 'family' else 'private' end
                ::app.visibility,
            timestamptz '2026-01-01' + (since + n) * interval '1 second',
            case when n % 10 = 2 then timestamptz '2026-06-01' end
        from keepers, generate_series(1, few) as n
    """,
    seven=f"""
        insert into app.habits (
            family_id, user_id, name, type, times_per_week, created_at, visibility
        )
        select $1, $2, 'Habit', 'boolean', 3, {MADE_AT},
            (array['private', 'family']::app.visibility[])[n % 2 + 1]
        from generate_series(1, 7) as n
    """,
    facts={"habit_id": "habit of {}, 1", "retired_habit_id": "habit of {}, 2"},
    variants={"list_habits": {**PAGES, "retired": {"is_active": "false"}}},
    leaves={
        "hiding a habit": Leave(
            rows=10_000, why="Ten years of logs are hidden with it, one by one."
        ),
    },
)

_STATS = Leave(
    budget=200,
    rows=4000,
    dropped=4000,
    sorted=4000,
    why="It looks for streaks in all that was ever logged of the habit, daily for ten years.",
)

HABIT_LOGS = Example(
    table="habit_logs",
    private="by visibility",
    household="""
        insert into app.habit_logs (
            family_id, user_id, habit_id, logged_on, visibility, type, value, is_done
        )
        select
            family_id, user_id, id, '2026-03-29', visibility, type,
            case type when 'numeric' then 12.5 end, type = 'boolean'
        from habits
    """,
    # All of the first habit, day by day; the reader's for ten years.
    crowd="""
        insert into app.habit_logs (
            family_id, habit_id, logged_on, user_id, visibility, type, value, target_value, is_done
        )
        select
            pg_temp.id('family', family),
            pg_temp.id('habit of ' || person || ', ', 1),
            date '2026-06-30' - n,
            pg_temp.id('user', person),
            case when since < 100000 then 'family' else 'private' end::app.visibility,
            'numeric',
            n % 30,
            10,
            n % 30 >= 10
        from keepers, generate_series(1, case person when 200000 then 3650 else many end) as n
    """,
    seven=f"""
        insert into app.habit_logs (
            family_id, user_id, habit_id, logged_on, visibility, type, value, created_at
        )
        select $1, $2, h.id, date '2026-01-01' + n, h.visibility, h.type, n, {MADE_AT}
        from app.habits as h, generate_series(1, 7) as n
        where h.family_id = $1
    """,
    facts={"date": date(2026, 3, 29)},
    variants={
        "list_habit_logs": {
            **PAGES,
            "deep page": after(datetime(2020, 1, 1, tzinfo=UTC)),
            "of a month": {"from": "2024-03-01", "to": "2024-03-31"},
        },
        "get_habit_stats": {
            "last thirty days": {},
            "ten years": {"from": "2016-07-01", "to": "2026-06-30"},
        },
    },
    leaves={
        "get_habit_stats, last thirty days": _STATS,
        "get_habit_stats, ten years": _STATS,
    },
)
