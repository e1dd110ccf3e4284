-- user_json: a user as every endpoint shows it, in one place so that no two can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0003_users

create or replace function app.user_json(u app.users)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            u.id,
            u.email,
            u.full_name,
            u.time_zone,
            u.is_notified,
            u.created_at,
            u.updated_at,
            u.row_version
    ) as shown
$$;

comment on function app.user_json(app.users) is 'A user as every endpoint shows it.';

revoke all on function app.user_json(app.users) from public;
grant execute on function app.user_json(app.users) to app_api;
