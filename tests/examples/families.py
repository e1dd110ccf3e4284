"""Families, and who belongs to them."""

from datetime import UTC, datetime

from tests.support.example import MADE_AT, PAGES, Example, Leave, after

_PURGE = Leave(rows=2000, why="All that hangs on it goes too, such as a hundred versions.")

FAMILIES = Example(
    table="families",
    private="never",
    household="""
        insert into app.families (id, name) select distinct family_id, 'The Alikes' from people
    """,
    crowd="""
        insert into app.families (id, name, deleted_at)
        select
            pg_temp.id('family', family),
            'Family ' || family,
            case when family = pg_temp.size() then timestamptz '2020-02-02' end
        from people
        where place in (0, family)
    """,
    leaves={
        "retire_family": Leave(budget=20_000, rows=2000, why="It ends five hundred sessions."),
        "purge_families": _PURGE,
        "purge of a family": _PURGE,
    },
)

FAMILY_MEMBERSHIPS = Example(
    table="family_memberships",
    private="never",
    household="""
        insert into app.family_memberships (family_id, user_id, role, display_name)
        select family_id, user_id, role::app.member_role, 'Somebody' from people
    """,
    crowd="""
        insert into app.family_memberships (
            family_id, user_id, role, display_name, deleted_at, created_at
        )
        select
            pg_temp.id('family', family),
            pg_temp.id('user', person),
            role,
            'Person ' || person,
            case when place in (997, 998) and person > 200000 then timestamptz '2020-02-02' end,
            timestamptz '2026-01-01' + person * interval '1 second'
        from people
    """,
    seven=f"""
        with someone as materialized (select app.new_id() as id, n from generate_series(1, 7) as n),
        account as (
            insert into app.users (id, email, full_name)
            select id, id || '@example.com', 'Someone' from someone where id <> $2
        )
        insert into app.family_memberships (family_id, user_id, role, display_name, created_at)
        select $1, id, 'member', 'Someone', {MADE_AT} from someone
    """,
    variants={
        "list_members": {
            **PAGES,
            "deep page": after(datetime(2026, 1, 3, 7, 40, tzinfo=UTC)),
            "retired": {"is_active": "false"},
        }
    },
    leaves={"purge_memberships": _PURGE},
)
