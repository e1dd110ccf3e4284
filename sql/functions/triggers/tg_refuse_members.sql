-- tg_refuse_members: an active member cannot be invited.
--
-- It fires after the row is in, so only somebody who may invite into a family learns that an
-- address belongs to one of its members, and only of that family.
--
-- Definer, owned by app_auth: it lends a look at addresses, which otherwise only their owners see.
-- It compares the given one and tells nothing but that it is a member's.
--
-- owner: app_auth
-- requires: 0011_invitations

create or replace function app.tg_refuse_members()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform from app.users as u
    inner join app.family_memberships as m on m.user_id = u.id
    where
        app.text_key(u.email) = app.text_key(NEW.email)
        and m.family_id = NEW.family_id
        and m.is_active
        and u.is_active;
    if found then
        raise exception 'this person belongs to the family already'
            using
                errcode = 'unique_violation',
                constraint = 'family_memberships_pkey',
                column = 'email';
    end if;

    return null;
end
$$;

comment on function app.tg_refuse_members() is
    'Trigger: refuses to invite somebody who is a member already.';

revoke all on function app.tg_refuse_members() from public;
grant execute on function app.tg_refuse_members() to app_owner;  -- who makes the triggers
