-- Loses every invitation; who came by one stays a member.

set local role app_owner;
drop index app.family_memberships_family_id_is_active_created_at_user_id_idx;
create index family_memberships_family_id_created_at_user_id_idx
    on app.family_memberships (family_id, created_at, user_id) where is_active;
drop table app.invitations;
