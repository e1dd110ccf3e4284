-- Loses the whole audit trail, every month of it, and every account event.

set local role app_owner;
drop table app.account_events;
drop type app.account_event;
drop table app.audit_log;
drop type app.audit_action;

-- The stub of 0002_schema again: the triggers of families stay, and without a trail they keep their
-- tables shut.
grant create on schema app to app_audit;

set local role app_audit;

create or replace function app.tg_record_audit()
    returns trigger
    language plpgsql
as $$
begin
    raise exception 'functions are not installed yet' using hint = 'Run: hearth migrate';
end
$$;

comment on function app.tg_record_audit() is null;

set local role app_owner;

revoke create on schema app from app_audit;
