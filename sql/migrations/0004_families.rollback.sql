-- Loses every family and every membership.

set local role app_owner;
drop table app.family_memberships;
drop table app.families;
drop type app.member_role;
