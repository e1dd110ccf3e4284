"""The audit trail: the triggers of the other tables write a household's."""

from datetime import UTC, datetime

from tests.support.example import MADE_AT, PAGES, Example, after

AUDIT_LOG = Example(
    table="audit_log",
    private="never",
    seen_if="private_to is null or private_to = app.current_user_id()",
    household="",
    # The trail of three months. The newest ten days are the busy ones' alone, and private but for
    # every hundredth record.
    crowd="""
        insert into app.audit_log (
            family_id, occurred_at, id, action_type, table_name, row_key, after, private_to
        )
        select
            pg_temp.id('family', family),
            date_trunc('month', now())
                + (n % 80 - case when since = 100000 then 20 else 30 end) * interval '1 day'
                + n * interval '1 second',
            pg_temp.id('record of ' || person || ', ', n),
            'insert',
            'tasks',
            jsonb_build_object('id', pg_temp.id('task of ' || person || ', ', n)),
            '{}',
            case when n % 100 <> 0 then pg_temp.id('user', person) end
        from keepers, generate_series(1, many) as n
    """,
    seven=f"""
        insert into app.audit_log
            (family_id, action_type, table_name, row_key, after, private_to, occurred_at)
        select $1, 'insert', 'tasks', jsonb_build_object('id', n), '{{}}',
            case when n % 2 = 0 then $2::uuid end, {MADE_AT}
        from generate_series(1, 7) as n
    """,
    variants={
        "list_audit": {
            **PAGES,
            "deep page": after(datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0)),
        }
    },
)
