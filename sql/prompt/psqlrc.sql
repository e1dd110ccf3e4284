-- What `hearth psql` starts psql with. It reads its variables from the environment; with a user
-- among them the session is placed in that person's context, as a request would be.
--
-- A macro is a variable whose text is put in its place: `:who` runs who.sql. `:help` tells all.

\set hearth_quiet :QUIET
\set QUIET on
\set ON_ERROR_ROLLBACK interactive
\set COMP_KEYWORD_CASE lower
\set HISTCONTROL ignoreboth
\pset null '·'
\pset linestyle unicode
\pset border 2
\x auto

\getenv hearth_prompt HEARTH_PROMPT
\set help '\\i ''' :hearth_prompt '/help.sql'''
\set who '\\i ''' :hearth_prompt '/who.sql'''
\set as '\\i ''' :hearth_prompt '/as.sql'''
\set ops '\\i ''' :hearth_prompt '/ops.sql'''
\set login '\\i ''' :hearth_prompt '/login.sql'''
\set write '\\i ''' :hearth_prompt '/write.sql'''
\set read '\\i ''' :hearth_prompt '/read.sql'''
\set seen_by '\\i ''' :hearth_prompt '/seen_by.sql'''
\set changes '\\i ''' :hearth_prompt '/changes.sql'''
\set slow '\\i ''' :hearth_prompt '/slow.sql'''
\set locks '\\i ''' :hearth_prompt '/locks.sql'''
\set sizes '\\i ''' :hearth_prompt '/sizes.sql'''

set search_path = app, pg_catalog;

\ir login.sql
\getenv hearth_user_id HEARTH_USER_ID
\if :{?hearth_user_id}
\getenv hearth_person HEARTH_PERSON
\getenv hearth_family_id HEARTH_FAMILY_ID
\getenv hearth_member_role HEARTH_MEMBER_ROLE
\ir act.sql
\endif

\getenv hearth_writes HEARTH_WRITES
\if :{?hearth_writes}
\ir write.sql
\else
\ir read.sql
\endif
\set PROMPT2 '%R%x%# '

\getenv hearth_greets HEARTH_GREETS
\if :{?hearth_greets}
\ir greeting.sql
\endif
\set QUIET :hearth_quiet
