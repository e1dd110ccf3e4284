"""Tasks: two of each person, of which the first is shared."""

from tests.support.example import MADE_AT, PAGES, Example

TASKS = Example(
    table="tasks",
    private="by visibility",
    household="""
        insert into app.tasks (family_id, user_id, id, title, visibility)
        select
            family_id, user_id, md5('task of ' || role || ', ' || n)::uuid, title, visibility
        from people, (
            values (1, 'Take out the rubbish', 'family'::app.visibility),
                (2, 'Hide the present', 'private')
        ) as two (n, title, visibility)
    """,
    crowd="""
        insert into app.tasks (
            family_id, user_id, id, title, visibility, due_on, completed_at, created_at
        )
        select
            pg_temp.id('family', family),
            pg_temp.id('user', person),
            pg_temp.id('task of ' || person || ', ', n),
            'Task ' || n,
            case when n % 10 = 0 and since < 100000 then 'family' else 'private' end
                ::app.visibility,
            case when n % 7 = 0 then date '2026-01-01' + n % 1000 end,
            case when n % 10 <> 1 then timestamptz '2026-06-01' end,
            timestamptz '2026-01-01' + (since + n) * interval '1 second'
        from keepers, generate_series(1, many) as n
    """,
    seven=f"""
        insert into app.tasks (family_id, user_id, title, created_at, visibility)
        select $1, $2, 'Task', {MADE_AT}, (array['private', 'family']::app.visibility[])[n % 2 + 1]
        from generate_series(1, 7) as n
    """,
    facts={"task_id": "task of {}, 1"},
    variants={
        "list_tasks": PAGES,
        "list_tasks_in_state": {
            "open": {"is_completed": "false"},
            "done": {"is_completed": "true"},
            "done, deep page": {"is_completed": "true", **PAGES["deep page"]},
        },
        "list_tasks_due": {
            "two days": {"due_from": "2026-03-01", "due_to": "2026-03-02"},
            "two days, open": {
                "due_from": "2026-03-01",
                "due_to": "2026-03-02",
                "is_completed": "false",
            },
        },
    },
)
