-- Loses the count of attempts: whoever was throttled is not any more.

set local role app_owner;
drop table app.attempts;
drop type app.attempt_type;
