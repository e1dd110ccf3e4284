-- Loses the idempotency keys: a request sent again within a day of the first is done again.

set local role app_owner;
drop table app.idempotency_keys;
