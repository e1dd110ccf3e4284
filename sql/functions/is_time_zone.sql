-- is_time_zone: for the checks on time_zone columns. The server's own list decides.
--
-- Calling it is open to every role, because whoever inserts a row runs its checks.
--
-- requires: 0002_schema

create or replace function app.is_time_zone(name text)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return timezone(name, timestamptz 'epoch') is not null;
exception
    when invalid_parameter_value then
        return false;
end
$$;

comment on function app.is_time_zone(text) is 'Whether the server knows the time zone.';

revoke all on function app.is_time_zone(text) from public;
grant execute on function app.is_time_zone(text) to app_api, app_auth, app_ops;
