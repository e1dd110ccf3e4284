-- display_name_of: how a newcomer is called in a family: by the full name, or by as much of it as
-- fits. What is cut is cut from what can be seen, so that something is left.
--
-- No `set search_path`, so that the planner inlines it.
--
-- requires: 0002_schema visible

create or replace function app.display_name_of(full_name text)
    returns text
    language sql
    immutable
    parallel safe
as $$
    select case
        when length(full_name) <= 100 then full_name
        else rtrim(left(app.visible(full_name), 100))
    end
$$;

comment on function app.display_name_of(text) is
    'The full name, as much of it as a display name may have.';

revoke all on function app.display_name_of(text) from public;
grant execute on function app.display_name_of(text) to app_api, app_auth;
