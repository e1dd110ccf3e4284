-- How one query of the service runs: `hearth explain`. In the context that psqlrc.sql has set.
--
-- Variables: hearth_query, with $n; hearth_values, a JSON array of their values as text;
-- hearth_options, of EXPLAIN.

\set ON_ERROR_STOP on
\set QUIET on
\pset format unaligned
\pset tuples_only on
\getenv hearth_query HEARTH_QUERY
\getenv hearth_values HEARTH_VALUES
\getenv hearth_options HEARTH_OPTIONS
\getenv hearth_runs HEARTH_RUNS

select coalesce('(' || string_agg(quote_nullable(value), ', ' order by n) || ')', '')
    as hearth_arguments
from json_array_elements_text(:'hearth_values') with ordinality as given (value, n)
\gset

begin;
set local search_path = pg_catalog;
prepare explained as
:hearth_query;

-- From the sixth time on the server may keep one plan for all values, as it does for the service.
\if :{?hearth_runs}
savepoint before;
\o /dev/null
execute explained :hearth_arguments;
rollback to before;
execute explained :hearth_arguments;
rollback to before;
execute explained :hearth_arguments;
rollback to before;
execute explained :hearth_arguments;
rollback to before;
execute explained :hearth_arguments;
rollback to before;
execute explained :hearth_arguments;
rollback to before;
\o
\endif

explain (:hearth_options) execute explained :hearth_arguments;

select
    E'\nAs ' || current_user || ' for user ' || current_setting('app.user_id')
    || ' in '
    || coalesce('family ' || nullif(current_setting('app.family_id', true), ''), 'no family')
    || coalesce(', ' || nullif(current_setting('app.member_role', true), ''), '')
    || E'.\n'
    || case
        when generic_plans + custom_plans <= 1 then
            'Planned for these values; the service prepares it, and from the sixth time on the '
            || 'server may keep one plan for all (--analyze shows that).'
        when generic_plans > 0 then 'The plan is generic: one for all values, kept.'
        else 'The plan is custom: made anew for these values, each time.'
    end
from pg_prepared_statements
where name = 'explained';

rollback;

-- Where the conditions come from that are not the query's own.
select format(E'\nPolicies of %s, inlined above as conditions on settings app.*:\n', named.name)
    || string_agg(
    '  ' || p.policyname || ', ' || lower(p.permissive collate "C") || ', for '
    || lower(p.cmd collate "C")
    || coalesce(E'\n      shows what has ' || p.qual, '')
    || coalesce(E'\n      takes what has ' || p.with_check, ''),
    E'\n' order by p.permissive desc, p.cmd, p.policyname
)
from (
    select distinct found.part[1] as name
    from regexp_matches(:'hearth_query', '\mapp\.(\w+)', 'g') as found (part)
) as named
inner join pg_policies as p on p.schemaname = 'app' and p.tablename = named.name
where
    (p.cmd in ('ALL', 'SELECT') or :'hearth_query' ~ ('\m' || lower(p.cmd collate "C") || '\M'))
    and exists (
        select
        from unnest(p.roles) as of_role
        where of_role = 'public' or pg_has_role(of_role, 'member')
    )
group by named.name
order by named.name;
