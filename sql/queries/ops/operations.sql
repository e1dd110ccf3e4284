-- What people do at the command line, as the deployer in the role of app_ops. Not for the service.

-- name: ensure_audit_partitions
select made from app.ensure_audit_partitions(:months_ahead::integer) as made;

-- name: find_contexts
select u.id as user_id, f.id as family_id, f.name as family_name, m.role::text as role
from app.users as u
left join (
    app.family_memberships as m
    inner join app.families as f on f.id = m.family_id and f.is_active
) on m.user_id = u.id and m.is_active
where app.text_key(u.email) = app.text_key(:email) and u.is_active
order by m.family_id;

-- name: explain_access
select app.explain_access(
    :table_name, :row_id, :command, :user_id, :family_id, :member_role
)::text;
