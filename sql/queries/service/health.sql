-- What the service asks about the database and about itself in it.

-- name: get_health
-- All that the monitor asks, in one look every second. Each part has a reason in words, which is
-- null where all is well, and what else is worth telling.
--
-- It waits for nobody: the default partition is not opened while somebody shuts it, as who makes
-- months does. Nothing here needs a privilege that app_api does not have.
with own as (
    select d.oid
    from pg_catalog.pg_database as d
    where d.datname = current_database()
),

work as materialized (
    select
        coalesce(
            bool_or(
                l.locktype = 'advisory'
                and l.granted
                and l.classid = 0
                and l.objid = :deployers_lock::integer::oid
                and l.objsubid = 1
            ),
            false
        ) as is_migrating,
        coalesce(
            bool_or(
                l.locktype = 'relation'
                and l.relation = to_regclass('app.audit_log_default')
                and l.mode = 'AccessExclusiveLock'
            ),
            false
        ) as is_default_shut
    from pg_catalog.pg_locks as l
    where l.database = (select o.oid from own as o)
),

-- May this login be trusted with tenants? Each is a reason not to serve.
login as (
    select
        nullif(
            concat_ws(
                ', ',
                case when r.rolsuper then 'it is a superuser' end,
                case when r.rolbypassrls then 'it bypasses row level security' end,
                case
                    when exists (
                        select from pg_catalog.pg_class as c
                        where
                            c.relnamespace = 'app'::regnamespace
                            and pg_catalog.pg_has_role(c.relowner, 'usage')
                    )
                        then 'it owns tables, or is a member of a role that does'
                end,
                case
                    when exists (
                        select from pg_catalog.pg_roles as o
                        where
                            o.rolname <> current_user
                            and pg_catalog.pg_has_role(o.oid, 'member')
                    )
                        then 'it is a member of other roles'
                end
            ),
            ''
        ) as faults
    from pg_catalog.pg_roles as r
    where r.rolname = current_user
),

-- What a session that begins now would have: connections of the pool are made anew.
new_session as (
    select bool_or(part.value::boolean) filter (where part.rank = 1) as is_read_only
    from (
        select
            split_part(setting, '=', 2) as value,
            row_number() over (order by s.setrole <> 0 desc, s.setdatabase <> 0 desc) as rank
        from pg_catalog.pg_db_role_setting as s
        cross join unnest(s.setconfig) as setting
        where
            (s.setdatabase = 0 or s.setdatabase = (select o.oid from own as o))
            and s.setrole in (0, current_user::regrole)
            and starts_with(setting, 'default_transaction_read_only=')
    ) as part
),

files as (
    select
        array_agg(name order by name) filter (where installed.sha256 is null) as missing,
        array_agg(name order by name) filter (where ours.sha256 is null) as unknown,
        array_agg(name order by name) filter (
            where ours.sha256 <> installed.sha256
        ) as differing
    from jsonb_each_text(:files::jsonb) as ours (name, sha256)
    full join (
        select concat(f.kind, '/', f.name) as name, f.sha256
        from yoyo.files as f
        where f.state = 'applied'
    ) as installed using (name)
),

-- How many months, from the current one on, have a partition without a gap; a year is enough.
months as (
    select coalesce(min(n) filter (where i.inhrelid is null), 12) as months_left
    from generate_series(0, 11) as n
    left join pg_catalog.pg_inherits as i on
        i.inhparent = to_regclass('app.audit_log')
        and i.inhrelid = to_regclass(
            to_char(
                date_trunc('month', now() at time zone 'UTC') + n * interval '1 month',
                '"app.audit_log_"YYYY_MM'
            )
        )
),

trail as (
    select
        m.months_left,
        case
            when not w.is_default_shut
                then coalesce(pg_relation_size(to_regclass('app.audit_log_default')), 0) > 0
        end as is_default_used
    from months as m
    cross join work as w
),

clock as (
    select date_trunc('second', :service_time::timestamptz - clock_timestamp()) as ahead
),

standbys as (
    select
        (select count(*) from pg_catalog.pg_stat_replication) as standbys,
        (select count(*) from pg_catalog.pg_replication_slots) as slots,
        (
            select min(s.slot_name)
            from pg_catalog.pg_replication_slots as s
            where s.wal_status in ('unreserved', 'lost')
        ) as lost_slot,
        current_setting('synchronous_standby_names') <> ''
        and current_setting('synchronous_commit') not in ('off', 'local') as is_synchronous
)

