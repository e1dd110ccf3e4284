-- Loses every point that was awarded, and what tasks are worth.
--
-- locks: app.tasks access exclusive, because it loses a column
-- locks: app.habit_logs access exclusive, because its policy file is undone
-- locks: app.routine_completions access exclusive, because its policy file is undone
-- locks: app.exercise_logs access exclusive, because its policy file is undone

set local role app_owner;
drop table app.score_entries;
drop type app.score_period;
drop type app.score_kind;
drop index app.tasks_private_today_idx;
drop index app.tasks_shared_today_idx;
drop index app.routine_completions_today_idx;
alter table app.tasks drop column points;
