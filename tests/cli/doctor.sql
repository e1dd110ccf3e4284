-- What is done to a healthy database, and what `hearth doctor` then finds: each in a copy of its own,
-- by a superuser, a statement a line.
--
--     -- finds autovacuum:app.tasks     the name of the finding
--     -- since 18                       the first PostgreSQL that can be treated so
--     -- login postgres                 who looks, if not the deployer
--     -- knows {"connections": 500}     what the command would know from elsewhere
--     -- undo …                         how the server is healed, where the copy is not all

-- finds version
-- knows {"now": "2031-01-01T00:00:00Z"}

-- finds clock
-- knows {"time": "2020-01-01T00:00:00Z"}

-- finds collation_version:hearth_sick
update pg_database set datcollversion = '0.1' where datname = current_database();

-- finds collation_version:public.maltreated
-- since 17
create collation public.maltreated (provider = builtin, locale = 'C.UTF-8');
update pg_collation set collversion = '0.1' where collname = 'maltreated';
create index on app.tasks (title collate public.maltreated);

-- finds durability:app_api
alter role app_api in database hearth_sick set synchronous_commit = off;

-- finds autovacuum:autovacuum
-- undo alter system reset autovacuum
alter system set autovacuum = off;

-- finds autovacuum:track_counts
-- undo alter system reset track_counts
alter system set track_counts = off;

-- finds autovacuum:app.tasks
alter table app.tasks set (autovacuum_enabled = false);

-- finds wraparound:hearth_sick
update pg_database set datfrozenxid = ((txid_current() + 3894967296) % 4294967296)::text::xid where datname = 'hearth_sick';

-- finds read_only:server
-- undo alter system reset default_transaction_read_only
alter system set default_transaction_read_only = on;

-- finds read_only:alter database hearth_sick
alter database hearth_sick set default_transaction_read_only = on;

-- finds read_only:alter role app_api
alter role app_api in database hearth_sick set default_transaction_read_only = on;

-- finds encryption:DIRECT_URL
-- knows {"direct": {"is_local": false, "is_encrypted": false}}

-- finds encryption:DATABASE_URL
-- knows {"service": {"is_local": false, "is_encrypted": false}}

-- finds limits:max_connections
-- knows {"connections": 500}

-- finds limits:app_api
-- undo alter role app_api connection limit -1
alter role app_api connection limit 3;

-- finds limits:database
alter database hearth_sick connection limit 5;

-- finds attributes:app_api
-- undo alter role app_api nobypassrls
alter role app_api bypassrls;

-- finds attributes:app_owner
-- undo alter role app_owner nologin
alter role app_owner login;

-- finds attributes:hearth_deployer
-- undo alter role hearth_deployer nosuperuser
alter role hearth_deployer superuser;

-- finds memberships:maltreated
-- undo drop role maltreated
create role maltreated login;
grant app_owner to maltreated;

-- finds memberships:app_api
-- undo revoke pg_read_all_data from app_api
grant pg_read_all_data to app_api;

-- finds password_expiry:app_api
-- undo alter role app_api valid until 'infinity'
alter role app_api valid until '2020-01-01';

-- finds password_expiry:app_reader
-- knows {"now": "2029-12-24T00:00:00Z"}
-- undo alter role app_reader valid until 'infinity'
alter role app_reader valid until '2030-01-01';

-- finds password_encryption
-- undo alter system reset password_encryption
alter system set password_encryption = 'md5';

-- finds stored_passwords:app_reader
-- login postgres
-- undo alter role app_reader password null
alter role app_reader password 'md500000000000000000000000000000000';

-- finds time_limits:app_api.lock_timeout
-- undo alter role app_api set lock_timeout = '2s'
alter role app_api reset lock_timeout;

-- finds time_limits:app_reader.statement_timeout
alter role app_reader in database hearth_sick set statement_timeout = 0;

-- finds row_security:database
alter database hearth_sick set row_security = off;

-- finds row_security:app_reader
alter role app_reader in database hearth_sick set row_security = off;

-- finds row_security:server
-- undo alter system reset row_security
alter system set row_security = off;

-- finds logged_values:log_parameter_max_length
-- undo alter system reset log_statement
alter system set log_statement = 'all';

-- finds logged_values:log_parameter_max_length
-- undo alter system reset log_min_duration_statement
alter system set log_min_duration_statement = 100;

