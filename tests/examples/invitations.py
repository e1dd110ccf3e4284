"""Invitations: one by each person, whoever that is."""

from tests.support.example import MADE_AT, Example, Leave

INVITATIONS = Example(
    table="invitations",
    private="never",
    seen_if="app.current_member_role() <> 'member'",  # those who may invite
    household="""
        insert into app.invitations (family_id, user_id, id, email, role, token_hash)
        select
            family_id, user_id, md5('invitation of ' || role || ', 1')::uuid,
            role || '@guests.example.com', 'member',
            sha256(convert_to(family_id || ', ' || role, 'UTF8'))
        from people
    """,
    # Everybody in the large families came by an invitation of its first member; in the small ones
    # one was asked, and every tenth has not come. Each large family has thirty that are pending,
    # one of the second for the reader, whose token is that of the example in
    # app/resources/invitations.py.
    crowd="""
        insert into app.invitations (
            family_id, user_id, id, email, role, token_hash, expires_at, accepted_at, member_id,
            created_at
        )
        select
            pg_temp.id('family', family),
            pg_temp.id('user', family),
            pg_temp.id('invitation of ', person),
            'person' || person || '@example.com',
            'member'::app.member_role,
            sha256(convert_to('invitation ' || person, 'UTF8')),
            now() + interval '7 days' - person * interval '1 second',
            case when person % 20 <> 0 or person > 200000 then now() - interval '8 days' end,
            case when person % 20 <> 0 or person > 200000 then pg_temp.id('user', person) end,
            now() - person * interval '1 second'
        from people
        where person % 2 = 0 or person > 200000
        union all
        select
            pg_temp.id('family', family),
            pg_temp.id('user', family),
            pg_temp.id('invitation of ' || family || ', ', n),
            case when family + n = 300001 then 'person200000' else 'friend' || n end
                || '@example.com',
            'member',
            case
                when family + n = 300001 then sha256('u1mmVBHLRjy4hYPZ1Bs0YlKpyP9fWUSPjYq5mpM3kOI')
                else sha256(convert_to('open invitation ' || family || ', ' || n, 'UTF8'))
            end,
            now() + n * interval '1 hour',
            null,
            null,
            now() - interval '7 days' + n * interval '1 hour'
        from people, generate_series(1, 30) as n
        where person in (200000, 300000)
    """,
    seven=f"""
        insert into app.invitations
            (family_id, user_id, email, role, token_hash, created_at)
        select $1, $2, n || '@example.com', 'member', sha256(n::text::bytea), {MADE_AT}
        from generate_series(1, 7) as n
    """,
    facts={"invitation_id": "invitation of {}, 1"},
    variants={"list_invitations": {"pending": {}, "ended": {"is_pending": "false"}}},
    leaves={
        "create_invitation": Leave(
            dropped=100, why="It looks for an address among those that the family waits for."
        ),
        "accept_invitation": Leave(
            budget=250, why="It makes a membership and changes an invitation, with their indexes."
        ),
    },
    unread={
        "invitations_family_id_email_key": "a key; under a policy no index finds an address",
        "invitations_pkey": "a key; few are pending, and found among those",
    },
)
