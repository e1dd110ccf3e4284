-- What only a superuser can do, once per cluster: the deployer, the database, the login passwords.
--
--     psql -X -v ON_ERROR_STOP=1 -f sql/bootstrap.sql postgres://postgres@…/postgres
--
-- It reads four environment variables; one that is unset or empty changes nothing:
--     HEARTH_DATABASE     name of the database (hearth)
--     DEPLOYER_PASSWORD   of hearth_deployer, who runs `hearth migrate` (DIRECT_URL)
--     API_PASSWORD        of app_api, the service's login (DATABASE_URL)
--     READER_PASSWORD     of app_reader, for people who look
--
-- Running it again is harmless. Everything after it is done by the deployer, no superuser but
-- owner of the database, allowed to create roles, which is what managed services give as well.

\set ON_ERROR_STOP on
\set database ''
\set deployer_password ''
\set api_password ''
\set reader_password ''
\getenv database HEARTH_DATABASE
\getenv deployer_password DEPLOYER_PASSWORD
\getenv api_password API_PASSWORD
\getenv reader_password READER_PASSWORD

set client_min_messages = warning;

-- Passwords are stored hashed. On their way here they are clear text: connect by socket or TLS.
set password_encryption = 'scram-sha-256';

-- No inheritance: the deployer has the rights of app_owner and the others only after saying
-- `set role`, so row level security holds for the deployer as it does for everybody.
select 'create role hearth_deployer login createrole noinherit'
where not exists (select from pg_catalog.pg_roles where rolname = 'hearth_deployer')
\gexec

-- The two logins are made here rather than in the first migration so that they can have passwords.
select pg_catalog.format('create role %I login', role_name)
from (values ('app_api'), ('app_reader')) as logins (role_name)
where not exists (select from pg_catalog.pg_roles where rolname = role_name)
\gexec

-- With admin option: the first migration sets the logins' timeouts and comments.
grant app_api, app_reader to hearth_deployer with admin option;

-- Nobody reads a password in the server's log: not even when it logs every statement.
begin;
set local log_statement = 'none';
set local log_min_duration_statement = -1;
set local log_min_error_statement = 'panic';
select pg_catalog.format('alter role %I password %L', role_name, new_password)
from (
    values
        ('hearth_deployer', :'deployer_password'),
        ('app_api', :'api_password'),
        ('app_reader', :'reader_password')
) as logins (role_name, new_password)
where new_password <> ''
\gexec
commit;

select pg_catalog.format('create database %I owner hearth_deployer', database_name)
from (select coalesce(nullif(:'database', ''), 'hearth') as database_name) as wanted
where not exists (select from pg_catalog.pg_database where datname = database_name)
\gexec

-- A database that stood before (a container image makes one) is handed over.
select pg_catalog.format('alter database %I owner to hearth_deployer', datname)
from pg_catalog.pg_database
where
    datname = coalesce(nullif(:'database', ''), 'hearth')
    and datdba <> 'hearth_deployer'::pg_catalog.regrole
\gexec

-- Every login may enter every database that does not say otherwise, and make large objects there.
-- Where nobody else has a login on this server, the databases beside ours are closed to all but the
-- deployer, whose tools ask there.
select
    pg_catalog.format(
        'revoke connect on database %1$I from public;'
        ' grant connect on database %1$I to hearth_deployer',
        d.datname
    )
from pg_catalog.pg_database as d
where
    d.datname in ('postgres', 'template1')
    and not exists (
        select from pg_catalog.pg_roles as r
        where
            r.rolcanlogin
            and not r.rolsuper
            and r.rolname not in ('hearth_deployer', 'app_api', 'app_reader')
    )
\gexec

-- Large objects know neither families nor row level security: whoever may make one could hand
-- another family what no policy sees. Nothing here keeps any, so nobody but a superuser makes any.
-- psql takes a name with = in it for more than a name, so it is told that it is one.
select pg_catalog.format(
    'dbname=''%s''', pg_catalog.regexp_replace(name, '([\\''])', '\\\1', 'g')
) as target
from (select coalesce(nullif(:'database', ''), 'hearth') as name) as wanted
\gset
\connect -reuse-previous=on :"target"
select pg_catalog.format('revoke execute on function %s from public', p.oid::regprocedure)
from pg_catalog.pg_proc as p
where
    p.pronamespace = 'pg_catalog'::regnamespace
    and p.proname in ('lo_creat', 'lo_create', 'lo_from_bytea')
\gexec
