-- Loses every point that was awarded, and what tasks are worth.
--
-- locks: app.tasks access exclusive, because it loses a column
-- locks: app.habit_logs access exclusive, because it loses triggers
-- locks: app.routine_completions access exclusive, because it loses triggers
-- locks: app.exercise_logs access exclusive, because it loses triggers

set local role app_owner;
drop trigger _520_score_delete on app.exercise_logs;
drop trigger _510_score_update on app.exercise_logs;
drop trigger _500_score_insert on app.exercise_logs;
drop trigger _520_score_delete on app.routine_completions;
drop trigger _500_score_insert on app.routine_completions;
drop trigger _520_score_delete on app.habit_logs;
drop trigger _510_score_update on app.habit_logs;
drop trigger _500_score_insert on app.habit_logs;
drop trigger _510_score_update on app.tasks;
drop trigger _500_score_insert on app.tasks;
set local role app_auth;
drop function if exists app.tg_score();
set local role app_owner;
drop table app.score_entries;
drop type app.score_period;
drop type app.score_kind;
drop index app.tasks_private_today_idx;
drop index app.tasks_shared_today_idx;
drop index app.routine_completions_today_idx;
alter table app.tasks drop column points;
