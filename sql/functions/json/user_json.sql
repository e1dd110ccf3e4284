-- user_json: a user as every endpoint shows it, in one place so that no two can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0003_users

create or replace function app.user_json(u app.users)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'id', u.id,
        'email', u.email,
        'full_name', u.full_name,
        'time_zone', u.time_zone,
        'is_notified', u.is_notified,
        'created_at', u.created_at,
        'updated_at', u.updated_at,
        'row_version', u.row_version
    )
$$;

comment on function app.user_json(app.users) is 'A user as every endpoint shows it.';

revoke all on function app.user_json(app.users) from public;
grant execute on function app.user_json(app.users) to app_api;
