-- :changes: what was changed in the last hour, by whom and through what, in all families. An update
-- names its columns; what they held stays where the families read it.

select set_config('role', 'app_ops', false) \g /dev/null
select
    a.occurred_at::timestamptz(0) as at,
    u.email as by,
    a.action_type as action,
    a.table_name,
    (select string_agg(value, ' ' order by key) from jsonb_each_text(a.row_key)) as row_key,
    case a.action_type
        when 'update' then (select string_agg(key, ', ') from jsonb_object_keys(a.after) as key)
    end as columns,
    a.metadata ->> 'application' as through
from app.audit_log as a
left join app.users as u on u.id = a.actor_id
where a.occurred_at > now() - interval '1 hour'
order by a.occurred_at desc
limit 50;
select set_config('role', :'hearth_role', false) \g /dev/null
