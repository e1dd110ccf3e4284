-- Loses the whole audit trail, every month of it, and every account event.
--
-- locks: app.families access exclusive, because its policy file is undone

set local role app_owner;
drop table app.account_events;
drop type app.account_event;
drop table app.audit_log;
drop type app.audit_action;
