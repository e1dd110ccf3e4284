-- Loses every account and password.

set local role app_owner;
drop table app.credentials;
drop table app.users;
