-- A new password is stored as SCRAM.
--
-- What is stored as MD5 lets in who has read it, and PostgreSQL will drop it.
--
-- level: warning

select
    null as object,
    'password_encryption is md5' as says,
    '`alter system reset password_encryption`, reload, and set the passwords anew' as remedy
from pg_settings as s
where s.name = 'password_encryption' and s.reset_val = 'md5';
