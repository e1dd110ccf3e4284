-- occurrence_of: the number of the turn to which a day belongs.
--
-- A turn is what a schedule asks for: by weekdays each of those days, otherwise (null) each week
-- from Monday to Sunday. A day that is none of the weekdays has the number of the next of them.
--
-- Turns are counted from the year 1, which began on a Monday, without a gap: those in a row have
-- numbers in a row, and from one day until before another end as many as their numbers differ by.
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
        + coalesce(width_bucket(extract(isodow from day)::integer - 1, weekdays), 0)
$$;

comment on function app.occurrence_of(date, integer[]) is
    'The number of the turn of a schedule to which this day belongs.';

revoke all on function app.occurrence_of(date, integer[]) from public;
grant execute on function app.occurrence_of(date, integer[]) to app_api;
