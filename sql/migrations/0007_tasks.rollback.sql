-- Loses every task.

set local role app_owner;
drop table app.tasks;
drop type app.visibility;
