-- :seen_by: which members of its family see a row, and which do not. Asks for the table and the id;
-- or `\set table tasks` and `\set id …` before.

\if :{?table}
\else
\prompt 'Which table? ' table
\endif
\if :{?id}
\else
\prompt 'Which id? ' id
\endif

select set_config('role', 'app_ops', false) \g /dev/null
select u.email, m.role, access ->> 'verdict' as verdict
from app.family_memberships as m
inner join app.users as u on u.id = m.user_id
cross join lateral app.explain_access(
    :'table', :'id', 'select', m.user_id, m.family_id, m.role
) as access
where
    m.is_active
    and u.is_active
    and m.family_id = (access -> 'row' ->> 'family_id')::uuid
order by m.role, u.email;
select set_config('role', :'hearth_role', false) \g /dev/null
\unset table
\unset id
