-- :as: go on as somebody else. Asks for their address; or `\set person ann@example.com` before.

\if :{?person}
\else
\prompt 'Whose address? ' person
\endif

select set_config('role', 'app_ops', false) \g /dev/null
select
    count(*) as hearth_found,
    count(*) > 1 as hearth_is_in_several,
    coalesce(string_agg(family_name, ', '), '') as hearth_names,
    coalesce(min(family_name), '') as hearth_family
from app.contexts_of(:'person')
\gset
\if :hearth_is_in_several
\echo :person is in :hearth_names
\prompt 'Which family? ' hearth_family
\endif
select
    count(*) = 1 as hearth_is_found,
    coalesce(min(user_id::text), '') as hearth_user_id,
    coalesce(min(family_id::text), '') as hearth_family_id,
    coalesce(min(member_role::text), '') as hearth_member_role
from app.contexts_of(:'person')
where coalesce(family_name, '') = :'hearth_family' or family_id::text = :'hearth_family'
\gset
select set_config('role', :'hearth_role', false) \g /dev/null

\if :hearth_is_found
\set hearth_person :person
\ir act.sql
\elif :hearth_found
\warn 'not one family, but none or several, has the name' :hearth_family
\else
\warn 'no active account has the address' :person
\endif
\unset person
