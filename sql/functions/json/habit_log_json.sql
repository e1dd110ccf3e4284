-- habit_log_json: a day of a habit as every endpoint shows it, in one place so that no two can
-- differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0013_habits

create or replace function app.habit_log_json(l app.habit_logs)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            l.habit_id,
            l.logged_on,
            trim_scale(l.value) as value,
            trim_scale(l.target_value) as target_value,
            l.is_done,
            l.note,
            l.created_at,
            l.updated_at,
            l.row_version
    ) as shown
$$;

comment on function app.habit_log_json(app.habit_logs) is
    'A day of a habit as every endpoint shows it.';

revoke all on function app.habit_log_json(app.habit_logs) from public;
grant execute on function app.habit_log_json(app.habit_logs) to app_api;
