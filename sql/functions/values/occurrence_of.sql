-- occurrence_of: the number of a schedule's last turn that has begun by a day.
--
-- A turn is what the schedule asks for: by weekdays each of those days, otherwise (null) each week.
-- Turns are counted from the year 1, which began on a Monday, without a gap: those done in a row
-- have numbers in a row, and between two days lie as many turns as their numbers differ by.
--
-- No `set search_path`, so that the planner inlines it; it costs what the bare expression does.
--
-- requires: 0013_habits

create or replace function app.occurrence_of(day date, weekdays integer[])
    returns integer
    language sql
    immutable
as $$
    select (day - date '0001-01-01') / 7 * coalesce(cardinality(weekdays), 1)
        + coalesce(width_bucket(extract(isodow from day)::integer, weekdays), 0)
$$;

comment on function app.occurrence_of(date, integer[]) is
    'The number of the last turn of a schedule that has begun by this day.';

revoke all on function app.occurrence_of(date, integer[]) from public;
grant execute on function app.occurrence_of(date, integer[]) to app_api;
