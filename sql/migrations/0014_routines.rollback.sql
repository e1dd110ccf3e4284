-- Loses every routine, with its versions, steps and completions.

set local role app_owner;
drop table app.routine_completions;
drop table app.routine_steps;
alter table app.routines drop constraint routines_family_id_id_version_fkey;
drop table app.routine_versions;
drop table app.routines;
