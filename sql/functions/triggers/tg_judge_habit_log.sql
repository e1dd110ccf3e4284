-- tg_judge_habit_log: the target of a day, and whether it was reached. Before insert and update,
-- after tg_set_entered_on.
--
-- A day that is over keeps the target that it had; a new log and that of a day which is not over
-- take the habit's. Who says whether the day was done is held to it by a check; who does not, as
-- with a number, is told here.
--
-- Invoker: who may write the log sees its habit.
--
-- requires: 0013_habits

create or replace function app.tg_judge_habit_log()
    returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if TG_OP = 'INSERT' or NEW.logged_on >= NEW.entered_on then
        NEW.target_value := (
            select h.target_value
            from app.habits as h
            where h.family_id = NEW.family_id and h.id = NEW.habit_id
        );
    end if;

    NEW.is_done := coalesce(NEW.is_done, NEW.value >= NEW.target_value, false);

    return NEW;
end
$$;

comment on function app.tg_judge_habit_log() is
    'Trigger: sets the target of a day and, unless it is said, whether it was reached.';

revoke all on function app.tg_judge_habit_log() from public;
