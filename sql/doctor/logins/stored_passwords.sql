-- The passwords of our logins are stored as SCRAM.
--
-- Whoever changes password_encryption does not change what is stored. Nobody but a superuser may
-- look.
--
-- level: warning

select
    a.rolname::text as object,
    format('the password of %s is stored as MD5', a.rolname) as says,
    format('set it anew, with `\password %s` in psql', a.rolname) as remedy
from pg_authid as a
where
    a.rolname in ('app_api', 'app_reader', 'hearth_deployer')
    and starts_with(a.rolpassword, 'md5');
