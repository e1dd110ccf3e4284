-- :who: who the server says you are. Ask it after a `set role`.

select has_schema_privilege('app', 'usage') as hearth_may_look
\gset
\if :hearth_may_look
select has_column_privilege('app.users', 'email', 'select') as hearth_may_look
\gset
\endif

select
    session_user as login,
    current_user as role,
\if :hearth_may_look
    (
        select u.email
        from app.users as u
        where u.id = nullif(current_setting('app.user_id', true), '')::uuid
    ) as person,
\endif
    nullif(current_setting('app.user_id', true), '') as user_id,
    nullif(current_setting('app.family_id', true), '') as family_id,
    nullif(current_setting('app.member_role', true), '') as member_role,
    current_setting('transaction_read_only') as reads_only;
