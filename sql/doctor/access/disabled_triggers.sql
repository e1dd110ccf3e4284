-- Every trigger fires.
--
-- Triggers refuse what a policy cannot see, and write the audit trail.
--
-- level: error

select
    t.tgrelid::regclass::text || '.' || t.tgname as object,
    format('the trigger %s on %s does not fire', t.tgname, t.tgrelid::regclass) as says,
    format(
        '`alter table %s enable trigger %s`',
        t.tgrelid::regclass, case when t.tgisinternal then 'all' else quote_ident(t.tgname) end
    ) as remedy
from pg_trigger as t
inner join pg_class as c on c.oid = t.tgrelid
where c.relnamespace = to_regnamespace('app') and t.tgenabled not in ('O', 'A');
