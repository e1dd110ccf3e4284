-- new_id: the default of every id.
--
-- uuidv7() where the server has it (PostgreSQL 18): such ids grow with time, so a million inserts
-- fill an index from its end instead of all over it. gen_random_uuid() before that. Whoever reads
-- the rows must not rely on either: page by (created_at, id).
--
-- After an upgrade of the server the next `hearth migrate` runs this file again and so switches;
-- ids that exist stay as they are. With UUIDV7=off in the environment it keeps to random ids.
--
-- No `set search_path`, so that the planner inlines the call: it costs nothing over the bare one.
--
-- requires: 0002_schema

do $$
begin
    if pg_catalog.current_setting('server_version_num')::integer >= 180000
        and pg_catalog.current_setting('app.uuidv7', true) is distinct from 'off'
    then
        create or replace function app.new_id()
            returns uuid
            language sql
            volatile
        as 'select pg_catalog.uuidv7()';
    else
        create or replace function app.new_id()
            returns uuid
            language sql
            volatile
        as 'select pg_catalog.gen_random_uuid()';
    end if;
end
$$;

comment on function app.new_id() is
    'A new id: version 7 (time-ordered) where the server can make them, random otherwise.';

revoke all on function app.new_id() from public;
grant execute on function app.new_id() to app_api, app_auth, app_audit, app_ops;
