-- habit_json: a habit as every endpoint shows it, in one place so that no two can differ.
--
-- A set of one, without a search path of its own: so the planner inlines it behind `from`, and it
-- costs what the bare expression does.
--
-- requires: 0013_habits

create or replace function app.habit_json(h app.habits)
    returns setof json
    language sql
    stable
    rows 1
as $$
    select to_json(shown)
    from (
        select
            h.id,
            h.user_id,
            h.name,
            h.description,
            h.type,
            trim_scale(h.target_value) as target_value,
            h.unit,
            h.weekdays,
            h.times_per_week,
            h.points,
            h.visibility,
            h.created_at,
            h.updated_at,
            h.row_version
    ) as shown
$$;

comment on function app.habit_json(app.habits) is 'A habit as every endpoint shows it.';

revoke all on function app.habit_json(app.habits) from public;
grant execute on function app.habit_json(app.habits) to app_api;
