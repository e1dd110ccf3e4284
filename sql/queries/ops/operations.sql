-- What people do at the command line, as the deployer in the role of app_ops. Not for the service.

-- name: lift_limits
-- A purge takes as long as it needs, whatever the login's limits say; the last is there since 17.
select set_config(s.name, '0', false)
from pg_catalog.pg_settings as s
where
    s.name in (
        'statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout'
    );

-- name: ensure_audit_partitions
select made from app.ensure_audit_partitions(:months_ahead::integer) as made;

-- name: get_audit_months
-- How many months after this one have a partition, and whether rows wait for one of their own. Any
-- login may ask.
select
    bool_or(c.relname = 'audit_log_default' and pg_relation_size(c.oid) > 0) as has_waiting_rows,
    count(*) filter (
        where
            c.relname <> 'audit_log_default'
            and c.relname > 'audit_log_' || to_char(now(), 'YYYY_MM')
    ) as months_ahead
from pg_catalog.pg_inherits as i
inner join pg_catalog.pg_class as c on c.oid = i.inhrelid
inner join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
inner join pg_catalog.pg_class as p on p.oid = i.inhparent
where n.nspname = 'app' and p.relname = 'audit_log';

-- name: find_contexts
select user_id, family_id, family_name, member_role::text as role
from app.contexts_of(:email);

-- name: explain_access
select app.explain_access(
    :table_name, :row_id, :command, :user_id, :family_id, :member_role
)::text;
