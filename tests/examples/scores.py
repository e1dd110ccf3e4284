"""Scores: an entry of each person."""

from datetime import UTC, datetime, timedelta

from tests.support.example import MADE_AT, PAGES, Example, Leave, after, id_of

_NOW = datetime.now(UTC)

# Numbers have headroom for another version's habits.
_BOARD = Leave(
    budget=5000,
    rows=1500,
    sorted=1500,
    why="It looks once for each of a thousand members, of whom a household has a handful.",
)

SCORE_ENTRIES = Example(
    table="score_entries",
    private="never",
    household="""
        insert into app.score_entries (
            family_id, user_id, id, kind, source_id, scored_on, sequence, points
        )
        select
            family_id, user_id, md5('entry of ' || role || ', 1')::uuid, 'task',
            md5('task of ' || role || ', that is gone')::uuid, '2026-03-29', 1, 5
        from people
    """,
    # Points of ten years until today, a few a day in the large families; the newest are the busy
    # ones'.
    crowd="""
        insert into app.score_entries (
            family_id, user_id, id, kind, source_id, scored_on, sequence, points, created_at
        )
        select
            pg_temp.id('family', family),
            pg_temp.id('user', person),
            pg_temp.id('entry of ' || person || ', ', n),
            'task',
            pg_temp.id('task of ' || person || ', ', n),
            now()::date - (n * 3650 / many - 1),
            1,
            n % 10 + 1,
            now() - n * 3650 / many * interval '1 day'
        from keepers, generate_series(1, many) as n
    """,
    seven=f"""
        insert into app.score_entries
            (family_id, user_id, kind, source_id, scored_on, sequence, points, created_at)
        select $1, $2, 'task', app.new_id(), date '2026-01-01', 1, 5, {MADE_AT}
        from generate_series(1, 7) as n
    """,
    variants={
        "list_scores": {
            **PAGES,
            "deep page": after(_NOW - timedelta(days=3000)),
            "of two weeks": {
                "from": str((_NOW - timedelta(days=1013)).date()),
                "to": str((_NOW - timedelta(days=1000)).date()),
            },
            "the busy one's": {"member_id": str(id_of("user200001"))},
        },
        "get_leaderboard": {period: {"period": period} for period in ("week", "month", "all")},
    },
    leaves={
        **{f"get_leaderboard, {period}": _BOARD for period in ("week", "month", "all")},
        "list_scores, the busy one's": Leave(
            budget=600,
            why="It adds up the twenty thousand entries of ten years, in the index alone.",
        ),
    },
    unread={
        "score_entries_daily_idx": "nothing is scored twice; the index on days finds it as well",
        "score_entries_pkey": "a key; entries are listed, not looked up",
    },
)
