"""Rate limits: what was hit by whom, who is nobody yet."""

from tests.support.example import Example, Leave

RATE_LIMIT_HITS = Example(
    table="rate_limit_hits",
    private="never",
    household="""
        insert into app.rate_limit_hits (rate_limit, subject_hash)
        select 'sign_in', sha256(user_id::text::bytea) from people
    """,
    # Everybody who is signed in has tried to get in: the readers more often.
    crowd="""
        insert into app.rate_limit_hits (rate_limit, subject_hash, created_at)
        select
            'sign_in',
            sha256(convert_to(
                case when person = 200000 and n <= 9 then 'ann' else concat(person, ' ', n) end,
                'UTF8'
            )),
            now() - person % 30 * interval '1 hour'
        from sign_ins
    """,
    leaves={"hit_rate_limit": Leave(budget=150, why="It forgets twenty old attempts on the way.")},
)
