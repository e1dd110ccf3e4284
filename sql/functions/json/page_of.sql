-- page_of: a page of a list as every endpoint responds with it, in one place so that no two can
-- differ.
--
-- It is given one row more than a page has, if there are so many: then the page has a next one. The
-- cursor is that of the page's last row, and worked out only where it is told.
--
-- Text of its own, for `to_json` of a row would copy all of it twice. No `set search_path`, so that
-- the planner inlines it.
--
-- requires: 0002_schema

create or replace function app.page_of(items json[], size integer, cursor text)
    returns text
    language sql
    stable
as $$
    select concat(
        '{"items":',
        coalesce(to_json(items[1:size]), '[]'),
        ',"next":',
        case when cardinality(items) > size then to_json(cursor) else 'null' end,
        '}'
    )
$$;

comment on function app.page_of(json[], integer, text) is
    'A page of a list as every endpoint responds with it.';

revoke all on function app.page_of(json[], integer, text) from public;
grant execute on function app.page_of(json[], integer, text) to app_api;
