-- is_time_zone: for the checks on time_zone columns. The server's own list decides, except that
-- abbreviations, offsets and POSIX rules are refused: no place keeps such a time for long.
--
-- Open to the roles that write users and families: whoever inserts a row runs its checks.
--
-- requires: 0002_schema

create or replace function app.is_time_zone(name text)
    returns boolean
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce(
            name = 'UTC'
            or name ~ '^[A-Z][A-Za-z]*(/[A-Z][A-Za-z_]*(-[A-Za-z]+)*)+$'
            or name ~ '^Etc/GMT(\+(\d|1[0-2])|-(\d|1[0-4]))?$',
            false
        )
        and timezone(name, timestamptz 'epoch') is not null;
exception
    when invalid_parameter_value then
        return false;
end
$$;

comment on function app.is_time_zone(text) is
    'Whether it is UTC, or the name of a time zone such as Europe/Vienna that the server knows.';

revoke all on function app.is_time_zone(text) from public;
grant execute on function app.is_time_zone(text) to app_api, app_auth, app_ops;
