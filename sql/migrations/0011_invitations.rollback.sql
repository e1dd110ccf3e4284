-- Loses every invitation; who came by one stays a member.

set local role app_owner;
drop trigger _210_need_an_account on app.family_memberships;
drop index app.family_memberships_family_id_is_active_created_at_user_id_idx;
create index family_memberships_family_id_created_at_user_id_idx
    on app.family_memberships (family_id, created_at, user_id) where is_active;
comment on index app.family_memberships_family_id_created_at_user_id_idx is
    'Serves list_members.';
drop table app.invitations;
set local role app_auth;
drop function if exists app.tg_require_active_user();
drop function if exists app.tg_refuse_members();