select
    json_build_object(
        'database', json_build_object(
            'reason', null,
            'server_version', current_setting('server_version'),
            'new_id', (
                select case when p.prosrc like '%uuidv7%' then 'uuidv7' else 'gen_random_uuid' end
                from pg_catalog.pg_proc as p
                where p.oid = 'app.new_id()'::regprocedure
            )
        ),
        'role', json_build_object(
            'reason', concat(current_user, ' must not serve tenants: ') || l.faults
        ),
        -- Of another connection, for the monitor's own have no names: a pooler handed it on.
        'finds_statements', exists (
            select from pg_catalog.pg_prepared_statements as p
            where starts_with(p.name, '__asyncpg_stmt_')
        ),
        'writable', json_build_object(
            'reason', case
                when pg_is_in_recovery() then 'the server is a standby'
                when current_setting('transaction_read_only') = 'on'
                    then 'transactions are read-only'
                when s.is_read_only then 'new connections are read-only'
            end
        ),
        -- It dates access tokens by its own clock, and asks the database when sessions end.
        'clock', json_build_object(
            'reason', case
                when c.ahead > interval '30 s'
                    then concat('the service is ', c.ahead, ' ahead of the database''s clock')
                when c.ahead < interval '-30 s'
                    then concat('the service is ', -c.ahead, ' behind the database''s clock')
            end
        ),
        'migrations', json_build_object(
            'reason', case
                when w.is_migrating then 'hearth migrate is at work'
                else nullif(
                    concat_ws(
                        '; ',
                        'not applied: ' || array_to_string(f.missing[1 : 3], ', '),
                        'applied as another version: ' || array_to_string(f.differing[1 : 3], ', '),
                        'applied, and not known here: ' || array_to_string(f.unknown[1 : 3], ', ')
                    ),
                    ''
                )
            end,
            'missing', coalesce(f.missing, '{}'),
            'differing', coalesce(f.differing, '{}'),
            'unknown', coalesce(f.unknown, '{}')
        ),
        'trail', json_build_object(
            'reason', nullif(
                concat_ws(
                    '; ',
                    case t.months_left
                        when 0 then 'this month has no partition; hearth migrate makes it'
                        when 1 then 'the next month has no partition; hearth migrate makes it'
                    end,
                    case when t.is_default_used then 'there are rows in app.audit_log_default' end
                ),
                ''
            ),
            'months_left', t.months_left
        ),
        'replication', json_build_object(
            'reason', case
                when r.is_synchronous and r.standbys = 0
                    then 'commits wait for a synchronous standby, and there is none'
                when r.lost_slot is not null
                    then concat('the slot ', r.lost_slot, ' has lost what it needs')
            end,
            'standbys', r.standbys,
            'slots', r.slots
        )
    )::text
from login as l
cross join work as w
cross join new_session as s
cross join files as f
cross join trail as t
cross join standbys as r
cross join clock as c;

-- name: list_constraints
-- The sentence for a broken constraint is the comment on it, or on its index where it is only one.
-- A check that is named after one of its columns blames that one; every other blames all it looks
-- at.
select
    c.conname as name,
    obj_description(c.oid, 'pg_constraint') as comment,
    coalesce(
        array_agg(a.attname::text order by a.attnum) filter (
            where c.contype = 'c' and starts_with(c.conname, concat(t.relname, '_', a.attname, '_'))
        ),
        array_agg(a.attname::text order by a.attnum) filter (where a.attname is not null)
    ) as fields
from pg_catalog.pg_constraint as c
left join pg_catalog.pg_class as t on t.oid = c.conrelid
left join pg_catalog.pg_attribute as a on
    a.attrelid = c.conrelid
    and a.attnum = any(c.conkey)
where
    c.connamespace = 'app'::regnamespace
    and c.conparentid = 0
    and obj_description(c.oid, 'pg_constraint') is not null
group by c.oid, c.conname, t.relname
union all
select
    i.relname as name, obj_description(i.oid, 'pg_class') as comment,
    array_agg(a.attname::text order by a.attnum) as fields
from pg_catalog.pg_class as i
inner join pg_catalog.pg_index as x on x.indexrelid = i.oid
-- Also those within an expression, such as app.text_key(email), are what the index depends on.
inner join pg_catalog.pg_depend as d
    on
        d.classid = 'pg_class'::regclass
        and d.objid = i.oid
        and d.refclassid = 'pg_class'::regclass
        and d.refobjid = x.indrelid
inner join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where
    i.relnamespace = 'app'::regnamespace
    and x.indisunique
    and obj_description(i.oid, 'pg_class') is not null
group by i.oid, i.relname;
