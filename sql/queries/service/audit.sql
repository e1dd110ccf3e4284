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

select to_json(response)::text as body
from (
    select
        coalesce(
            to_json(array_agg(to_json(shown) order by n) filter (where n <= :limit::integer)), '[]'
        ) as items,
        case
            when count(*) > :limit::integer
                then max(app.cursor_of(page.occurred_at, page.id))
                    filter (where n = :limit::integer)
        end as next
    from page
    cross join lateral (
        select
            (a).id,
            (a).occurred_at,
            (a).action_type,
            (a).table_name,
            (a).row_key,
            (a).before,
            (a).after,
            (a).actor_id,
            (a).actor_role,
            (a).metadata
    ) as shown
    having app.current_member_role() in ('owner', 'admin')
) as response;
