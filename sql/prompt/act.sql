-- Go on in the context that the variables name, as a request of that person would.
--
-- Settings of the session, not of a transaction: this connection is one person's, and no pool's.

\ir login.sql
\set hearth_role app_api
select
    set_config('role', :'hearth_role', false),
    set_config('app.user_id', :'hearth_user_id', false)
\g /dev/null
\if :{?hearth_family_id}
select
    set_config('app.family_id', :'hearth_family_id', false),
    set_config('app.member_role', :'hearth_member_role', false)
\g /dev/null
\endif
select app.assert_membership() \g /dev/null
\set hearth_who :hearth_role ' for ' :hearth_person
