-- The service connects as app_api.
--
-- That login owns nothing and sees one family at a time; another one has other rights, or none of
-- the limits that stand on the role.
--
-- level: error

select
    null as object,
    format('DATABASE_URL connects as %s', $1 #>> '{service, user}') as says,
    'let it connect as app_api' as remedy
where $1 #>> '{service, user}' <> 'app_api';