-- finds logged_values:log_parameter_max_length_on_error
-- undo alter system reset log_parameter_max_length_on_error
alter system set log_parameter_max_length_on_error = 100;

-- finds logged_values:app_api
alter role app_api in database hearth_sick set log_min_duration_statement = '1s';

-- finds foreign_grants:app.tasks
grant select on app.tasks to public;

-- finds foreign_grants:app.tasks.title
-- undo drop owned by maltreated
-- undo drop role maltreated
create role maltreated;
grant select (title) on app.tasks to maltreated;

-- finds foreign_grants:schema app
grant usage on schema app to public;

-- finds foreign_grants:database
grant connect on database hearth_sick to public;

-- finds foreign_grants:app.new_token()
grant execute on function app.new_token() to public;

-- finds large_objects:lo_creat(integer)
grant execute on function lo_creat(integer) to public;

-- finds row_security_not_forced:app.tasks
alter table app.tasks no force row level security;

-- finds row_security_not_forced:app.users
alter table app.users disable row level security;

-- finds unknown_policies:app.tasks.everybody
create policy everybody on app.tasks for select to app_api using (true);

-- finds disabled_triggers:app.tasks._900_audit
alter table app.tasks disable trigger _900_audit;

-- finds pending:policies/tasks.sql
drop policy tenant_floor on app.tasks;

-- finds drift:migrations/0007_tasks.sql
alter table app.tasks alter title type varchar(100);

-- finds unexpected_objects:table app.maltreated
create table app.maltreated (id integer);

-- finds unexpected_objects:function app.maltreated
create function app.maltreated() returns integer language sql as 'select 1';

-- finds default_partitions:app.audit_log_default
insert into app.audit_log (family_id, occurred_at, action_type, table_name, row_key, after) values (app.new_id(), '2020-01-01', 'insert', 'tasks', '{}', '{}');

-- finds months_left:app.audit_log
-- knows {"now": "2040-01-01T00:00:00Z"}

-- finds sequences:app.maltreated_id_seq
create table app.maltreated (id integer generated always as identity);
select setval('app.maltreated_id_seq', 2000000000);
alter table app.maltreated owner to app_owner;

-- finds not_valid_constraints:app.tasks.maltreated
alter table app.tasks add constraint maltreated check (length(title) < 100) not valid;

-- finds invalid_index:app.tasks_title_idx
create index on app.tasks (title);
update pg_index set indisvalid = false where indexrelid = 'app.tasks_title_idx'::regclass;

-- finds duplicate_index:app.maltreated_id_idx1
create table app.maltreated (id integer);
create index on app.maltreated (id);
create index on app.maltreated (id);

-- finds unused_index:app.maltreated_id_idx
-- knows {"now": "2040-01-01T00:00:00Z"}
create table app.maltreated (id integer);
insert into app.maltreated select generate_series(1, 100000);
create index on app.maltreated (id);

-- finds foreign_key_without_index:app.tasks.tasks_family_id_user_id_fkey
drop index app.tasks_family_id_user_id_idx;

-- finds dead_rows:app.maltreated
create table app.maltreated (id integer) with (autovacuum_enabled = false);
insert into app.maltreated select generate_series(1, 30000);
delete from app.maltreated where id < 20000;

-- finds not_analyzed:app.maltreated
create table app.maltreated (id integer) with (autovacuum_enabled = false);
insert into app.maltreated select generate_series(1, 30000);

-- finds table_age:app.tasks
update pg_class set relfrozenxid = ((txid_current() + 3894967296) % 4294967296)::text::xid where oid = 'app.tasks'::regclass;

-- finds slots:maltreated
-- undo select pg_drop_replication_slot('maltreated')
select pg_create_physical_replication_slot('maltreated', true);

-- finds synchronous
-- undo alter system reset synchronous_standby_names
alter system set synchronous_standby_names = 'nobody';

-- finds prepared_transactions:maltreated
-- knows {"now": "2040-01-01T00:00:00Z"}
-- undo rollback prepared 'maltreated'
begin;
create table public.maltreated (id integer);
prepare transaction 'maltreated';

-- finds duplicate_index:app.tasks_second
create index tasks_first on app.tasks (lower(title)) where points > 1;
create index tasks_second on app.tasks (   lower(title)   ) where    points > 1;
