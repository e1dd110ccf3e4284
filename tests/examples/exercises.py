"""Exercises: one of each person and one of nobody; each person has logged their own."""

from datetime import UTC, datetime

from tests.support.example import MADE_AT, PAGES, Example, Leave, after

EXERCISES = Example(
    table="exercises",
    private="never",
    household="""
        insert into app.exercises (family_id, user_id, id, name, points)
        select
            family_id, user_id, md5('exercise of ' || role || ', 1')::uuid,
            'Exercise of the ' || role, 0
        from people
        union all
        select distinct
            family_id, null::uuid, md5('exercise of nobody')::uuid,
            'Exercise of somebody who is gone', 0
        from people
    """,
    crowd="""
        insert into app.exercises (family_id, user_id, id, name, created_at, deleted_at)
        select
            pg_temp.id('family', family),
            pg_temp.id('user', person),
            pg_temp.id('exercise of ' || person || ', ', n),
            'Exercise ' || n || ' of ' || person,
            timestamptz '2026-01-01' + (since + n) * interval '1 second',
            case when n % 10 = 2 then timestamptz '2026-06-01' end
        from keepers, generate_series(1, few) as n
    """,
    seven=f"""
        insert into app.exercises (family_id, user_id, name, created_at)
        select $1, $2, 'Exercise ' || n, {MADE_AT} from generate_series(1, 7) as n
    """,
    facts={"exercise_id": "exercise of {}, 1", "retired_exercise_id": "exercise of {}, 2"},
    variants={"list_exercises": {**PAGES, "retired": {"is_active": "false"}}},
    unread={"exercises_family_id_name_key": "a key; names are compared by nobody else"},
)

EXERCISE_LOGS = Example(
    table="exercise_logs",
    private="always",
    household="""
        insert into app.exercise_logs (family_id, user_id, exercise_id, id, performed_on, reps)
        select
            family_id, user_id, md5('exercise of ' || role || ', 1')::uuid,
            md5('log of ' || role || ', 1')::uuid, '2025-11-20', 8
        from people
    """,
    # All of the same exercise, once a day, so that the reader has logs of more than five years.
    crowd="""
        insert into app.exercise_logs (
            family_id, user_id, exercise_id, id, performed_on, sets, reps, weight_kg, duration_s,
            created_at
        )
        select
            pg_temp.id('family', family),
            pg_temp.id('user', person),
            pg_temp.id('exercise of ' || family || ', ', 1),
            pg_temp.id('log of ' || person || ', ', n),
            date '2020-01-01' + n % 2000,
            3,
            n % 12 + 1,
            n % 100 + 1,
            60,
            timestamptz '2026-01-01' + (since + n) * interval '1 second'
        from keepers, generate_series(1, many) as n
    """,
    seven=f"""
        insert into app.exercise_logs
            (family_id, user_id, exercise_id, performed_on, reps, created_at)
        select $1, $2, e.id, date '2025-11-21' + n / 3, n, {MADE_AT}
        from app.exercises as e, generate_series(1, 7) as n
        where e.family_id = $1
    """,
    facts={"log_id": "log of {}, 1"},
    variants={
        "list_exercise_logs": {
            **PAGES,
            "deep page": after(datetime(2020, 3, 1, tzinfo=UTC)),
            "of a month": {"from": "2024-03-01", "to": "2024-03-31"},
        },
        "get_exercise_volume": {
            "twelve weeks": {"from": "2024-01-01"},
            "ten years": {"from": "2020-01-01", "to": "2029-12-31"},
        },
    },
    leaves={
        "get_exercise_records": Leave(
            budget=2500,
            rows=2500,
            dropped=15_000,
            sorted=15_000,
            why="It looks at all that the reader ever did of the exercise, daily for five years.",
        ),
        "get_exercise_volume, twelve weeks": Leave(
            budget=120, why="It looks up each week by itself."
        ),
        "get_exercise_volume, ten years": Leave(
            budget=2500, rows=2500, sorted=600, why="It adds up two thousand logs."
        ),
    },
)
