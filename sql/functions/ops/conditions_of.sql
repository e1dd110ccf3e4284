-- conditions_of: a policy's expression, taken apart where its outermost `and` joins it.
--
-- For expressions as pg_get_expr writes them without pretty-printing, with parentheses around each
-- `and` and `or`: a piece is whole again once its quotes and, outside of those, its parentheses are
-- closed.
--
-- requires: 0002_schema

create or replace function app.conditions_of(expression text)
    returns text[]
    language plpgsql
    immutable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_conditions text[] := '{}';
    v_condition text;
    v_piece text;
    v_bare text;
begin
    foreach v_piece in array
        string_to_array(regexp_replace(expression, '^\((.*)\)$', '\1'), ' AND ')
    loop
        v_condition := concat_ws(' AND ', v_condition, v_piece);

        v_bare := regexp_replace(v_condition, '''[^'']*''', '', 'g');

        if v_bare !~ '''' and regexp_count(v_bare, '\(') = regexp_count(v_bare, '\)') then
            v_conditions := v_conditions || v_condition;
            v_condition := null;
        end if;
    end loop;

    return case when cardinality(v_conditions) > 1 then v_conditions else array[expression] end;
end
$$;

comment on function app.conditions_of(text) is
    'The conditions that a policy''s expression joins by its outermost and.';

revoke all on function app.conditions_of(text) from public;
grant execute on function app.conditions_of(text) to app_ops;
