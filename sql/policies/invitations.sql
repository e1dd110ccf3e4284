-- invitations: for owners and admins; of those into the role of an owner, admins only read.
--
-- Select is granted by column: nobody but app_auth reads a token's hash. What may be updated is
-- revoked_at, of what is pending, and it stays revoked. Accepted they are by accept_invitation.
-- That nobody is invited who is a member already is the trigger's business (tg_refuse_members).
-- app_ops reads what policies compare, for explain_access, and purges what has expired; nobody else
-- deletes.
--
-- requires: 0011_invitations current_user_id current_family_id current_member_role tg_touch
-- requires: tg_refuse_change tg_refuse_members tg_record_audit

revoke all on app.invitations from app_api, app_reader, app_auth, app_audit, app_ops;
grant select (
    family_id, id, user_id, email, role, expires_at, accepted_at, member_id, revoked_at, is_pending,
    created_at, updated_at, row_version
) on app.invitations to app_api, app_reader;
grant insert (family_id, user_id, email, role, token_hash) on app.invitations to app_api;
grant update (revoked_at) on app.invitations to app_api;
grant select on app.invitations to app_auth;
grant update (accepted_at, member_id) on app.invitations to app_auth;
grant select (family_id, id, user_id, role, is_pending, expires_at), delete
    on app.invitations to app_ops;

drop policy if exists tenant_floor on app.invitations;
create policy tenant_floor
    on app.invitations
    as restrictive
    for all
    to app_api, app_reader
    using (family_id = app.current_family_id());
comment on policy tenant_floor on app.invitations is
    'Whatever the other policies allow, never a row of another family.';

-- Said by who may not: a comparison for equality, which is asked of each row here, the planner
-- takes for one that few rows pass, and would sort them all instead of reading a page in order.
drop policy if exists select_above_member on app.invitations;
create policy select_above_member
    on app.invitations
    for select
    to app_api, app_reader
    using (
        family_id = app.current_family_id()
        and app.current_member_role() <> 'member'
    );
comment on policy select_above_member on app.invitations is
    'Owners and admins.';

drop policy if exists select_auth on app.invitations;
create policy select_auth
    on app.invitations
    for select
    to app_auth
    using (true);
comment on policy select_auth on app.invitations is
    'The functions of app_auth find an invitation by its token.';

drop policy if exists select_ops on app.invitations;
create policy select_ops
    on app.invitations
    for select
    to app_ops
    using (true);
comment on policy select_ops on app.invitations is
    'Maintenance sees every row, in the columns it is granted.';

-- No admin makes an owner, nor asks one in.
drop policy if exists insert_own_as_admin on app.invitations;
create policy insert_own_as_admin
    on app.invitations
    for insert
    to app_api
    with check (
        family_id = app.current_family_id()
        and user_id = app.current_user_id()
        and (
            app.current_member_role() = 'owner'
            or (app.current_member_role() = 'admin' and role <> 'owner')
        )
    );
comment on policy insert_own_as_admin on app.invitations is
    'Owners into every role, admins into all but theirs; only in their own name.';

drop policy if exists update_admin on app.invitations;
create policy update_admin
    on app.invitations
    for update
    to app_api
    using (
        family_id = app.current_family_id()
        and is_pending
        and (
            app.current_member_role() = 'owner'
            or (app.current_member_role() = 'admin' and role <> 'owner')
        )
    )
    with check (
        family_id = app.current_family_id()
        and not is_pending
        and (
            app.current_member_role() = 'owner'
            or (app.current_member_role() = 'admin' and role <> 'owner')
        )
    );
comment on policy update_admin on app.invitations is
    'Owners revoke every pending one, admins all but those of owners.';

drop policy if exists update_auth on app.invitations;
create policy update_auth
    on app.invitations
    for update
    to app_auth
    using (is_pending)
    with check (not is_pending);
comment on policy update_auth on app.invitations is
    'The functions of app_auth accept what is pending.';

drop policy if exists delete_ops on app.invitations;
create policy delete_ops
    on app.invitations
    for delete
    to app_ops
    using (expires_at < current_timestamp);
comment on policy delete_ops on app.invitations is
    'Maintenance purges what has expired, and nothing else.';

create or replace trigger _100_touch
    before update on app.invitations
    for each row
    execute function app.tg_touch();

create or replace trigger _110_refuse_truncate
    before truncate on app.invitations
    for each statement
    execute function app.tg_refuse_change('rows leave one by one, so that the trail sees them');

-- After the row is in, so that the policies have been asked before the accounts are.
create or replace trigger _200_refuse_members
    after insert on app.invitations
    for each row
    execute function app.tg_refuse_members();

-- The trail keeps a hash in the place of the address and of the token.
create or replace trigger _900_audit
    after insert or update or delete on app.invitations
    for each row
    execute function app.tg_record_audit('family', 'email', 'token_hash');
