"""Routines: two of each person, of which the first is shared, in one version of one step.

Everybody has done the owner's shared one.
"""

from datetime import date

from tests.support.example import MADE_AT, PAGES, Example, Leave, id_of

ROUTINES = Example(
    table="routines",
    private="by visibility",
    household="""
        insert into app.routines (family_id, user_id, id, name, visibility, points)
        select
            family_id, user_id, md5('routine of ' || role || ', ' || n)::uuid, name, visibility, 0
        from people, (
            values (1, 'Lay the table', 'family'::app.visibility), (2, 'Sit still', 'private')
        ) as two (n, name, visibility)
    """,
    # Every fifth is shared, the first as well; every tenth is retired. The first has been saved
    # fifty times.
    crowd="""
        insert into app.routines (
            family_id, user_id, id, name, visibility, version, created_at, deleted_at
        )
        select
            pg_temp.id('family', family),
            pg_temp.id('user', person),
            pg_temp.id('routine of ' || person || ', ', n),
            'Routine ' || n,
            case when n % 10 < 2 and since < 100000 then 'family' else 'private' end
                ::app.visibility,
            case n when 1 then 50 else 1 end,
            timestamptz '2026-01-01' + (since + n) * interval '1 second',
            case when n % 10 = 2 then timestamptz '2026-06-01' end
        from keepers, generate_series(1, few) as n
    """,
    seven=f"""
        with made as (
            insert into app.routines (family_id, user_id, name, created_at, visibility)
            select $1, $2, 'Routine', {MADE_AT},
                (array['private', 'family']::app.visibility[])[n % 2 + 1]
            from generate_series(1, 7) as n
            returning *
        )
        insert into app.routine_versions
            (family_id, routine_id, version, user_id, routine_visibility, saved_visibility)
        select family_id, id, version, user_id, visibility, visibility from made
    """,
    facts={"routine_id": "routine of {}, 1", "retired_routine_id": "routine of {}, 2"},
    variants={"list_routines": {**PAGES, "retired": {"is_active": "false"}}},
)

_NEW_VERSION = Leave(budget=150, why="It makes a version and its steps, and looks at each before.")

ROUTINE_VERSIONS = Example(
    table="routine_versions",
    private="by visibility",
    household="""
        insert into app.routine_versions
            (
                family_id, routine_id, version, user_id, routine_visibility, saved_visibility,
                author_id
            )
        select family_id, id, version, user_id, visibility, visibility, user_id from routines
    """,
    crowd="""
        insert into app.routine_versions (
            family_id, routine_id, version, user_id, routine_visibility, saved_visibility,
            author_id, created_at
        )
        select
            family_id, id, n, user_id, visibility, visibility, user_id,
            created_at + n * interval '1 second'
        from app.routines, generate_series(1, version) as n
    """,
    facts={"version": 1},
    variants={
        "list_routine_versions": {"first page": {}, "deep page": {"cursor": "25"}},
    },
    leaves={
        "save_routine_steps": _NEW_VERSION,
        "restore_routine_version": _NEW_VERSION,
        "update_routine": _NEW_VERSION,
    },
    unread={
        "routine_versions_family_id_user_id_routine_id_version_visib_key": "a key, to which steps"
        " refer; what it is asked for is found by the primary key as well",
    },
)

ROUTINE_STEPS = Example(
    table="routine_steps",
    private="by visibility",
    household="""
        insert into app.routine_steps
            (family_id, routine_id, version, position, user_id, visibility, title, minutes)
        select family_id, routine_id, version, 1, user_id, visibility, 'Breathe', 5
        from routine_versions
    """,
    crowd="""
        insert into app.routine_steps (
            family_id, routine_id, version, position, user_id, visibility, title, minutes
        )
        select family_id, id, n, position, user_id, visibility, 'Step ' || position, 5
        from app.routines, generate_series(1, version) as n, generate_series(1, 3) as position
    """,
    unread={
        "routine_steps_family_id_exercise_id_idx": "for an exercise that is purged while its family"
        " is not; none is, in the crowd",
    },
)

ROUTINE_COMPLETIONS = Example(
    table="routine_completions",
    private="by visibility",
    household="""
        insert into app.routine_completions
            (family_id, routine_id, user_id, completed_on, owner_id, visibility, version)
        select family_id, r.id, people.user_id, '2026-03-29', r.user_id, r.visibility, r.version
        from people
        join routines as r using (family_id)
        where r.id = md5('routine of owner, 1')::uuid
    """,
    # The first is done day by day, for ten years by the reader; and on the last day by everybody.
    crowd="""
        insert into app.routine_completions (
            family_id, routine_id, user_id, completed_on, owner_id, visibility, version
        )
        select
            pg_temp.id('family', family),
            pg_temp.id('routine of ' || person || ', ', 1),
            pg_temp.id('user', person),
            date '2026-06-30' - n,
            pg_temp.id('user', person),
            case when since < 100000 then 'family' else 'private' end::app.visibility,
            n % 50 + 1
        from keepers, generate_series(1, case person when 200000 then 3650 else many end) as n
        union all
        select
            pg_temp.id('family', family),
            pg_temp.id('routine of ' || family || ', ', 1),
            pg_temp.id('user', person),
            date '2026-06-30',
            pg_temp.id('user', family),
            'family',
            50
        from keepers
        where person >= 200000
        order by 1, 2, 4
    """,
    facts={"date": date(2026, 3, 29)},
    variants={
        "list_routine_completions": {
            "first page": {},
            "deep page": {"cursor": f"46021_{id_of('any')}"},
            "of a month": {"from": "2024-03-01", "to": "2024-03-31"},
        },
    },
    unread={
        "routine_completions_version_idx": "for a routine of many versions that is purged; nobody"
        " who has one is, in the crowd",
    },
)
