-- The audit trail, newest first.

-- name: list_audit
-- Null for whom it is not meant for: the policy shows members nothing, and an empty list would pass
-- for a family in which nothing happened.
with page as (
    select
        a.id,
        a.occurred_at,
        json_build_object(
            'id', a.id,
            'occurred_at', a.occurred_at,
            'action_type', a.action_type,
            'table_name', a.table_name,
            'row_key', a.row_key,
            'before', a.before,
            'after', a.after,
            'actor_id', a.actor_id,
            'actor_role', a.actor_role,
            'metadata', a.metadata
        ) as item,
        row_number() over (order by a.occurred_at desc, a.id desc) as n
    from app.audit_log as a
    where a.family_id = :family_id and (a.occurred_at, a.id) < (:after_at, :after_id)
    order by a.occurred_at desc, a.id desc
    limit :limit::integer + 1
)

select
    json_build_object(
        'items', coalesce(json_agg(item order by n) filter (where n <= :limit::integer), '[]'),
        'next', case
            when count(*) > :limit::integer
                then max(app.cursor_of(occurred_at, id)) filter (where n = :limit::integer)
        end
    )::text
from page
having app.current_member_role() in ('owner', 'admin');
