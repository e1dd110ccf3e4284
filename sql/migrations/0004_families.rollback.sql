-- Loses every family and every membership.

set local role app_owner;
drop table app.family_memberships;
drop table app.families;
set local role app_auth;
drop function if exists app.tg_keep_an_owner();
set local role app_owner;
drop type app.member_role;
