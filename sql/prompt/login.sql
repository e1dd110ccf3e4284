-- :login: nobody's context, and the login's own role; the deployer's may do next to nothing.

select
    set_config('role', 'none', false),
    set_config('app.user_id', '', false),
    set_config('app.family_id', '', false),
    set_config('app.member_role', '', false)
\g /dev/null

-- What recipes come back to, and what the prompt says.
\set hearth_role none
\set hearth_who :USER
