-- Loses every exercise and every log of one.

set local role app_owner;
drop table app.exercise_logs;
drop table app.exercises;
