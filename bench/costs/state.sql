-- Everything that is switched off and on here, as one digest.

select md5(string_agg(part, e'\n' order by part)) as digest
from (
    select concat_ws(' ', c.relname, c.relrowsecurity, c.relforcerowsecurity) as part
    from pg_class as c
    where c.relnamespace = 'app'::regnamespace
    union all
    select concat_ws(
        ' ', p.polrelid::regclass, p.polname,
        array(select r::regrole::text from unnest(p.polroles) as r order by 1),
        pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
    )
    from pg_policy as p
    union all
    select concat_ws(' ', t.tgrelid::regclass, t.tgname, t.tgenabled)
    from pg_trigger as t
    where not t.tgisinternal
    union all
    select concat_ws(' ', p.oid::regprocedure, p.proowner::regrole, p.prosrc, p.proacl)
    from pg_proc as p
    where p.pronamespace = 'app'::regnamespace
) as parts
