-- contexts_of: the contexts that somebody can act in, by their address in any case: one for each of
-- their families, or one without a family. For the command line's `--as` and the prompt's `:as`.
--
-- Invoker, for app_ops.
--
-- requires: 0004_families text_key

create or replace function app.contexts_of(email text)
    returns table (user_id uuid, family_id uuid, family_name text, member_role app.member_role)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select u.id, f.id, f.name, m.role
    from app.users as u
    left join (
        app.family_memberships as m
        inner join app.families as f on f.id = m.family_id and f.is_active
    ) on m.user_id = u.id and m.is_active
    where app.text_key(u.email) = app.text_key(contexts_of.email) and u.is_active
    order by f.id
$$;

comment on function app.contexts_of(text) is
    'The contexts that the person with an address can act in.';

revoke all on function app.contexts_of(text) from public;
grant execute on function app.contexts_of(text) to app_ops;
