-- The audit trail, newest first.

-- name: list_audit
-- Null for whom it is not meant for: the policy shows members nothing, and an empty list would pass
-- for a family in which nothing happened.
--
-- A reader sees what the family shares and what is private to them. Each has an index in the order
-- of the trail, so a page is read from the ends of two lists; asked for both at once, the server
-- would walk through whatever is private to others.
with seen as (
    (
        select a, a.occurred_at, a.id
        from app.audit_log as a
        where
            a.family_id = :family_id
            and a.private_to is null
            and (a.occurred_at, a.id) < (:after_at, :after_id)
        order by a.occurred_at desc, a.id desc
        limit :limit::integer + 1
    )
    union all
    (
        select a, a.occurred_at, a.id
        from app.audit_log as a
        where
            a.family_id = :family_id
            and a.private_to = :user_id
            and (a.occurred_at, a.id) < (:after_at, :after_id)
        order by a.occurred_at desc, a.id desc
        limit :limit::integer + 1
    )
),

page as (
    select a, occurred_at, id, row_number() over (order by occurred_at desc, id desc) as n
    from seen
    order by occurred_at desc, id desc
    limit :limit::integer + 1
)

select
    json_build_object(
        'items', coalesce(
            json_agg(
                json_build_object(
                    'id', (a).id,
                    'occurred_at', (a).occurred_at,
                    'action_type', (a).action_type,
                    'table_name', (a).table_name,
                    'row_key', (a).row_key,
                    'before', (a).before,
                    'after', (a).after,
                    'actor_id', (a).actor_id,
                    'actor_role', (a).actor_role,
                    'metadata', (a).metadata
                )
                order by n
            ) filter (where n <= :limit::integer),
            '[]'
        ),
        'next', case
            when count(*) > :limit::integer
                then max(app.cursor_of(occurred_at, id)) filter (where n = :limit::integer)
        end
    )::text as body
from page
having app.current_member_role() in ('owner', 'admin');
