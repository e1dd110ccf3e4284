-- Loses every habit and what was logged of it.

set local role app_owner;
drop table app.habit_logs;
drop table app.habits;
drop type app.habit_type;
