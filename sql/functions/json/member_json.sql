-- member_json: a member as every endpoint shows it, in one place so that no two can differ.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0004_families

create or replace function app.member_json(m app.family_memberships)
    returns json
    language sql
    stable
as $$
    select json_build_object(
        'user_id', m.user_id,
        'role', m.role,
        'display_name', m.display_name,
        'created_at', m.created_at,
        'updated_at', m.updated_at,
        'row_version', m.row_version
    )
$$;

comment on function app.member_json(app.family_memberships) is
    'A member as every endpoint shows it.';

revoke all on function app.member_json(app.family_memberships) from public;
grant execute on function app.member_json(app.family_memberships) to app_api;
