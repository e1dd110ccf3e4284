-- Loses the count of attempts: whoever was throttled is not any more.

set local role app_owner;
drop table app.rate_limit_hits;
drop type app.rate_limit;
