-- The audit trail, newest first.

-- name: list_audit
-- Null for whom it is not meant for: the policy shows members nothing, and an empty list would pass
-- for a family in which nothing happened.
--
-- A reader sees what the family shares and what is private to them. Each has an index in the order
-- of the trail, so a page is read from the ends of two lists; asked for both at once, the server
-- would walk through whatever is private to others.
select app.page_of(
    array_agg(shown), :limit::integer,
    app.cursor_of((array_agg(occurred_at))[:limit], (array_agg(id))[:limit])
) as body
from (
    (
        select to_json(shown) as shown, a.occurred_at, a.id
        from app.audit_log as a
        cross join lateral (
            select
                a.id,
                a.occurred_at,
                a.action_type,
                a.table_name,
                a.row_key,
                a.before,
                a.after,
                a.actor_id,
                a.actor_role,
                a.metadata
        ) as shown
        where
            a.family_id = :family_id
            and a.private_to is null
            and (a.occurred_at, a.id) < (:after_at, :after_id)
        order by a.occurred_at desc, a.id desc
        limit :limit::integer + 1
    )
    union all
    (
        select to_json(shown) as shown, a.occurred_at, a.id
        from app.audit_log as a
        cross join lateral (
            select
                a.id,
                a.occurred_at,
                a.action_type,
                a.table_name,
                a.row_key,
                a.before,
                a.after,
                a.actor_id,
                a.actor_role,
                a.metadata
        ) as shown
        where
            a.family_id = :family_id
            and a.private_to = :user_id
            and (a.occurred_at, a.id) < (:after_at, :after_id)
        order by a.occurred_at desc, a.id desc
        limit :limit::integer + 1
    )
    order by occurred_at desc, id desc
    limit :limit::integer + 1
) as page
having app.current_member_role() in ('owner', 'admin');
