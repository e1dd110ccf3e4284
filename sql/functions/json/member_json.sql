-- member_json: a member as every endpoint shows it, in one place so that no two can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0004_families

create or replace function app.member_json(m app.family_memberships)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            m.user_id,
            m.role,
            m.display_name,
            m.created_at,
            m.updated_at,
            m.row_version
    ) as shown
$$;

comment on function app.member_json(app.family_memberships) is
    'A member as every endpoint shows it.';

revoke all on function app.member_json(app.family_memberships) from public;
grant execute on function app.member_json(app.family_memberships) to app_api;
