-- What `hearth psql` starts psql with. It reads its variables from the environment; with a user
-- among them the session is placed in that person's context, as a request would be.

\getenv hearth_role HEARTH_ROLE
\getenv hearth_person HEARTH_PERSON
\getenv hearth_user_id HEARTH_USER_ID
\getenv hearth_family_id HEARTH_FAMILY_ID
\getenv hearth_member_role HEARTH_MEMBER_ROLE

\set QUIET on
\set ON_ERROR_ROLLBACK interactive
\set COMP_KEYWORD_CASE lower
\set HISTCONTROL ignoreboth
\pset null '·'
\pset linestyle unicode
\pset border 2
\x auto

\if :{?hearth_role}
set role :"hearth_role";
\set hearth_who :hearth_role
\else
\set hearth_who :USER
\endif

-- A setting of the session, not of a transaction: this connection is one person's, and no pool's.
\if :{?hearth_user_id}
set app.user_id = :'hearth_user_id';
\if :{?hearth_family_id}
set app.family_id = :'hearth_family_id';
set app.member_role = :'hearth_member_role';
\endif
select app.assert_membership() \g /dev/null
set search_path = app, pg_catalog;
\set hearth_who :hearth_who ' for ' :hearth_person
\endif

\set PROMPT1 '%/ as %:hearth_who:%R%x%# '
\set PROMPT2 '%R%x%# '
\unset QUIET
